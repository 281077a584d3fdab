// SPDX-License-Identifier: Apache-2.0

import Placement
import Postgres

/// Copies the rows of some slots from one shard to another while they are written, and proves that the copy is right.
///
/// A round reads the source in one snapshot and writes the target in one transaction: what has changed by the notes that the
/// snapshot shows is deleted at the target and copied as the snapshot has it; then both sides count the rows and add
/// up a hash of each. Since nobody else writes these slots at the target, it equals the snapshot after the
/// first round, and any later round only has to compare what it touched. A note is removed after the round that saw it; a change
/// that comes later is noted again.
///
/// After the last round, in the pause, the target equals the source.
package struct SlotCopy {
    /// What it copies.
    package static let tables = SlotTable.all.map(\.name)

    private let source: OperatorSession
    private let target: OperatorSession
    private let slots: [Slot]
    private let columns: [String: [String]]
    private var limit = OperatorSession.longStatementMax

    package struct Round: Sendable, Equatable {
        package var rows: Int64 = 0

        package init() {}
    }

    /// Throws ``StorageError/Code/wrongDatabase`` when the tables of the two have not the same columns.
    package init(from source: OperatorSession, to target: OperatorSession, slots: [Slot]) throws(StorageError) {
        self.source = source
        self.target = target
        self.slots = slots
        let columns = try source.readColumns()
        guard try columns.mapValues(Set.init) == target.readColumns().mapValues(Set.init) else {
            throw StorageError(
                .wrongDatabase,
                "shards \(source.shard.name) and \(target.shard.name) have different tables: run `trunkline migrate`"
            )
        }
        self.columns = columns
    }

    /// The same with a time limit for each round. What takes longer breaks the connections off, and with them the
    /// operator's locks.
    package func limited(to limit: Duration) -> SlotCopy {
        var copy = self
        copy.limit = limit
        return copy
    }

    /// Everything, in place of whatever the target has of these slots.
    package func copyAll() throws(StorageError) -> Round {
        try self.round { (_, target) throws(StorageError) -> Round in
            try SlotTable.deleteRows(of: self.slots, in: target)
            var round = Round()
            for table in SlotTable.noted.reversed() {
                round.rows += try self.copy(table, table.rows(of: self.slots), table.rows(of: self.slots))
            }
            return round
        }
    }

    /// What was noted since the last round. In the pause it is the last one, which brings the outbox too.
    package func copyChanges(isLast: Bool) throws(StorageError) -> Round {
        try self.round { (source, target) throws(StorageError) -> Round in
            var round = Round()
            let touched = try self.touchedTables(source)
            if !touched.isEmpty {
                try target.run(script: Self.keysTable)
                try self.source.carry(
                    "SELECT DISTINCT relation, key FROM \(self.notes) n",
                    into: "moved_keys (relation, key)",
                    to: self.target,
                    within: self.limit
                )
            }
            for table in SlotTable.noted where touched.contains(table.name) {
                try target.run(
                    script: """
                        DELETE FROM \(table.name) r USING moved_keys k
                        WHERE k.relation = '\(table.name)' AND \(table.keyCondition)
                        """
                )
                round.rows += try self.copy(
                    table,
                    table.rows(namedBy: "\(self.notes) n"),
                    table.rows(namedBy: "moved_keys")
                )
            }
            if isLast {
                let outbox = SlotTable.outbox
                try target.run("DELETE FROM outbox WHERE slot = ANY($1)", [.slots(self.slots)])
                let rows = outbox.rows(of: self.slots)
                round.rows += try self.copy(outbox, "\(rows) ORDER BY r.id", rows)
            }
            return round
        }
    }

    // MARK: -

    private static let keysTable = """
        CREATE TEMP TABLE IF NOT EXISTS moved_keys (relation text, key jsonb) ON COMMIT DELETE ROWS
        """

    private var notes: String {
        "(SELECT relation, key FROM slot_changes WHERE slot = ANY('\(SlotTable.list(self.slots))'::int2[]))"
    }

    private func round(
        _ body: (_ source: ShardTransaction, _ target: ShardTransaction) throws(StorageError) -> Round
    ) throws(StorageError) -> Round {
        let (round, seen) = try self.source.transaction(
            "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY",
            within: self.limit
        ) { (source) throws(StorageError) -> (Round, [Int64]) in
            let seen = try source.query(
                "SELECT coalesce(array_agg(id), '{}') FROM slot_changes WHERE slot = ANY($1)",
                [.slots(self.slots)]
            ) { (result) throws(PostgresError) -> [Int64] in
                guard var row = result.first else { return [] }
                return try row.int8Array()
            }
            let round = try self.target.transaction(within: self.limit) { (target) throws(StorageError) -> Round in
                try self.requireReceiving(target)
                return try body(source, target)
            }
            return (round, seen)
        }
        if !seen.isEmpty {
            try self.source.query("DELETE FROM slot_changes WHERE id = ANY($1)", [.int8Array(seen)], within: self.limit)
            {
                _ in
            }
        }
        return round
    }

    /// What does not wait to be received could be in use.
    private func requireReceiving(_ target: ShardTransaction) throws(StorageError) {
        let count = try target.query(
            "SELECT slot FROM slot_transfers WHERE slot = ANY($1) AND state = 'receiving'",
            [.slots(self.slots)]
        ) { $0.rowCount }
        guard count == self.slots.count else {
            throw StorageError(.staleEpoch, "a slot is not receiving any more")
        }
    }

    private func touchedTables(_ source: ShardTransaction) throws(StorageError) -> Set<String> {
        try source.query(
            "SELECT DISTINCT relation FROM slot_changes WHERE slot = ANY($1)",
            [.slots(self.slots)]
        ) { (result) throws(PostgresError) -> Set<String> in
            var names: Set<String> = []
            for var row in result.rows { try names.insert(row.text()) }
            return names
        }
    }

    /// Carries rows of a table and compares both sides. Returns how many there were.
    private func copy(_ table: SlotTable, _ from: String, _ to: String) throws(StorageError) -> Int64 {
        let columns = self.columns[table.name] ?? []
        let list = columns.map { "r.\($0)" }.joined(separator: ", ")
        try self.source.carry(
            "SELECT \(list) \(from)",
            into: "\(table.name) (\(columns.joined(separator: ", ")))",
            to: self.target,
            within: self.limit
        )
        let before = try self.source.sum(
            of: columns,
            from.replacing(" ORDER BY r.id", with: ""),
            within: self.limit
        )
        let after = try self.target.sum(of: columns, to, within: self.limit)
        guard before == after else {
            throw StorageError(
                .internal,
                """
                the copy of \(table.name) differs: \(before.rows) rows at \(self.source.shard.name), \
                \(after.rows) at \(self.target.shard.name)
                """
            )
        }
        return before.rows
    }
}

