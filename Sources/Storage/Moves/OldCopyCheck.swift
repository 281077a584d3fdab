// SPDX-License-Identifier: Apache-2.0

import Placement
import Postgres

/// Compares the old copy of slots that were handed over with what their new shard has: whether anything got lost.
///
/// The new shard has gone on since, so not all can be equal: every message of the old copy has to be there as it was, and every
/// conversation, user and name has to be there.
package struct OldCopyCheck {
    package struct Result: Sendable, Equatable {
        package var messages: Int64 = 0
        /// Conversations, users and names.
        package var others: Int64 = 0
        /// What is wrong; empty when all is there.
        package var differences: [String] = []

        package init() {}
    }

    private let source: OperatorSession
    private let target: OperatorSession

    package init(of source: OperatorSession, against target: OperatorSession) {
        self.source = source
        self.target = target
    }

    package func check(_ slots: [Slot]) throws(StorageError) -> Result {
        let limit = OperatorSession.longStatementMax
        return try self.source.transaction("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY", within: limit) {
            (_) throws(StorageError) -> Result in
            try self.target.transaction(within: limit) { (target) throws(StorageError) -> Result in
                try self.check(slots, target)
            }
        }
    }

    private func check(_ slots: [Slot], _ target: ShardTransaction) throws(StorageError) -> Result {
        var result = Result()
        try target.run(
            script: """
                CREATE TEMP TABLE IF NOT EXISTS old_heads (conversation_id uuid, head_seq int8) ON COMMIT DELETE ROWS;
                CREATE TEMP TABLE IF NOT EXISTS moved_keys (relation text, key jsonb) ON COMMIT DELETE ROWS
                """
        )
        let list = SlotTable.list(slots)
        try self.source.carry(
            "SELECT conversation_id, head_seq FROM conversations WHERE slot = ANY('\(list)'::int2[])",
            into: "old_heads (conversation_id, head_seq)",
            to: self.target
        )
        let columns = try self.source.readColumns()["messages"] ?? []
        let old = try self.source.sum(of: columns, SlotTable.noted[0].rows(of: slots))
        let new = try self.target.sum(
            of: columns,
            """
            FROM old_heads h JOIN messages r ON r.conversation_id = h.conversation_id AND r.seq <= h.head_seq
            """
        )
        result.messages = old.rows
        if old != new {
            result.differences.append("messages: \(old.rows) in the old copy, \(new.rows) of them at the new shard")
        }
        for table in SlotTable.noted where ["conversations", "users", "usernames"].contains(table.name) {
            try self.source.carry(
                "SELECT '\(table.name)'::text, jsonb_build_array(\(table.keyColumns)) \(table.rows(of: slots))",
                into: "moved_keys (relation, key)",
                to: self.target
            )
            let (all, missing) = try target.query(
                """
                SELECT count(*), count(*) FILTER (
                    WHERE NOT EXISTS (SELECT FROM \(table.name) r WHERE \(table.keyCondition))
                ) FROM moved_keys k WHERE k.relation = '\(table.name)'
                """
            ) { (answer) throws(PostgresError) -> (Int64, Int64) in
                guard var row = answer.first else { return (0, 0) }
                return try (row.int8(), row.int8())
            }
            result.others += all
            if missing > 0 { result.differences.append("\(table.name): \(missing) of \(all) are not at the new shard") }
        }
        return result
    }
}
