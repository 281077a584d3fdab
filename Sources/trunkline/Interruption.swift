// SPDX-License-Identifier: Apache-2.0

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

    private static func end(_ text: StaticString) {
        write(STDERR_FILENO, text.utf8Start, text.utf8CodeUnitCount)
        _exit(Self.exitStatus)
    }
}