/// How many rows there are, and the sum of a hash of each, in whatever order.
struct RowSum: Sendable, Equatable {
    var rows: Int64
    var hashes: String

    /// Text is the one form in which two servers of different versions agree on a row; 64 bits of SHA-256 over it are taken
    /// for each, so that no mistake can hide.
    static func expressions(over columns: [String]) -> String {
        let row = "ROW(" + columns.map { "r.\($0)" }.joined(separator: ", ") + ")::text"
        let hash = "('x' || encode(substring(sha256(convert_to(\(row), 'UTF8')) FROM 1 FOR 8), 'hex'))::bit(64)::int8"
        return "count(*), coalesce(sum(\(hash)), 0)::text"
    }
}

extension OperatorSession {
    /// Carries rows to a table of another shard.
    func carry(
        _ query: String,
        into table: String,
        to target: OperatorSession,
        within limit: Duration = OperatorSession.longStatementMax
    ) throws(StorageError) {
        do throws(PostgresError) {
            try self.connection.copy(
                query,
                to: target.connection,
                into: table,
                deadline: .now + limit
            )
        } catch {
            throw StorageError(error, effect: .none)
        }
    }

    /// - Parameter rows: `FROM …`, with the alias `r`.
    func sum(
        of columns: [String],
        _ rows: String,
        within limit: Duration = OperatorSession.longStatementMax
    ) throws(StorageError) -> RowSum {
        try self.query(
            "SELECT \(RowSum.expressions(over: columns)) \(rows)",
            within: limit
        ) { (result) throws(PostgresError) -> RowSum in
            guard var row = result.first else { throw PostgresError(.unexpectedAnswer, "there is no sum") }
            return try RowSum(rows: row.int8(), hashes: row.text())
        }
    }

    /// By table, those that are copied: all but ids that the database makes itself.
    func readColumns() throws(StorageError) -> [String: [String]] {
        try self.query(
            """
            SELECT c.relname::text, a.attname::text FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
            WHERE c.oid = ANY($1::text[]::regclass[]) AND a.attnum > 0 AND NOT a.attisdropped AND a.attidentity = ''
            ORDER BY a.attnum
            """,
            [.textArray(SlotTable.all.map(\.name))]
        ) { (result) throws(PostgresError) -> [String: [String]] in
            var columns: [String: [String]] = [:]
            for var row in result.rows {
                let table = try row.text()
                try columns[table, default: []].append(row.text())
            }
            return columns
        }
    }
}
