// SPDX-License-Identifier: Apache-2.0

import Glibc

/// One wait of the owning thread for a socket, with a deadline.
enum SocketWait {
    enum Outcome {
        case ready
        case deadlinePassed
        case failed(errno: Int32)
    }

    static func wait(
        for events: Int16,
        on socket: Int32,
        until deadline: ContinuousClock.Instant
    ) -> Outcome {
        while true {
            var descriptor = pollfd(fd: socket, events: events, revents: 0)
            let ready = poll(&descriptor, 1, Self.milliseconds(until: deadline))
            if ready > 0 { return .ready }
            if ready < 0, errno != EINTR { return .failed(errno: errno) }
            if ContinuousClock.now >= deadline { return .deadlinePassed }
        }
    }

    /// Whether something, an end of the stream included, can be read at once.
    static func isReadable(_ socket: Int32) -> Bool {
        var descriptor = pollfd(fd: socket, events: Int16(POLLIN), revents: 0)
        return poll(&descriptor, 1, 0) > 0
    }

    /// Rounded up, so that a wait never ends just before its deadline only to begin again.
    private static func milliseconds(until deadline: ContinuousClock.Instant) -> Int32 {
        let remaining = deadline - ContinuousClock.now
        guard remaining > .zero else { return 0 }
        let (seconds, attoseconds) = remaining.components
        guard seconds < 3600 else { return 3_600_000 }
        return Int32(seconds * 1000 + (attoseconds + 999_999_999_999_999) / 1_000_000_000_000_000)
    }
}
