// SPDX-License-Identifier: Apache-2.0

import ClusterConfiguration
import Directory
import Messaging
import NIOHTTP1
import Placement
import Storage

/// `trunkline owner`: where a conversation is, who owns it, and why.
package struct ConversationOwner: Encodable, Sendable, Equatable {
    package struct Conversation: Encodable, Sendable, Equatable {
        var kind: String
        var createdAt: String
        var headSeq: UInt64
        var members: Int
        var isDeleted: Bool

        init(_ glance: ConversationGlance) {
            self.kind = glance.kind.name
            self.createdAt = UTCTime.text(of: glance.createdAt)
            self.headSeq = glance.headSeq
            self.members = glance.members
            self.isDeleted = glance.isDeleted
        }
    }

    package struct RingPosition: Encodable, Sendable, Equatable {
        /// On the circle of 2^64, in hexadecimal digits.
        var slot: String
        var point: String
        var routers: [String]
        /// Who would own it if the owner left.
        var next: String?

        init(_ explanation: Ring.Explanation, routers: [String]) {
            self.slot = Self.hexadecimal(explanation.slotPosition)
            self.point = Self.hexadecimal(explanation.pointPosition)
            self.routers = routers
            self.next = explanation.next
        }

        private static func hexadecimal(_ number: UInt64) -> String {
            let digits = String(number, radix: 16)
            return String(repeating: "0", count: 16 - digits.count) + digits
        }
    }

    package var id: String
    /// Nil when the shard has no such conversation.
    package var conversation: Conversation?
    package var slot: Int
    package var shard: String
    package var mapVersion: UInt64
    package var epoch: UInt64?
    package var router: String?
    package var routerAddress: String?
    package var ring: RingPosition?
    package var audience: AudienceCondition?
    /// What could not be found out, and why.
    package var unknown: [String]

    package func text() -> String {
        var table = TextTable("conversation", self.conversationText)
        table.add("slot", "\(self.slot) of \(Slot.count)")
        table.add("shard", "\(self.shard), by version \(self.mapVersion) of the shard map")
        let address = self.routerAddress.map { " at \($0)" } ?? ""
        table.add(
            "owner",
            self.router.map { "\($0)\(address)" + (self.epoch.map { ", under epoch \($0) of the shard" } ?? "") }
                ?? "nobody that is known"
        )
        if let ring = self.ring {
            table.add("why", "the slot is at \(ring.slot) on the ring of \(ring.routers.joined(separator: ", "));")
            table.add("", "the next point, \(ring.point), is \(self.router ?? "-")'s")
            table.add("", ring.next.map { "without it the owner would be \($0)" } ?? "there is no other router")
        }
        if let audience = self.audience { table.add("audience", Self.text(of: audience)) }
        let unknown = self.unknown.map { "not known: \($0)\n" }.joined()
        return table.text() + "\n" + unknown
    }

    private var conversationText: String {
        guard let conversation = self.conversation else { return "\(self.id): the shard has none of this id" }
        return
            "\(self.id): \(conversation.kind), \(counted(conversation.members, "member")), head \(conversation.headSeq), "
            + "since \(conversation.createdAt)" + (conversation.isDeleted ? ", deleted" : "")
    }

    private static func text(of audience: AudienceCondition) -> String {
        guard audience.isKnown else { return "the owner keeps none: nothing was sent in it lately" }
        let edges = audience.edges.map { "\($0.edge) (\(counted($0.users, "user")))" }
        return edges.isEmpty ? "no edge: no member is connected" : edges.joined(separator: ", ")
    }

    package func json() throws -> String { try JSONText.text(of: self) }
}

extension ClusterLook {
    /// - Throws: `OperationsError` when not even its shard can be found out.
    package func owner(of id: ConversationID) async throws(OperationsError) -> ConversationOwner {
        try await self.owner(of: id, try await self.whereabouts())
    }

    /// The same for whoever has looked already where slots are.
    func owner(of id: ConversationID, _ found: Whereabouts) async throws(OperationsError) -> ConversationOwner {
        let slot = Slot(of: id.value)
        let shard = found.map.shard(of: slot)
        let view = found.table.views[shard]
        var owner = ConversationOwner(
            id: "\(id)",
            slot: Int(slot.number),
            shard: shard,
            mapVersion: found.map.version,
            epoch: view?.epoch,
            router: view?.owner(of: slot),
            unknown: []
        )
        if let view, let explanation = view.ring.explanation(of: slot) {
            owner.ring = ConversationOwner.RingPosition(explanation, routers: view.routers)
        }
        if let view, !view.holds(slot) {
            owner.unknown.append("who owns it in a moment: the slot is handed to another shard just now")
        }
        do throws(OperationsError) {
            let glance = try await self.read(shard, found) { (session) throws(StorageError) in
                try session.glance(at: id)
            }
            owner.conversation = glance.map { ConversationOwner.Conversation($0) }
        } catch {
            owner.unknown.append(error.message)
        }
        await self.ask(&owner, id)
        return owner
    }

    /// Asks the owner itself whom it sends to.
    private func ask(_ owner: inout ConversationOwner, _ id: ConversationID) async {
        guard let router = owner.router else { return }
        do throws(OperationsError) {
            let lease = try await self.leases().first { $0.name == router }
            owner.routerAddress = lease?.httpAddress ?? self.settings.node(named: router)?.httpToAsk.description
            guard let token = self.secrets.adminRead ?? self.secrets.adminOperate else {
                owner.unknown.append("its audience: there is no secret of secrets.admin_read to show to \(router)")
                return
            }
            guard let address = owner.routerAddress.flatMap({ NetworkAddress($0) }) else { return }
            let answer = try await NodeHTTP(group: self.group, timeout: self.timeout).send(
                .GET,
                "/admin/conversations/\(id)",
                fields: [("authorization", "Bearer \(token.exposedText)")],
                to: address
            )
            guard answer.status == 200, let audience = try? AudienceCondition(json: answer.body) else {
                owner.unknown.append("its audience: \(router) answers with \(answer.status)")
                return
            }
            owner.audience = audience
        } catch {
            owner.unknown.append("its audience: \(error.message)")
        }
    }
}
