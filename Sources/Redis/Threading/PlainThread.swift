// SPDX-License-Identifier: Apache-2.0

import Glibc
import Synchronization

/// A thread of its own for calls that block, outside of Swift's cooperative pool.
final class PlainThread: Sendable {
    /// Nil once joined, so that it is joined or detached exactly once.
    private let handle: Mutex<pthread_t?>

    /// - Returns: Nil when the system refuses one more thread.
    init?(_ body: @escaping @Sendable () -> Void) {
        let start = Unmanaged.passRetained(Start(body))
        var thread = pthread_t()
        let result = pthread_create(
            &thread,
            nil,
            { argument in
                guard let argument else { return nil }
                Unmanaged<Start>.fromOpaque(argument).takeRetainedValue().body()
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
    func join() {
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
        let body: @Sendable () -> Void

        init(_ body: @escaping @Sendable () -> Void) {
            self.body = body
        }
    }
}
