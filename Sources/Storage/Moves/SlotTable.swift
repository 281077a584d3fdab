// SPDX-License-Identifier: Apache-2.0

import Placement
import Postgres

/// A table whose rows belong to slots: how its rows are found by slot, and by the keys of those that changed.
///
/// Whoever adds a table with a `slot` column adds it here; a test compares this list with the schema.
struct SlotTable: Sendable {
    struct Key: Sendable {
        var column: String
        var type: String
    }

    var name: String
    var key: [Key]
    /// The table by whose rows those of a slot are found, where an index on `slot` would cost too much: every row has one
    /// there with the same ``key`` column.
    var parent: (name: String, column: String)?

    /// Noted row by row while a slot is copied. Parents come after their children: rows are deleted in this order, and copied in
    /// the opposite one.
    static let noted: [SlotTable] = [
        SlotTable(
            name: "messages",
            key: [
                Key(column: "conversation_id", type: "uuid"), Key(column: "seq", type: "int8"),
                Key(column: "period", type: "int4"),
            ],
            parent: ("conversations", "conversation_id")
        ),
        SlotTable(
            name: "message_ids",
            key: [
                Key(column: "conversation_id", type: "uuid"), Key(column: "sender_id", type: "uuid"),
                Key(column: "client_message_id", type: "uuid"),
            ],
            parent: ("conversations", "conversation_id")
        ),
        SlotTable(
            name: "members",
            key: [Key(column: "conversation_id", type: "uuid"), Key(column: "user_id", type: "uuid")]
        ),
        SlotTable(name: "conversations", key: [Key(column: "conversation_id", type: "uuid")]),
        SlotTable(
            name: "user_conversations",
            key: [Key(column: "user_id", type: "uuid"), Key(column: "conversation_id", type: "uuid")]
        ),
        SlotTable(
            name: "refresh_tokens",
            key: [Key(column: "user_id", type: "uuid"), Key(column: "token_hash", type: "bytea")]
        ),
        SlotTable(
            name: "devices",
            key: [Key(column: "user_id", type: "uuid"), Key(column: "device_id", type: "uuid")]
        ),
        SlotTable(name: "users", key: [Key(column: "user_id", type: "uuid")]),
        SlotTable(name: "usernames", key: [Key(column: "username", type: "text")]),
    ]

    /// Copied anew during the pause, since it is mostly empty: entries are deleted as soon as they are carried out. Its ids are the
    /// shard's own, so they are not copied.
    static let outbox = SlotTable(name: "outbox", key: [Key(column: "id", type: "int8")])

    static let all = Self.noted + [Self.outbox]

    // MARK: - Rows

    /// `FROM …` of the rows of some slots; the table's alias is `r`.
    func rows(of slots: [Slot]) -> String {
        let condition = "slot = ANY('\(Self.list(slots))'::int2[])"
        guard let parent = self.parent else { return "FROM \(self.name) r WHERE r.\(condition)" }
        return """
            FROM \(parent.name) p JOIN \(self.name) r ON r.\(parent.column) = p.\(parent.column) WHERE p.\(condition)
            """
    }

    /// `FROM …` of the rows with the keys that a relation with columns `relation` and `key` names.
    func rows(namedBy source: String) -> String {
        """
        FROM (SELECT DISTINCT key FROM \(source) WHERE relation = '\(self.name)') k
        JOIN \(self.name) r ON \(self.keyCondition)
        """
    }

    var keyCondition: String {
        self.key.enumerated().map { "r.\($1.column) = (k.key ->> \($0))::\($1.type)" }.joined(separator: " AND ")
    }

    /// As arguments of `jsonb_build_array` over rows with the alias `r`.
    var keyColumns: String {
        self.key.map { "r.\($0.column)" }.joined(separator: ", ")
    }

    static func list(_ slots: [Slot]) -> String {
        "{" + slots.map { "\($0.number)" }.joined(separator: ",") + "}"
    }

    /// Deletes every row of some slots.
    static func deleteRows(of slots: [Slot], in transaction: ShardTransaction) throws(StorageError) {
        for table in Self.all {
            var condition = "t.slot = ANY('\(Self.list(slots))'::int2[])"
            var using = ""
            if let parent = table.parent {
                using = "USING \(parent.name) p"
                condition = "t.\(parent.column) = p.\(parent.column) AND p.slot = ANY('\(Self.list(slots))'::int2[])"
            }
            try transaction.run(script: "DELETE FROM \(table.name) t \(using) WHERE \(condition)")
        }
    }

    // MARK: - For the time of a move

    /// An index by slot, for tables that have no parent. Without one every batch would read the whole table.
    var index: String? {
        self.parent == nil && self.name != Self.outbox.name ? "moving_\(self.name)_slot" : nil
    }

    private static let occasions = [
        ("inserted", "INSERT", "NEW"), ("updated", "UPDATE", "NEW"), ("deleted", "DELETE", "OLD"),
    ]

    /// Notes the keys of rows that a statement writes; one call for each statement, however many rows.
    var triggersCreation: String {
        Self.occasions.map { name, event, rows in
            """
            CREATE OR REPLACE TRIGGER slot_change_\(name) AFTER \(event) ON \(self.name)
            REFERENCING \(rows) TABLE AS changed FOR EACH STATEMENT
            EXECUTE FUNCTION record_slot_changes('\(self.name)', '\(self.keyColumns)');
            """
        }.joined(separator: "\n")
    }

    var triggersRemoval: String {
        Self.occasions.map { "DROP TRIGGER IF EXISTS slot_change_\($0.0) ON \(self.name);" }.joined(separator: "\n")
    }
}

extension OperatorSession {
    private static let triggerLockMax = "SET LOCAL lock_timeout = '150ms'"

    /// Sees to it that the shard can send and receive: indexes by slot, and triggers that note changes. Safe to repeat.
    ///
    /// The indexes are built while the tables are written; the triggers need each table for a moment to themselves, and
    /// a table in use gives ``StorageError/Code/unavailable``: try again.
    package func prepareMoving() throws(StorageError) {
        for table in SlotTable.noted {
            if let index = table.index { try self.buildIndex(index, on: table) }
            try self.transaction { (transaction) throws(StorageError) in
                try transaction.run(Self.triggerLockMax)
                try transaction.run(script: table.triggersCreation)
            }
        }
    }

    /// Undoes ``prepareMoving()``. Safe to repeat.
    package func endMoving() throws(StorageError) {
        for table in SlotTable.noted {
            try self.transaction { (transaction) throws(StorageError) in
                try transaction.run(Self.triggerLockMax)
                try transaction.run(script: table.triggersRemoval)
            }
            if let index = table.index { try self.run(script: "DROP INDEX CONCURRENTLY IF EXISTS \(index)") }
        }
        try self.transaction { (transaction) throws(StorageError) in try transaction.run("DELETE FROM slot_changes") }
    }

    private func buildIndex(_ index: String, on table: SlotTable) throws(StorageError) {
        let isValid = try self.query(
            "SELECT indisvalid FROM pg_index WHERE indexrelid = to_regclass($1)",
            [.text(index)]
        ) { (result) throws(PostgresError) -> Bool? in
            guard var row = result.first else { return nil }
            return try row.bool()
        }
        guard isValid != true else { return }
        // One whose building was broken off is there, but of no use.
        if isValid == false { try self.run(script: "DROP INDEX CONCURRENTLY IF EXISTS \(index)") }
        try self.run(script: "CREATE INDEX CONCURRENTLY IF NOT EXISTS \(index) ON \(table.name) (slot)")
    }
}
