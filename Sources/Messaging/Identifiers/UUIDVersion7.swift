// SPDX-License-Identifier: Apache-2.0

import Synchronization

#if canImport(Glibc)
    import Glibc
#endif

/// Milliseconds since 1970-01-01T00:00:00Z.
package typealias UnixMilliseconds = UInt64

/// The wall clock, read here only, so that everything above takes the time as a parameter.
package enum WallClock {
    package static func now() -> UnixMilliseconds {
        var time = timespec()
        clock_gettime(CLOCK_REALTIME, &time)
        return UInt64(time.tv_sec) * 1000 + UInt64(time.tv_nsec) / 1_000_000
    }
}

extension Identifier {
    /// A new UUIDv7 (RFC 9562 §5.7): 48 bits of milliseconds, a 12-bit counter (§6.2 method 1), 62 random bits.
    ///
    /// Ids made by one process are strictly increasing, so rows inserted in order stay in order in an index.
    package static func generate() -> Self {
        Self(value: VersionSevenGenerator.shared.next(now: WallClock.now()))
    }

    /// The milliseconds held in a UUIDv7, or nil for any other version.
    package var timestamp: UnixMilliseconds? {
        guard UInt8(truncatingIfNeeded: self.value >> 76) & 0xF == 7 else { return nil }
        return UInt64(truncatingIfNeeded: self.value >> 80)
    }

    /// The smallest UUIDv7 of a millisecond: the lower bound of a range by time.
    package static func lowerBound(at time: UnixMilliseconds) -> Self {
        Self(value: UInt128(time & 0xFFFF_FFFF_FFFF) << 80 | 0x7 << 76 | 0b10 << 62)
    }
}

/// Keeps the last millisecond and counter, so that two ids of one process never compare equal or backwards.
struct VersionSevenGenerator: ~Copyable {
    static let shared = VersionSevenGenerator()

    private struct State {
        var milliseconds: UInt64 = 0
        var counter: UInt16 = 0
    }

    private let state = Mutex(State())

    func next(now: UnixMilliseconds) -> UInt128 {
        let (milliseconds, counter) = self.state.withLock { state in
            if now > state.milliseconds {
                state.milliseconds = now
                state.counter = UInt16.random(in: 0..<0x400)
            } else if state.counter < 0xFFF {
                state.counter += 1
            } else {
                state.milliseconds += 1
                state.counter = 0
            }
            return (state.milliseconds, state.counter)
        }
        let random = UInt64.random(in: 0...UInt64.max) & 0x3FFF_FFFF_FFFF_FFFF
        let high = (milliseconds & 0xFFFF_FFFF_FFFF) << 16 | 0x7 << 12 | UInt64(counter)
        return UInt128(high) << 64 | UInt128(0b10) << 62 | UInt128(random)
    }
}
