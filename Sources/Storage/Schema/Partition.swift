// SPDX-License-Identifier: Apache-2.0

import Messaging

/// One week of `messages` or of `message_ids`. Weeks are counted from 1970-01-01T00:00:00Z.
///
/// `messages` is partitioned by the week of `created_at`. `message_ids` is partitioned by the client message id itself,
/// because a unique index of a partitioned table must contain the partition key: these ids are UUIDv7, so a range of ids
/// is a range of time, and an id always finds its own week, whenever it is sent again (contract C2).
struct Partition: Hashable, Sendable {
    enum Table: String, CaseIterable, Sendable {
        case messages
        case messageIDs = "message_ids"
    }

    static let periodMilliseconds: UnixMilliseconds = 7 * 24 * 3600 * 1000
    /// Periods that exist before the current one: for clocks that differ, and for messages held up on their way.
    static let periodsBack: UInt64 = 1
    /// Periods that exist after the current one: how long partitions suffice when nobody makes new ones.
    static let periodsAhead: UInt64 = 8

    var table: Table
    var period: UInt64

    static func period(of time: UnixMilliseconds) -> UInt64 {
        time / Self.periodMilliseconds
    }

    /// The periods that must exist at a time.
    static func needed(now: UnixMilliseconds) -> ClosedRange<UInt64> {
        let current = Self.period(of: now)
        return (current - min(current, Self.periodsBack))...(current + Self.periodsAhead)
    }

    /// Whether every id of a period is older than any that is accepted at a time, by a week at least.
    static func isExpired(period: UInt64, now: UnixMilliseconds) -> Bool {
        (period + 1) * Self.periodMilliseconds + Limits.clientMessageIDAgeMax + 7 * 24 * 3600 * 1000 <= now
    }

    init(_ table: Table, period: UInt64) {
        self.table = table
        self.period = period
    }

    /// Reads the name of a table. Returns nil for the default partition and for tables that are no partitions.
    init?(name: String, of table: Table) {
        let prefix = table.rawValue + "_p"
        guard name.hasPrefix(prefix), let period = UInt64(name.dropFirst(prefix.count)) else { return nil }
        self.init(table, period: period)
    }

    var name: String { "\(self.table.rawValue)_p\(self.period)" }

    /// Makes the partition beside its parent and attaches it, which blocks neither reading nor writing of the other
    /// partitions, as `CREATE TABLE … PARTITION OF` would. What has meanwhile gone to the default partition moves over.
    var creationScript: String {
        let parent = self.table.rawValue
        return """
            CREATE TABLE \(self.name) (LIKE \(parent) INCLUDING ALL);
            LOCK TABLE \(parent)_default IN ACCESS EXCLUSIVE MODE;
            WITH moved AS (DELETE FROM \(parent)_default WHERE \(self.condition) RETURNING *)
                INSERT INTO \(self.name) SELECT * FROM moved;
            ALTER TABLE \(parent) ATTACH PARTITION \(self.name) FOR VALUES FROM (\(self.lower)) TO (\(self.upper))
            """
    }

    private var condition: String {
        let column = self.table == .messages ? "period" : "client_message_id"
        return "\(column) >= \(self.lower) AND \(column) < \(self.upper)"
    }

    private var lower: String { self.bound(of: self.period) }
    private var upper: String { self.bound(of: self.period + 1) }

    private func bound(of period: UInt64) -> String {
        switch self.table {
        case .messages: "\(period)"
        case .messageIDs: "'\(ClientMessageID.lowerBound(at: period * Self.periodMilliseconds))'"
        }
    }
}
