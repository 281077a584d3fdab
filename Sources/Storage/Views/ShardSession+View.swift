// SPDX-License-Identifier: Apache-2.0

import Placement
import Postgres

extension ShardSession {
    /// The view that holds now, epoch 0 without routers in a new database.
    package func readView() throws(StorageError) -> View {
        try self.read(View.query, []) { (result) throws(PostgresError) -> View in
            guard var row = result.first else { throw PostgresError(.unexpectedAnswer, "the shard has no view") }
            return try row.view(of: self.shardName)
        }
    }

    /// Replaces the view of the given epoch by one with the next number. Returns nil when another view holds by now: read
    /// it, and decide anew.
    ///
    /// Waits for the write transactions that are under way, at most as long as a statement or an idle transaction may
    /// take; writes that begin later wait for it, and then see that they are out of date.
    ///
    /// - Parameter by: the node that proposes it, for people.
    package func proposeView(
        replacing epoch: UInt64,
        routers: [String],
        by: String
    ) throws(StorageError) -> View? {
        try self.transaction { (transaction) throws(StorageError) -> View? in
            // The lock comes first: upgrading one, as two nodes at once would do, is a deadlock.
            try transaction.run("LOCK TABLE shard_view IN EXCLUSIVE MODE")
            return try transaction.query(
                """
                UPDATE shard_view SET epoch = epoch + 1, routers = $2, changed_by = $3, changed_at = now()
                WHERE epoch = $1 RETURNING epoch, routers, slots
                """,
                [.int8(Int64(clamping: epoch)), .textArray(routers), .text(by)]
            ) { (result) throws(PostgresError) -> View? in
                guard var row = result.first else { return nil }
                return try row.view(of: self.shardName)
            }
        }
    }
}

extension View {
    static let query = "SELECT epoch, routers, slots FROM shard_view"
}

extension PostgresRow {
    /// `epoch, routers, slots`.
    mutating func view(of shard: String) throws(PostgresError) -> View {
        let epoch = try UInt64(clamping: self.int8())
        let routers = try self.textArray()
        let slots = try self.optionalBytea().flatMap { SlotSet(bytes: $0) }
        return View(shard: shard, epoch: epoch, routers: routers, slots: slots)
    }
}
