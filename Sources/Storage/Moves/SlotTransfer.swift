// SPDX-License-Identifier: Apache-2.0

import Messaging
import Placement
import Postgres

/// A slot on its way from one shard to another, as one of the two sees it.
///
///     source   copying ──▶ held ──▶ given ──▶ kept ──▶ (removed)
///                 ▲          │
///                 └──────────┘ taken back
///     target   receiving ──▶ (the slot is in the view)
///
/// While it is copied the source goes on taking writes, and notes which rows they touch. From `held` on nobody takes writes:
/// that is the pause. `given` is the point of no return: the source can take a held slot back, a given one never, so
/// that the target may put it into its view, and that ends the pause. No step depends on both databases at once.
///
/// Whoever carries a move out may be killed between any two steps. Routers end a pause that nobody ends any more: those of
/// the source take held slots back, those of the target put given ones into their view.
package struct SlotTransfer: Sendable, Hashable {
    package enum State: String, Sendable {
        /// Source: it is copied, and changes are noted.
        case copying
        /// Source: no shard takes writes.
        case held
        /// Source: it is the target's.
        case given
        /// Source: the target has it in its view; the rows here are an old copy.
        case kept
        /// Target: its rows here are not complete.
        case receiving
    }

    package var slot: Slot
    /// The other shard.
    package var peer: String
    package var state: State
    package var move: MoveID

    package init(slot: Slot, peer: String, state: State, move: MoveID) {
        self.slot = slot
        self.peer = peer
        self.state = state
        self.move = move
    }
}

extension SlotTransfer {
    static let query = "SELECT slot, peer, state, move_id FROM slot_transfers ORDER BY slot"

    static func read(_ result: PostgresResult) throws(PostgresError) -> [SlotTransfer] {
        var transfers: [SlotTransfer] = []
        for var row in result.rows {
            let slot = try row.slot()
            let peer = try row.text()
            guard let state = try State(rawValue: row.text()) else {
                throw PostgresError(.unexpectedAnswer, "a stored transfer has a state that is not known")
            }
            try transfers.append(SlotTransfer(slot: slot, peer: peer, state: state, move: row.id()))
        }
        return transfers
    }
}

extension OperatorSession {
    package func readTransfers() throws(StorageError) -> [SlotTransfer] {
        try self.query(SlotTransfer.query) { (result) throws(PostgresError) in try SlotTransfer.read(result) }
    }

    // MARK: - The source's steps

    /// From now on changes of the slots' rows are noted. Waits for the writes under way, whose changes would be missed.
    package func beginSending(_ slots: [Slot], to peer: String, move: MoveID) throws(StorageError) {
        try self.transaction { (transaction) throws(StorageError) in
            let view = try transaction.lockView(of: self.shard.name)
            guard slots.allSatisfy(view.holds) else { throw Self.notHeld }
            try transaction.run("DELETE FROM slot_changes WHERE slot = ANY($1)", [.slots(slots)])
            try transaction.put(slots, peer: peer, state: .copying, move: move)
        }
    }

    /// From now on no shard takes writes to the slots.
    package func hold(_ slots: [Slot]) throws(StorageError) {
        try self.transaction { (transaction) throws(StorageError) in
            let view = try transaction.lockView(of: self.shard.name)
            try transaction.change(slots, from: .copying, to: .held)
            try transaction.store(view.held.subtracting(SlotSet(slots)), by: self.operatorName)
        }
    }

    /// The source takes writes to held slots again.
    package func takeBack(_ slots: [Slot]) throws(StorageError) {
        try self.transaction { (transaction) throws(StorageError) in
            try transaction.takeBack(slots, shard: self.shard.name, by: self.operatorName)
        }
    }

    /// The held slots are the target's for good.
    package func give(_ slots: [Slot]) throws(StorageError) {
        try self.transaction { (transaction) throws(StorageError) in
            try transaction.change(slots, from: .held, to: .given)
            try transaction.run("DELETE FROM slot_changes WHERE slot = ANY($1)", [.slots(slots)])
        }
    }

    /// The target has the slots in its view; what is here is an old copy.
    package func keepOldCopy(_ slots: [Slot]) throws(StorageError) {
        try self.transaction { (transaction) throws(StorageError) in
            try transaction.change(slots, from: .given, to: .kept)
        }
    }

    /// The slots stay where they are.
    package func stopSending(_ slots: [Slot]) throws(StorageError) {
        try self.transaction { (transaction) throws(StorageError) in
            try transaction.remove(slots, in: .copying)
            try transaction.run("DELETE FROM slot_changes WHERE slot = ANY($1)", [.slots(slots)])
        }
    }

    // MARK: - The target's steps

    package func beginReceiving(_ slots: [Slot], from peer: String, move: MoveID) throws(StorageError) {
        try self.transaction { (transaction) throws(StorageError) in
            let view = try transaction.lockView(of: self.shard.name)
            guard !slots.contains(where: view.holds) else {
                throw StorageError(.internal, "it holds a slot already that it is to receive")
            }
            try transaction.put(slots, peer: peer, state: .receiving, move: move)
        }
    }

    /// Puts given slots into the view, together with a map that says so: the end of the pause.
    package func take(_ slots: [Slot], under catalog: ShardCatalog) throws(StorageError) {
        try self.transaction { (transaction) throws(StorageError) in
            try transaction.take(slots, under: catalog, shard: self.shard.name, by: self.operatorName)
        }
    }

    /// Forgets what has been copied here, and that it was to come.
    package func stopReceiving(_ slots: [Slot]) throws(StorageError) {
        try self.transaction(within: Self.longStatementMax) { (transaction) throws(StorageError) in
            try transaction.remove(slots, in: .receiving)
            try SlotTable.deleteRows(of: slots, in: transaction)
        }
    }

    /// Deletes old copies.
    package func removeOldCopies(of slots: [Slot]) throws(StorageError) {
        try self.transaction(within: Self.longStatementMax) { (transaction) throws(StorageError) in
            try transaction.remove(slots, in: .kept)
            try SlotTable.deleteRows(of: slots, in: transaction)
        }
    }

    /// How long a session that holds slots may be silent before the server ends it, and with it the lock: a program that is
    /// frozen must not keep the pause going. Zero: as long as it likes.
    package func limitSilence(to limit: Duration) throws(StorageError) {
        let (seconds, attoseconds) = limit.components
        try self.run(
            script: "SET idle_session_timeout = \(seconds * 1000 + attoseconds / 1_000_000_000_000_000)",
            within: Self.shortStatementMax
        )
    }

    private static let notHeld = StorageError(.internal, "it does not hold a slot that it is to give away")
}

extension PostgresValue {
    static func slots(_ slots: [Slot]) -> PostgresValue {
        .int2Array(slots.map(\.column))
    }
}
