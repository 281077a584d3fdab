// SPDX-License-Identifier: Apache-2.0

import Glibc

/// A plain thread with a name, for work that waits in system calls. It is nobody's to join: whoever needs its end has
/// `body` tell of it.
package enum NamedThread {
    private final class Start {
        let name: String
        let body: @Sendable () -> Void

        init(name: String, body: @escaping @Sendable () -> Void) {
            self.name = name
            self.body = body
        }
    }

    /// - Parameter name: what `ps -L` and `top -H` show; the kernel keeps its first 15 bytes.
    /// - Returns: false when the system has no thread left; then `body` does not run.
    package static func start(_ name: String, _ body: @escaping @Sendable () -> Void) -> Bool {
        var attributes = pthread_attr_t()
        pthread_attr_init(&attributes)
        defer { pthread_attr_destroy(&attributes) }
        pthread_attr_setdetachstate(&attributes, Int32(PTHREAD_CREATE_DETACHED))
        let start = Unmanaged.passRetained(Start(name: name, body: body))
        var thread = pthread_t()
        let status = pthread_create(
            &thread,
            &attributes,
            { argument in
                guard let argument else { return nil }
                let start = Unmanaged<Start>.fromOpaque(argument).takeRetainedValue()
                NamedThread.nameCallingThread(start.name)
                start.body()
                return nil
            },
            start.toOpaque()
        )
        if status != 0 { start.release() }
        return status == 0
    }

    /// Through procfs, because Swift sees neither `pthread_setname_np` (a GNU extension) nor `prctl` (variadic). Without
    /// procfs the thread has the name of the process, which harms nothing.
    private static func nameCallingThread(_ name: String) {
        let file = open("/proc/thread-self/comm", O_WRONLY | O_CLOEXEC)
        guard file >= 0 else { return }
        _ = Array(name.utf8.prefix(15)).withUnsafeBytes { write(file, $0.baseAddress, $0.count) }
        close(file)
    }
}
