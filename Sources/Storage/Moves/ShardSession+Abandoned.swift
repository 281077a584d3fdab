// SPDX-License-Identifier: Apache-2.0

import Placement
import Postgres

/// What a shard's own routers see of a move: see ``SlotTransfer``.
package struct TransferSigns: Sendable, Equatable {
    /// Slots are being moved, so that much changes soon.
    package var isMoving = false
    package var hasHeld = false
    package var epoch: UInt64 = 0
    /// Nil without a shard map.
    package var mapVersion: UInt64?
    /// Slots that were given away, by who is to take them.
    package var given: [String: [Slot]] = [:]

    package init() {}
}

extension ShardSession {
    /// What leaves this shard and what comes to it, and what it has old copies of.
    package func readTransfers() throws(StorageError) -> [SlotTransfer] {
        try self.read(SlotTransfer.query, []) { (result) throws(PostgresError) in try SlotTransfer.read(result) }
    }

    package func readTransferSigns() throws(StorageError) -> TransferSigns {
        try self.read(
            """
            SELECT EXISTS (SELECT FROM slot_move WHERE wish <> 'pause'),
                EXISTS (SELECT FROM slot_transfers WHERE state = 'held'),
                ARRAY(SELECT peer || ' ' || slot FROM slot_transfers WHERE state = 'given'),
                (SELECT epoch FROM shard_view), (SELECT version FROM shard_map)
            """,
            []
        ) { (result) throws(PostgresError) -> TransferSigns in
            var signs = TransferSigns()
            guard var row = result.first else { return signs }
            signs.isMoving = try row.bool()
            signs.hasHeld = try row.bool()
            for text in try row.textArray() {
                let parts = text.split(separator: " ")
                guard parts.count == 2, let slot = Int(parts[1]).flatMap({ Slot($0) }) else { continue }
                signs.given[String(parts[0]), default: []].append(slot)
            }
            signs.epoch = try row.number()
            signs.mapVersion = try row.optionalInt8().map { UInt64(clamping: $0) }
            return signs
        }
    }

    /// Has the shard take writes again to the slots that an operator held who is not there any more. Returns whether it did;
    /// it does not while an operator is at work.
    package func takeBackAbandoned(by name: String) throws(StorageError) -> Bool {
        try self.transaction { (transaction) throws(StorageError) -> Bool in
            guard try transaction.hasNoOperator() else { return false }
            let slots = try transaction.query(SlotTransfer.query) { (result) throws(PostgresError) in
                try SlotTransfer.read(result).filter { $0.state == .held }.map(\.slot)
            }
            guard !slots.isEmpty else { return false }
            try transaction.takeBack(slots, shard: self.shardName, by: name)
            return true
        }
    }

    /// Puts slots that another shard has given to this one into the view, in place of an operator who is not there any
    /// more. Returns whether it did.
    ///
    /// - Parameter slots: which are given, as the other shard says.
    package func takeAbandoned(_ slots: [Slot], by name: String) throws(StorageError) -> Bool {
        try self.transaction { (transaction) throws(StorageError) -> Bool in
            guard try transaction.hasNoOperator() else { return false }
            let transfers = try transaction.query(SlotTransfer.query) { (result) throws(PostgresError) in
                try SlotTransfer.read(result)
            }
            let receiving = Set(transfers.filter { $0.state == .receiving }.map(\.slot))
            let catalog = try transaction.query(ShardCatalog.query) { (result) throws(PostgresError) in
                try ShardCatalog.read(result)
            }
            guard !slots.isEmpty, receiving.isSuperset(of: slots), let catalog,
                let next = catalog.assigning(slots, to: self.shardName)
            else { return false }
            try transaction.take(slots, under: next, shard: self.shardName, by: name)
            return true
        }
    }
}

extension ShardCatalog {
    /// The same with some slots in another shard; nil when there is no such shard.
    package func assigning(_ slots: [Slot], to shard: String) -> ShardCatalog? {
        guard let index = self.shards.firstIndex(where: { $0.name == shard }) else { return nil }
        var assignment = self.map.assignment
        for slot in slots { assignment[Int(slot.number)] = UInt16(index) }
        return self.assigning(assignment)
    }
}
