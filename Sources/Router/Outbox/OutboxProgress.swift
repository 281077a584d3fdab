// SPDX-License-Identifier: Apache-2.0

import Placement

/// Which entries of a shard's outbox are under way, and who waits for them. Pure.
///
/// An entry is read, sent to the owner of its target slot, and deleted once that one has applied it; until then it is
/// sent again. Applying twice, or in another order, changes nothing, so nothing here has to be exact.
package struct OutboxProgress: Sendable {
    /// Entries sent at one time; more are read when some are through.
    package static let underWayMax = 512

    private struct Waiter: Sendable {
        var open: Set<Int64>
        var until: ContinuousClock.Instant
        var completion: @Sendable () -> Void
    }

    private var underWay: Set<Int64> = []
    /// The entry that was read last; 0 to begin with the first.
    private var readUpTo: Int64 = 0
    private var waiters: [Waiter] = []

    package init() {}

    /// How many more entries may be sent.
    package var room: Int { max(0, Self.underWayMax - self.underWay.count) }
    package var underWayCount: Int { self.underWay.count }

    /// Reads as many entries as there is room for: those behind the ones that were read last, and after the end the first
    /// again. So entries for a shard that is away, however many, do not keep back those behind them.
    package mutating func next<Row, Failure: Error>(
        id: (Row) -> Int64,
        read: (_ after: Int64, _ limit: Int) throws(Failure) -> [Row]
    ) throws(Failure) -> [Row] {
        let limit = self.room
        guard limit > 0 else { return [] }
        var rows = try read(self.readUpTo, limit)
        if rows.isEmpty, self.readUpTo > 0 { rows = try read(0, limit) }
        // Less than was asked for: that was the end.
        self.readUpTo = rows.count < limit ? 0 : rows.last.map(id) ?? 0
        return rows
    }

    /// Somebody answers a client as soon as these are through, or at the given time.
    package mutating func wait(
        for entries: [Int64],
        until: ContinuousClock.Instant,
        completion: @escaping @Sendable () -> Void
    ) {
        self.waiters.append(Waiter(open: Set(entries), until: until, completion: completion))
    }

    /// Returns whether the entry is not under way yet and is now.
    package mutating func begin(_ entry: Int64) -> Bool {
        self.underWay.insert(entry).inserted
    }

    /// The entry was not applied: it will be sent again.
    package mutating func failed(_ entry: Int64) {
        self.underWay.remove(entry)
    }

    /// The entries were applied and deleted. Returns whose wait is over, to be called outside of any lock.
    package mutating func finished(_ entries: [Int64]) -> [@Sendable () -> Void] {
        self.underWay.subtract(entries)
        return self.release { waiter in
            waiter.open.subtract(entries)
            return waiter.open.isEmpty
        }
    }

    /// Returns those who have waited long enough.
    package mutating func expire(now: ContinuousClock.Instant) -> [@Sendable () -> Void] {
        self.release { $0.until <= now }
    }

    /// Returns all who wait: the router stops.
    package mutating func releaseAll() -> [@Sendable () -> Void] {
        self.release { _ in true }
    }

    private mutating func release(where isOver: (inout Waiter) -> Bool) -> [@Sendable () -> Void] {
        var released: [@Sendable () -> Void] = []
        var kept: [Waiter] = []
        for var waiter in self.waiters {
            if isOver(&waiter) {
                released.append(waiter.completion)
            } else {
                kept.append(waiter)
            }
        }
        self.waiters = kept
        return released
    }
}
