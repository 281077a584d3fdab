// SPDX-License-Identifier: Apache-2.0

import Foundation
import Glibc

/// What Ctrl-C leaves behind is said before the command ends: the work goes on elsewhere, or waits for somebody.
enum Interruption {
    /// 128 and the number of the signal, as shells have it.
    private static let exitStatus: Int32 = 130

    /// Slots are being moved by this process.
    static func leavesMove() {
        // A handler may do nothing but write and end.
        signal(SIGINT) { _ in
            Interruption.end(
                """

                Stopped; what has moved stays where it is, and clients notice nothing.
                `trunkline move resume` goes on, `trunkline move abort` ends it, `trunkline move status` says how far it is.

                """
            )
        }
    }

    /// A node is being emptied.
    static func leavesDrain() {
        signal(SIGINT) { _ in
            Interruption.end(
                """

                Not watched any more; the node goes on being emptied.
                `trunkline drain` with its name watches it again, `trunkline undrain` takes it back.

                """
            )
        }
    }

    /// Has what is left behind said by `report`, on a thread of its own, where it may block. A second Ctrl-C does not wait
    /// for it.
    static func tells(_ report: @escaping @Sendable () -> Void) {
        guard let alarm = Self.alarm else { return }
        Thread.detachNewThread {
            var byte: UInt8 = 0
            while read(alarm.output, &byte, 1) < 0, errno == EINTR {}
            report()
            _exit(Self.exitStatus)
        }
        // A handler may do nothing but write; programs that are started afterwards do not inherit it.
        signal(SIGINT) { _ in
            signal(SIGINT, SIG_DFL)
            var byte: UInt8 = 0
            if let alarm = Interruption.alarm { _ = write(alarm.input, &byte, 1) }
        }
    }

    /// From the handler to the thread; nil where no file can be opened any more.
    private static let alarm: (output: Int32, input: Int32)? = {
        var ends: [Int32] = [-1, -1]
        guard pipe(&ends) == 0 else { return nil }
        for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
        return (ends[0], ends[1])
    }()

    private static func end(_ text: StaticString) {
        write(STDERR_FILENO, text.utf8Start, text.utf8CodeUnitCount)
        _exit(Self.exitStatus)
    }
}
