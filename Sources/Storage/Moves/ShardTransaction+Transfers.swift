// SPDX-License-Identifier: Apache-2.0

import Placement
import Postgres

extension ShardTransaction {
    /// Every router's writes wait while this is held, so it must be had soon or not at all, and not be kept for long.
    private static let viewLockMax = """
        SET LOCAL lock_timeout = '150ms'; SET LOCAL idle_in_transaction_session_timeout = '1s';
        LOCK TABLE shard_view IN EXCLUSIVE MODE
        """

    func lockView(of shard: String) throws(StorageError) -> View {
        try self.run(script: Self.viewLockMax)
        let view = try self.query(View.query) { (result) throws(PostgresError) -> View in
            guard var row = result.first else { throw PostgresError(.unexpectedAnswer, "the shard has no view") }
            return try row.view(of: shard)
        }
        guard view.slots != nil else {
            throw StorageError(.wrongDatabase, "it does not say which slots it holds: run `trunkline migrate`")
        }
        return view
    }

    func hasNoOperator() throws(StorageError) -> Bool {
        try self.query("SELECT pg_try_advisory_xact_lock($1)", [.int8(OperatorLock.slots.rawValue)]) {
            (result) throws(PostgresError) -> Bool in
            guard var row = result.first else { return false }
            return try row.bool()
        }
    }

    func store(_ slots: SlotSet, by name: String) throws(StorageError) {
        try self.run(
            "UPDATE shard_view SET epoch = epoch + 1, slots = $1, changed_by = $2, changed_at = now()",
            [.bytea(slots.bytes), .text(name)]
        )
    }

    func takeBack(_ slots: [Slot], shard: String, by name: String) throws(StorageError) {
        let view = try self.lockView(of: shard)
        try self.change(slots, from: .held, to: .copying)
        try self.store(view.held.union(SlotSet(slots)), by: name)
    }

    func take(
        _ slots: [Slot],
        under catalog: ShardCatalog,
        shard: String,
        by name: String
    ) throws(StorageError) {
        let view = try self.lockView(of: shard)
        try self.remove(slots, in: .receiving)
        try self.store(view.held.union(SlotSet(slots)), by: name)
        try self.store(catalog)
    }

    func put(
        _ slots: [Slot],
        peer: String,
        state: SlotTransfer.State,
        move: MoveID
    ) throws(StorageError) {
        try self.run(
            """
            INSERT INTO slot_transfers (slot, peer, state, move_id) SELECT unnest($1::int2[]), $2, $3, $4
            ON CONFLICT (slot) DO UPDATE SET peer = excluded.peer, state = excluded.state, move_id = excluded.move_id
            """,
            [.slots(slots), .text(peer), .text(state.rawValue), .id(move)]
        )
    }

    func change(
        _ slots: [Slot],
        from state: SlotTransfer.State,
        to next: SlotTransfer.State
    ) throws(StorageError) {
        let count = try self.query(
            "UPDATE slot_transfers SET state = $3 WHERE slot = ANY($1) AND state = $2 RETURNING slot",
            [.slots(slots), .text(state.rawValue), .text(next.rawValue)]
        ) { $0.rowCount }
        guard count == slots.count else { throw Self.otherState(state) }
    }

    func remove(_ slots: [Slot], in state: SlotTransfer.State) throws(StorageError) {
        let count = try self.query(
            "DELETE FROM slot_transfers WHERE slot = ANY($1) AND state = $2 RETURNING slot",
            [.slots(slots), .text(state.rawValue)]
        ) { $0.rowCount }
        guard count == slots.count else { throw Self.otherState(state) }
    }

    /// Somebody else did the next step, or undid the last one: whoever carries the move out looks again.
    private static func otherState(_ state: SlotTransfer.State) -> StorageError {
        StorageError(.staleEpoch, "a slot is not \(state.rawValue) any more")
    }
}

extension View {
    /// The slots that the shard holds, for views that were read under the lock.
    var held: SlotSet { self.slots ?? SlotSet() }
}
