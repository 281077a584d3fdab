// SPDX-License-Identifier: Apache-2.0

import Messaging
import Postgres

/// Making and dropping partitions, within a transaction that holds the schema's lock.
enum PartitionMaintenance {
    /// One number for everything that changes a shard's schema, taken as an advisory lock until the transaction ends.
    static let takeSchemaLock = "SELECT pg_advisory_xact_lock(8245917730421637)::text"

    /// How long a change may wait for a lock on a table in use, and so hold up what comes after it in the lock's queue.
    static let lockTimeout = "SET LOCAL lock_timeout = '500ms'"

    private static let existing = """
        SELECT c.relname::text FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
        WHERE i.inhparent = $1::text::regclass
        """

    static func create(
        now: UnixMilliseconds,
        in transaction: ShardTransaction
    ) throws(StorageError) -> [String] {
        var created: [String] = []
        for table in Partition.Table.allCases {
            let known = try Self.periods(of: table, in: transaction)
            for period in Partition.needed(now: now) where !known.contains(period) {
                let partition = Partition(table, period: period)
                try transaction.run(script: partition.creationScript)
                created.append(partition.name)
            }
        }
        return created
    }

    static func dropExpiredMessageIDs(
        now: UnixMilliseconds,
        in transaction: ShardTransaction
    ) throws(StorageError) -> [String] {
        var dropped: [String] = []
        for period in try Self.periods(of: .messageIDs, in: transaction).sorted()
        where Partition.isExpired(period: period, now: now) {
            let partition = Partition(.messageIDs, period: period)
            try transaction.run(script: "DROP TABLE \(partition.name)")
            dropped.append(partition.name)
        }
        return dropped
    }

    static func databaseTime(in transaction: ShardTransaction) throws(StorageError) -> UnixMilliseconds {
        try transaction.query("SELECT (extract(epoch FROM clock_timestamp()) * 1000)::int8") {
            (result) throws(PostgresError) -> UnixMilliseconds in
            guard var row = result.first else { return 0 }
            return try UInt64(clamping: row.int8())
        }
    }

    private static func periods(
        of table: Partition.Table,
        in transaction: ShardTransaction
    ) throws(StorageError) -> Set<UInt64> {
        try transaction.query(Self.existing, [.text(table.rawValue)]) {
            (result) throws(PostgresError) -> Set<UInt64> in
            var periods: Set<UInt64> = []
            for var row in result.rows {
                if let partition = try Partition(name: row.text(), of: table) {
                    periods.insert(partition.period)
                }
            }
            return periods
        }
    }
}

extension ShardSession {
    /// Makes the partitions that are needed now and in the weeks to come, where they do not exist yet. Safe to call at any
    /// time from any number of nodes. Returns the names of the new tables.
    @discardableResult
    package func ensurePartitions(now: UnixMilliseconds) throws(StorageError) -> [String] {
        try self.transaction { (transaction) throws(StorageError) -> [String] in
            try transaction.run(PartitionMaintenance.takeSchemaLock)
            try transaction.run(PartitionMaintenance.lockTimeout)
            return try PartitionMaintenance.create(now: now, in: transaction)
        }
    }

    /// Drops what remembers client message ids that are too old to be accepted anyway. Returns the names of the dropped
    /// tables.
    ///
    /// The earlier of `now` and the database's own time counts: a node whose clock runs ahead must not make the
    /// cluster forget ids that can still be sent again (contract C2).
    @discardableResult
    package func dropExpiredMessageIDs(now: UnixMilliseconds) throws(StorageError) -> [String] {
        try self.transaction { (transaction) throws(StorageError) -> [String] in
            try transaction.run(PartitionMaintenance.takeSchemaLock)
            try transaction.run(PartitionMaintenance.lockTimeout)
            let earlier = try min(now, PartitionMaintenance.databaseTime(in: transaction))
            return try PartitionMaintenance.dropExpiredMessageIDs(now: earlier, in: transaction)
        }
    }
}
