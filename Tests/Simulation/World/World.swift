// SPDX-License-Identifier: Apache-2.0

import Messaging
import NIOCore
import TestSupport

/// What everything in one simulation shares: time, chance, the history and the defect that is planted, if any.
///
/// A run follows from its seed alone as long as hashing is the same in every process
/// (`SWIFT_DETERMINISTIC_HASHING=1`), since the product walks through dictionaries.
package final class World {
    package let seed: UInt64
    package let scheduler = Scheduler()
    package var random: SeededRandom
    package let history: History
    package let defect: Defect?
    private let instantOfBeginning = ContinuousClock.now
    private var nextIdentifier: UInt64 = 1

    /// The wall clock of the beginning.
    package static let beginning: UnixMilliseconds = 1_800_000_000_000

    package init(seed: UInt64, defect: Defect? = nil, keepsHistory: Bool = false) {
        self.seed = seed
        self.random = SeededRandom(seed: seed)
        self.defect = defect
        self.history = History(isKept: keepsHistory)
    }

    package var now: UInt64 { self.scheduler.now }
    package var deadlineNow: NIODeadline { .uptimeNanoseconds(self.now) }
    package var instant: ContinuousClock.Instant { self.instantOfBeginning + .nanoseconds(Int64(self.now)) }
    package var wallClock: UnixMilliseconds { Self.beginning + self.now / 1_000_000 }

    /// Never the same twice; later ones are larger.
    package func nextNumber() -> UInt64 {
        defer { self.nextIdentifier += 1 }
        return self.nextIdentifier
    }

    /// A UUIDv7 of this moment.
    package func identifier<Kind>(_: Identifier<Kind>.Type = Identifier<Kind>.self) -> Identifier<Kind> {
        Identifier<Kind>(value: Identifier<Kind>.lowerBound(at: self.wallClock).value | UInt128(self.nextNumber()))
    }

    package func chance(_ probability: Double) -> Bool {
        Double.random(in: 0..<1, using: &self.random) < probability
    }

    package func duration(_ range: ClosedRange<UInt64>) -> UInt64 {
        UInt64.random(in: range, using: &self.random)
    }

    package func note(_ text: @autoclosure () -> String) {
        self.history.note(self.now, text)
    }
}
