// SPDX-License-Identifier: Apache-2.0

import Glibc

/// Waits in `poll`; interrupted calls are taken up again with what is left of the time.
enum Readiness {
    /// Waits until one of the descriptors has one of its events, or the deadline has passed.
    ///
    /// - Parameter deadline: Nil waits without end.
    /// - Returns: Whether there is an event; the events are in `revents`.
    static func wait(for descriptors: inout [pollfd], until deadline: ContinuousClock.Instant?) -> Bool {
        while true {
            let result = poll(&descriptors, nfds_t(descriptors.count), Self.milliseconds(until: deadline))
            if result > 0 { return true }
            if result == 0 || errno != EINTR { return false }
        }
    }

    /// Rounded up, so that a wait never ends before its deadline and then spins.
    private static func milliseconds(until deadline: ContinuousClock.Instant?) -> Int32 {
        guard let deadline else { return -1 }
        let left = ContinuousClock.now.duration(to: deadline)
        guard left > .zero else { return 0 }
        let (seconds, attoseconds) = left.components
        guard seconds < 1_000_000 else { return 1_000_000_000 }
        return Int32(seconds * 1000 + (attoseconds + 999_999_999_999_999) / 1_000_000_000_000_000)
    }
}
