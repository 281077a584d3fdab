// SPDX-License-Identifier: Apache-2.0

import Messaging
import Placement
import Postgres

/// A write to another slot that belongs to a transaction: stored with it, repeated until it is done, then deleted.
package struct OutboxEntry: Hashable, Sendable {
    /// Where it is to be carried out.
    package var targetSlot: Slot
    /// What is to be done; the number is given a meaning, and the payload a format, by whoever carries it out.
    package var kind: UInt8
    package var payload: [UInt8]

    package init(targetSlot: Slot, kind: UInt8, payload: [UInt8]) {
        self.targetSlot = targetSlot
        self.kind = kind
        self.payload = payload
    }
}

/// A stored entry.
package struct OutboxRow: Hashable, Sendable {
    package var id: Int64
    /// Of whose transaction it was part.
    package var slot: Slot
    package var entry: OutboxEntry
    package var createdAt: UnixMilliseconds

    package init(id: Int64, slot: Slot, entry: OutboxEntry, createdAt: UnixMilliseconds) {
        self.id = id
        self.slot = slot
        self.entry = entry
        self.createdAt = createdAt
    }
}

/// The columns of new entries, as parameters of a statement.
struct OutboxColumns {
    /// To be put after `SELECT`, with the numbers of the parameters for the slot, the time and the three arrays.
    static func insertion(slot: Int, now: Int, arraysFrom first: Int, from source: String) -> String {
        """
        INSERT INTO outbox (slot, target_slot, kind, payload, created_at)
        SELECT $\(slot)::int2, e.target_slot, e.kind, e.payload, $\(now)::int8
        FROM \(source) unnest($\(first)::int2[], $\(first + 1)::int2[], $\(first + 2)::bytea[])
            WITH ORDINALITY AS e (target_slot, kind, payload, place)
        ORDER BY e.place
        RETURNING id
        """
    }

    static func arrays(_ entries: [OutboxEntry]) -> [PostgresValue] {
        [
            .int2Array(entries.map(\.targetSlot.column)),
            .int2Array(entries.map { Int16($0.kind) }),
            .byteaArray(entries.map(\.payload)),
        ]
    }
}

extension ShardTransaction {
    private static let insertOutbox = OutboxColumns.insertion(slot: 1, now: 2, arraysFrom: 3, from: "")

    /// Returns the new ids in the order of the entries.
    func insert(
        _ entries: [OutboxEntry],
        slot: Slot,
        now: UnixMilliseconds
    ) throws(StorageError) -> [Int64] {
        guard !entries.isEmpty else { return [] }
        return try self.query(
            Self.insertOutbox,
            [.int2(slot.column), .number(now)] + OutboxColumns.arrays(entries)
        ) { (result) throws(PostgresError) -> [Int64] in
            var ids: [Int64] = []
            for var row in result.rows {
                try ids.append(row.int8())
            }
            return ids
        }
    }
}

extension ShardSession {
    /// Entries of one read.
    package static let outboxRowsMax = 1000

    /// Whether there are entries of any slot that are not done yet.
    package func hasOutbox() throws(StorageError) -> Bool {
        try self.read("SELECT 1 FROM outbox LIMIT 1", []) { $0.rowCount > 0 }
    }

    /// Entries that are not done yet, in the order of their ids.
    ///
    /// Ids are drawn before their transactions commit, so a lower one can appear after a higher one was read: a reader that
    /// goes on from the last id it saw must begin again from 0 from time to time.
    ///
    /// - Parameters:
    ///   - slots: only entries of transactions in these slots; nil for all.
    ///   - limit: brought into `1...outboxRowsMax`.
    package func readOutbox(slots: [Slot]?, after id: Int64, limit: Int) throws(StorageError) -> [OutboxRow] {
        try self.read(
            """
            SELECT id, slot, target_slot, kind, payload, created_at FROM outbox
            WHERE id > $1 AND ($2::int2[] IS NULL OR slot = ANY($2)) ORDER BY id LIMIT $3
            """,
            [
                .int8(id), .optional(slots.map { $0.map(\.column) }),
                .int8(Int64(min(max(limit, 1), Self.outboxRowsMax))),
            ]
        ) { (result) throws(PostgresError) -> [OutboxRow] in
            var rows: [OutboxRow] = []
            for var row in result.rows {
                let id = try row.int8()
                let slot = try row.slot()
                let entry = try OutboxEntry(
                    targetSlot: row.slot(),
                    kind: UInt8(clamping: row.int2()),
                    payload: row.bytea()
                )
                try rows.append(OutboxRow(id: id, slot: slot, entry: entry, createdAt: row.number()))
            }
            return rows
        }
    }

    /// Removes entries that were carried out. Those that are gone already are no error. Returns how many were removed.
    @discardableResult
    package func deleteOutbox(_ ids: [Int64], epoch: UInt64) throws(StorageError) -> Int {
        try self.write(
            """
            WITH \(Fence.commonTableExpression),
            gone AS (DELETE FROM outbox o USING fence WHERE o.id = ANY($2) RETURNING o.id)
            SELECT \(Fence.column), (SELECT count(*) FROM gone)
            """,
            epoch: epoch,
            [.int8Array(ids)]
        ) { (row) throws(PostgresError) -> Int in
            try Int(row.int8())
        }
    }
}
