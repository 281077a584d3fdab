// SPDX-License-Identifier: Apache-2.0

/// Up to which position everything was put on the links. Pure.
///
/// Changes are sent by several event loops, and some wait for the registry, so they are done in another order than that
/// of their positions. Bounded by the changes that are under way, which the audiences bound.
package struct SettledPositions: Sendable {
    /// Everything up to here is done.
    package private(set) var settled: UInt64 = 0
    /// From ``settled`` + 1 on: whether it is done.
    private var underWay: [Bool] = []
    private var start = 0

    package init() {}

    /// Changes under way.
    package var count: Int { self.underWay.count - self.start }

    /// The next position was given.
    package mutating func began() {
        self.underWay.append(false)
    }

    /// What has this position is on the links, or will never be.
    package mutating func finished(_ position: UInt64) {
        guard position > self.settled, position - self.settled <= UInt64(self.count) else { return }
        self.underWay[self.start + Int(position - self.settled) - 1] = true
        while self.start < self.underWay.count, self.underWay[self.start] {
            self.start += 1
            self.settled += 1
        }
        if self.start > 1024, self.start > self.underWay.count / 2 {
            self.underWay.removeFirst(self.start)
            self.start = 0
        }
    }
}
