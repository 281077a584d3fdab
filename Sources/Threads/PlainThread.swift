// SPDX-License-Identifier: Apache-2.0

import Glibc
import Synchronization

/// A thread of its own for calls that block, outside of Swift's cooperative pool.
///
/// It can be joined; when nobody holds the object any more, it runs on by itself to its end.
package final class PlainThread: Sendable {
    /// Nil once joined, so that it is joined or detached exactly once.
    private let handle: Mutex<pthread_t?>

    /// - Parameter name: what `ps -L` and `top -H` show; the kernel keeps its first 15 bytes.
    /// - Returns: Nil when the system refuses one more thread; then `body` does not run.
    package init?(name: String, _ body: @escaping @Sendable () -> Void) {
        let start = Unmanaged.passRetained(Start(name: name, body: body))
        var thread = pthread_t()
        let result = pthread_create(
            &thread,
            nil,
            { argument in
                guard let argument else { return nil }
                let start = Unmanaged<Start>.fromOpaque(argument).takeRetainedValue()
                start.nameCallingThread()
                start.body()
                return nil
            },
            start.toOpaque()
        )
        guard result == 0 else {
            start.release()
            return nil
        }
        self.handle = Mutex(thread)
    }

    deinit {
        if let thread = self.handle.withLock({ $0 }) {
            pthread_detach(thread)
        }
    }

    /// Waits for the end of the thread. Does nothing the second time, and nothing on the thread itself.
    package func join() {
        let thread = self.handle.withLock { handle -> pthread_t? in
            guard let thread = handle, pthread_equal(thread, pthread_self()) == 0 else { return nil }
            handle = nil
            return thread
        }
        if let thread {
            pthread_join(thread, nil)
        }
    }

    private final class Start: Sendable {
        let name: String
        let body: @Sendable () -> Void

        init(name: String, body: @escaping @Sendable () -> Void) {
            self.name = name
            self.body = body
        }

        /// Through procfs, because Swift sees neither `pthread_setname_np` (a GNU extension) nor `prctl` (variadic).
        /// Without procfs the thread has the name of the process, which harms nothing.
        func nameCallingThread() {
            let file = open("/proc/thread-self/comm", O_WRONLY | O_CLOEXEC)
            guard file >= 0 else { return }
            _ = Array(self.name.utf8.prefix(15)).withUnsafeBytes { write(file, $0.baseAddress, $0.count) }
            close(file)
        }
    }
}
