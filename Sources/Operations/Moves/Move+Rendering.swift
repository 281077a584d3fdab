// SPDX-License-Identifier: Apache-2.0

import Foundation
import Messaging
import Placement
import Storage

extension MoveOrders.Plan {
    /// For people.
    package var text: String {
        guard !self.ways.isEmpty else { return "Nothing has to move: each shard has its share." }
        var table = TextTable("FROM", "TO", "SLOTS")
        for way in self.ways { table.add(way.source, way.target, "\(way.slots.count)") }
        var shares = TextTable("SHARD", "WEIGHT", "SLOTS NOW", "AFTERWARDS")
        for (index, shard) in self.catalog.shards.enumerated() {
            shares.add(
                shard.name,
                "\(shard.weight)",
                "\(self.catalog.map.slots(of: shard.name).count)",
                "\(self.plan.goal.count { $0 == UInt16(index) })"
            )
        }
        return [shares.text(), table.text()].joined(separator: "\n\n")
    }

    private struct Document: Encodable {
        struct Shard: Encodable {
            var name: String
            var weight: Int
            var slots: Int
            var slotsAfterwards: Int
        }

        struct Way: Encodable {
            var from: String
            var to: String
            var slots: Int
        }

        var mapVersion: UInt64
        var shards: [Shard]
        var ways: [Way]
    }

    /// For programs.
    package func json() throws -> String {
        let document = Document(
            mapVersion: self.catalog.map.version,
            shards: self.catalog.shards.enumerated().map { index, shard in
                Document.Shard(
                    name: shard.name,
                    weight: shard.weight,
                    slots: self.catalog.map.slots(of: shard.name).count,
                    slotsAfterwards: self.plan.goal.count { $0 == UInt16(index) }
                )
            },
            ways: self.ways.map { Document.Way(from: $0.source, to: $0.target, slots: $0.slots.count) }
        )
        return try JSONText.text(of: document)
    }
}

extension MoveOrders.Status {
    private var moved: Int {
        guard let move = self.situation.move else { return 0 }
        return move.slotCount - MovePlan(goal: move.goal).remaining(in: self.situation.catalog.map)
    }

    private func count(_ state: SlotTransfer.State) -> Int {
        self.situation.leaving(state).reduce(0) { $0 + $1.slots.count }
    }

    private var next: String {
        guard self.carrier == nil else { return "`trunkline move pause` stops it, `trunkline move abort` ends it" }
        return "`trunkline move resume` goes on, `trunkline move abort` ends it"
    }

    /// For people.
    package var text: String {
        let old = self.count(.kept)
        let copies =
            old == 0 ? "" : "\n\(old) old copies are kept: `trunkline move verify`, then `trunkline move confirm`."
        guard let move = self.situation.move else { return "No slots are being moved.\(copies)" }
        let start = UTCTime.text(of: move.startedAt)
        return """
            \(self.moved) of \(move.slotCount) slots are moved; \(self.count(.copying)) are copied, \
            \(self.count(.held) + self.count(.given)) handed over just now.
            Started by \(move.startedBy) at \(start); carried out by \(self.carrier ?? "nobody"); wish: \(move.wish.rawValue).
            \(self.next).\(copies)
            """
    }

    /// What an order would do; changes nothing.
    ///
    /// - Throws: when there is no move to give it about, or somebody carries it out already.
    package func trial(of change: MoveOrders.Change) throws(OperationsError) -> String {
        guard let move = self.situation.move else {
            throw OperationsError("no slots are being moved", remedy: "see `trunkline move plan`")
        }
        let left = counted(move.slotCount - self.moved, "slot")
        switch change {
        case .resume:
            if let carrier = self.carrier {
                throw OperationsError(
                    "\(carrier) carries it out",
                    remedy: "wait until that one is done, or ask its operator"
                )
            }
            return "Nothing was done. It would go on and move the \(left) that are left of \(move.slotCount)."
        case .pause:
            return "Nothing was done. The move would stop after the batch that is under way, with \(left) left."
        case .abort:
            return """
                Nothing was done. The move would end: \(left) would stay where they are, and the \(self.moved) that were moved \
                stay where they are now.
                """
        }
    }

    private struct Document: Encodable {
        var isMoving: Bool
        var wish: String?
        var carrier: String?
        var slots: Int
        var moved: Int
        var copying: Int
        var held: Int
        var given: Int
        var oldCopies: Int
        var mapVersion: UInt64
    }

    /// For scripts.
    package func json() throws -> String {
        let document = Document(
            isMoving: self.situation.move != nil,
            wish: self.situation.move?.wish.rawValue,
            carrier: self.carrier,
            slots: self.situation.move?.slotCount ?? 0,
            moved: self.moved,
            copying: self.count(.copying),
            held: self.count(.held),
            given: self.count(.given),
            oldCopies: self.count(.kept),
            mapVersion: self.situation.catalog.map.version
        )
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        return String(decoding: try encoder.encode(document), as: UTF8.self)
    }
}

extension MoveOrders.Comparison {
    /// For people.
    package var text: String {
        let later = self.movedOn == 0 ? "" : " \(self.movedOn) slots have moved on since and were not compared."
        guard self.slots > 0 else { return "There are no old copies to compare.\(later)" }
        return """
            Equal: \(self.check.messages) messages and \(self.check.others) conversations, users and names of \(self.slots) slots \
            are at their new shards as they were.\(later)
            """
    }
}
