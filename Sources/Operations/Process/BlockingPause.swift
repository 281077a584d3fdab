// SPDX-License-Identifier: Apache-2.0

import Glibc

/// A pause of a thread that is its own.
enum BlockingPause {
    /// At most a second.
    static func pause(for time: Duration) {
        let (seconds, attoseconds) = min(time, .seconds(1)).components
        usleep(UInt32(clamping: seconds * 1_000_000 + attoseconds / 1_000_000_000_000))
    }
}
