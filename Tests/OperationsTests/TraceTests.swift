// SPDX-License-Identifier: Apache-2.0

import Directory
import Messaging
import NIOCore
import Placement
import Storage
import Testing
import Wire

@testable import Operations

@Suite("The way of a message")
struct TraceTests {
    private let users = (0..<3).map { _ in UserID.generate() }.sorted()
    private let id = MessageID(conversation: .generate(), seq: 7)

    private func glance(_ watermarks: [Watermarks]) -> MessageGlance {
        MessageGlance(
            kind: .text,
            sender: .generate(),
            senderDevice: .generate(),
            clientMessageID: .lowerBound(at: 1_800_000_000_000),
            createdAt: 1_800_000_000_012,
            bodyBytes: 9,
            table: "messages_p1",
            isIDKept: true,
            recipients: watermarks.count,
            delivered: watermarks.count { $0.delivered >= 7 },
            read: watermarks.count { $0.read >= 7 },
            furthestBehind: zip(self.users, watermarks).map { MemberWatermarks(user: $0, watermarks: $1) }
        )
    }

    private func trace(_ glance: MessageGlance) -> MessageTrace {
        let owner = ConversationOwner(
            id: "\(self.id.conversation)",
            slot: 3,
            shard: "shard-1",
            mapVersion: 1,
            epoch: 4,
            router: "router-1",
            unknown: ["its audience: nobody knows"]
        )
        return MessageTrace(self.id, glance, in: owner)
    }

    @Test("Times, counts and the state of each recipient; what is not known is told once")
    func facts() throws {
        let glance = self.glance([.zero, Watermarks(delivered: 7, read: 6), Watermarks(delivered: 9, read: 8)])
        let trace = self.trace(glance)
        #expect(trace.clientTime == "2027-01-15T08:00:00.000Z" && trace.acceptedAt == "2027-01-15T08:00:00.012Z")
        #expect(trace.millisecondsOnTheWay == 12)
        #expect(trace.listed.map(\.status) == ["sent", "delivered", "read"])
        #expect(trace.unknown == ["its audience: nobody knows"] && trace.conversation.unknown.isEmpty)
        let text = trace.text()
        #expect(text.contains("3: delivered to 2 of 3, read by 1"), "\(text)")
        #expect(text.contains("+12 ms") && text.contains("under epoch 4") && text.contains("connected     not known"))
        #expect(text.hasSuffix("not known: its audience: nobody knows\n"))
    }

    @Test("Only sessions of edges that live count; an edge that does not vouch is named")
    func sessions() {
        func lease(_ name: String) -> NodeLease {
            NodeLease(
                name: name,
                incarnation: .generate(),
                role: .edge,
                state: .ready,
                meshAddress: nil,
                httpAddress: nil,
                version: "1",
                since: 0
            )
        }
        let leases = [lease("edge-1"), lease("edge-2")]
        func entry(_ edge: String, _ incarnation: Incarnation) -> RegisteredSession {
            let location = SessionLocation(edge: edge, incarnation: incarnation, session: .generate())
            return RegisteredSession(device: .generate(), location: location)
        }
        var snapshot = AudienceSnapshot()
        let life = leases[0].incarnation
        snapshot.sessions[self.users[0]] = [entry("edge-1", life), entry("edge-1", life)]
        snapshot.sessions[self.users[1]] = [entry("edge-2", .generate())]
        snapshot.completeEdges = [EdgeLife(edge: "edge-1", incarnation: life)]
        var trace = self.trace(self.glance([.zero, .zero, .zero]))
        trace.add(snapshot, of: self.users, leases: leases)
        #expect(trace.recipients.connected == 1 && trace.listed.map(\.edges) == [["edge-1"], [], []])
        #expect(trace.recipients.edges == [AudienceCondition.Edge(edge: "edge-1", users: 1)])
        #expect(trace.unknown.contains { $0.contains("not complete for edge-2") })
        #expect(trace.text().contains("1 of them: edge-1 (1 user)"))
    }

    @Test("Of the outbox only changes of this conversation's members count")
    func outbox() throws {
        let slot = Slot(of: self.id.conversation.value)
        func row(_ number: Int64, _ conversation: ConversationID, _ time: UnixMilliseconds) -> OutboxRow {
            let change = Wire.MembershipChange(
                user: self.users[0],
                conversation: conversation,
                kind: .group,
                version: 1,
                removed: false,
                changedAt: time
            )
            let payload = Array(change.encoded().readableBytesView)
            let entry = OutboxEntry(targetSlot: slot, kind: OutboxKind.membership.rawValue, payload: payload)
            return OutboxRow(id: number, slot: slot, entry: entry, createdAt: time)
        }
        let other = OutboxRow(
            id: 9,
            slot: slot,
            entry: OutboxEntry(targetSlot: slot, kind: OutboxKind.createUser.rawValue, payload: [1, 2]),
            createdAt: 1
        )
        let rows = [
            row(1, self.id.conversation, 1_800_000_000_500), row(2, .generate(), 1),
            row(3, self.id.conversation, 1_800_000_000_004), other,
        ]
        let changes = MessageTrace.ListChanges(rows, of: self.id.conversation)
        #expect(changes.waiting == 2 && changes.oldest == "2027-01-15T08:00:00.004Z" && !changes.isLowerBound)
        #expect(MessageTrace.ListChanges([], of: self.id.conversation).waiting == 0)
    }
}
