// SPDX-License-Identifier: Apache-2.0

import FaultModel
import Glibc

/// Microseconds since the process first asked, on a clock that never goes back. Any thread may ask.
enum RunClock {
    private static let start = Self.read()

    static func now() -> Microseconds {
        Self.read() - Self.start
    }

    private static func read() -> Microseconds {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return Microseconds(time.tv_sec) * 1_000_000 + Microseconds(time.tv_nsec) / 1000
    }
}
