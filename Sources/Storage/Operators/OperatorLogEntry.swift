// SPDX-License-Identifier: Apache-2.0

import Messaging
import Postgres

/// What an operator ordered, as the log of a shard has it.
///
/// An order may stand in the logs of several shards, always with the same values; it belongs to no slot, and nothing moves
/// it.
package struct OperatorLogEntry: Sendable, Hashable {
    package var at: UnixMilliseconds
    /// Who gave it, as they call themselves: `anna@ops-1`.
    package var operatorName: String
    /// `drain`, `shard add`.
    package var action: String
    /// What it was about and on which terms, for people.
    package var detail: String

    package init(at: UnixMilliseconds, operatorName: String, action: String, detail: String) {
        self.at = at
        self.operatorName = operatorName
        self.action = action
        self.detail = detail
    }

    fileprivate static let statement =
        "INSERT INTO operator_log (at, operator, action, detail) VALUES ($1, $2, $3, $4)"

    fileprivate var columns: [PostgresValue] {
        [.number(self.at), .text(self.operatorName), .text(self.action), .text(self.detail)]
    }
}

extension ShardSession {
    /// Puts an order into the shard's log. No router owns that, so no view fences it.
    package func log(_ entry: OperatorLogEntry) throws(StorageError) {
        try self.transaction { (transaction) throws(StorageError) in
            try transaction.run(OperatorLogEntry.statement, entry.columns)
        }
    }
}

extension OperatorSession {
    /// Puts an order of this operator into the shard's log, for those who come later.
    package func log(_ action: String, _ detail: String, at now: UnixMilliseconds) throws(StorageError) {
        let entry = OperatorLogEntry(at: now, operatorName: self.operatorName, action: action, detail: detail)
        try self.query(OperatorLogEntry.statement, entry.columns) { _ in }
    }

    /// The newest entries of the shard's log, newest first.
    package func readLog(last count: Int) throws(StorageError) -> [OperatorLogEntry] {
        try self.query(
            "SELECT at, operator, action, detail FROM operator_log ORDER BY id DESC LIMIT $1",
            [.int8(Int64(clamping: count))]
        ) { (result) throws(PostgresError) -> [OperatorLogEntry] in
            var entries: [OperatorLogEntry] = []
            for var row in result.rows {
                let at = UnixMilliseconds(clamping: try row.int8())
                let (name, action, detail) = (try row.text(), try row.text(), try row.text())
                entries.append(OperatorLogEntry(at: at, operatorName: name, action: action, detail: detail))
            }
            return entries
        }
    }
}
