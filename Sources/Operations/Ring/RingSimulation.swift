// SPDX-License-Identifier: Apache-2.0

import Placement

/// What the ring makes of a number of routers, and what moves when some come or go. Pure.
package struct RingSimulation: Sendable, Equatable {
    /// How the slots are shared out.
    package struct Evenness: Sendable, Equatable {
        package var routers: Int
        package var fewest: Int
        package var most: Int
        package var average: Double

        init(_ ring: Ring) {
            let counts = ring.routers.map { ring.slots(of: $0).count }
            self.routers = counts.count
            self.fewest = counts.min() ?? 0
            self.most = counts.max() ?? 0
            self.average = counts.isEmpty ? 0 : Double(Slot.count) / Double(counts.count)
        }

        /// The largest distance from even, as a share of it.
        package var spread: Double {
            guard self.average > 0 else { return 0 }
            return max(Double(self.most) - self.average, self.average - Double(self.fewest)) / self.average
        }
    }

    package let before: Evenness
    package let after: Evenness
    /// Slots with another owner afterwards.
    package let moved: Int
    /// The fewest that any placement has to move to be even afterwards: those of the routers that come or go.
    package let least: Int
    /// Slots that moved between two routers that were there before and afterwards; consistent hashing moves none.
    package let movedNeedlessly: Int

    /// - Parameters:
    ///   - routers: their names; they decide where the points are.
    ///   - changed: the names afterwards.
    package init(routers: [String], changed: [String]) {
        let (before, after) = (Ring(routers: routers), Ring(routers: changed))
        self.before = Evenness(before)
        self.after = Evenness(after)
        let (old, new) = (Set(before.routers), Set(after.routers))
        var (moved, needless) = (0, 0)
        for number in 0..<Slot.count {
            guard let slot = Slot(number) else { continue }
            let (one, other) = (before.owner(of: slot), after.owner(of: slot))
            guard one != other else { continue }
            moved += 1
            if let one, let other, new.contains(one), old.contains(other) { needless += 1 }
        }
        self.moved = moved
        self.movedNeedlessly = needless
        let gone = old.subtracting(new).reduce(0) { $0 + before.slots(of: $1).count }
        let come = new.isEmpty ? 0 : Slot.count * new.subtracting(old).count / new.count
        self.least = max(gone, come)
    }

    /// `router-1` to `router-N`, as the examples name them.
    package static func names(_ count: Int) -> [String] {
        (0..<max(0, count)).map { "router-\($0 + 1)" }
    }
}
