// SPDX-License-Identifier: Apache-2.0

import ClientProtocol
import Mesh
import Messaging
import NIOCore
import NIOEmbedded
import Observability
import Synchronization
import TestSupport
import Testing
import Wire

@testable import Edge

@Suite("Receipts of sessions")
struct ReceiptSessionTests {
    private let conversation = ConversationID(value: 5)
    private let ada = UserID(value: 1)
    private let bob = UserID(value: 2)

    private func command(_ id: CommandID, _ seq: UInt64, isRead: Bool = false) -> CommandMessage {
        let request = ReceiptRequest(conversationID: self.conversation, seq: seq)
        return CommandMessage(id: id, command: isRead ? .messageRead(request) : .messageDelivered(request))
    }

    /// The next request to a router, which has to be one with receipts.
    private func takeRequest(_ fixture: SessionsFixture) async throws -> (ScriptedLinks.Request, StoreReceipts) {
        try await eventually("a request is sent") { !fixture.links.state.withLock { $0.requests.isEmpty } }
        let request = try #require(fixture.links.takeRequest())
        #expect(request.kind == .storeReceipts)
        return (request, try StoreReceipts(decoding: request.payload))
    }

    private func deliver(_ event: ReceiptsEvent, _ fixture: SessionsFixture) async {
        let peer = PeerIdentity(name: "router-1", incarnation: Incarnation(value: 9), role: .router)
        fixture.inbox.meshNotification(
            kind: NotificationKind.receipts.rawValue,
            payload: event.encoded(),
            from: peer
        )
        fixture.inbox.meshReadComplete(from: peer)
        await fixture.eventLoop.run()
    }

    private func entry(_ user: UserID, _ delivered: UInt64, _ read: UInt64) -> MemberWatermarks {
        MemberWatermarks(user: user, watermarks: Watermarks(delivered: delivered, read: read))
    }

    @Test("Receipts of several sessions are merged into one request, and each is answered when it is stored")
    func merged() async throws {
        let fixture = SessionsFixture()
        let phone = try await fixture.authenticate(self.ada, DeviceID(value: 11))
        let laptop = try await fixture.authenticate(self.ada, DeviceID(value: 12))
        let other = try await fixture.authenticate(self.bob, DeviceID(value: 13))
        try await phone.send(self.command("first", 3))
        let (first, body) = try await self.takeRequest(fixture)
        #expect(body == StoreReceipts(conversation: self.conversation, entries: [self.entry(self.ada, 3, 0)]))
        try await phone.send(self.command("second", 5))
        try await laptop.send(self.command("read", 4, isRead: true))
        try await other.send(self.command(7, 5))
        #expect(fixture.links.takeRequest() == nil, "one request of a conversation at a time")
        first.answer(ReceiptsStored(entries: [self.entry(self.ada, 3, 0)]))
        await fixture.eventLoop.run()
        let stored = Watermarks(delivered: 3, read: 0)
        let answer = ServerMessage.receiptStored("first", .init(conversationID: self.conversation, watermarks: stored))
        #expect(try await phone.next() == answer)
        let (second, merged) = try await self.takeRequest(fixture)
        #expect(Set(merged.entries) == [self.entry(self.ada, 5, 4), self.entry(self.bob, 5, 0)])
        second.answer(ReceiptsStored(entries: merged.entries))
        await fixture.eventLoop.run()
        let both = ReceiptStored(conversationID: self.conversation, watermarks: Watermarks(delivered: 5, read: 4))
        #expect(try await phone.next() == .receiptStored("second", both))
        #expect(try await laptop.next() == .receiptStored("read", both))
        guard case .receiptStored(7, let own) = try await other.next() else {
            Issue.record("Bob has no answer")
            return
        }
        #expect(own.deliveredSeq == 5 && own.readSeq == 0)
        #expect(fixture.metrics.receipts.value == 4 && fixture.metrics.receiptRequests.value == 2)
    }

    @Test("Refusals: not a member, beyond the newest message, the cluster's own, too many, before authentication")
    func refused() async throws {
        let fixture = SessionsFixture(submitsInFlightMax: 2)
        let early = try await fixture.connect()
        try await early.send(self.command("early", 1))
        guard case .error("early", let failure) = try await early.next(), failure.code == .unauthenticated else {
            Issue.record("it was not refused")
            return
        }
        let client = try await fixture.authenticate(self.ada, DeviceID(value: 11))
        func code(_ id: CommandID, _ seq: UInt64, _ answer: (ScriptedLinks.Request) -> Void) async throws -> ErrorCode?
        {
            try await client.send(self.command(id, seq))
            answer(try await self.takeRequest(fixture).0)
            await fixture.eventLoop.run()
            guard case .error(id, let failure) = try await client.next() else { return nil }
            return failure.code
        }
        #expect(try await code("1", 1) { $0.answer(ReceiptsStored(entries: [])) } == .notFound)
        let none = ReceiptsStored(entries: [self.entry(self.ada, 0, 0)])
        #expect(try await code("2", 9) { $0.answer(none) } == .invalidField)
        #expect(try await code("3", 1) { $0.fail(Failure(.unavailable, "away")) } == .unavailable)
        for id in ["a", "b", "c"] as [CommandID] { try await client.send(self.command(id, 1)) }
        guard case .error("c", let tooMany) = try await client.next() else {
            Issue.record("the third was taken")
            return
        }
        #expect(tooMany.code == .overloaded && tooMany.retryAfterMilliseconds != nil)
        fixture.services.enter(.stopping)
        try await client.send(self.command("d", 1))
        guard case .error("d", let stopping) = try await client.next() else {
            Issue.record("it was taken though the edge stops")
            return
        }
        #expect(stopping.code == .unavailable)
    }

    @Test("A router that does not own the conversation any more: it goes to the one that does, merged")
    func moved() async throws {
        let fixture = SessionsFixture()
        let client = try await fixture.authenticate(self.ada, DeviceID(value: 11))
        try await client.send(self.command("1", 3))
        let (first, _) = try await self.takeRequest(fixture)
        first.moved(SessionsFixture.news(routers: ["router-2"], epoch: 2))
        try await client.send(self.command("2", 4))
        await fixture.eventLoop.advanceTime(by: .seconds(1))
        let (second, body) = try await self.takeRequest(fixture)
        #expect(second.router == "router-2" && second.epoch == 2)
        #expect(body.entries == [self.entry(self.ada, 4, 0)])
        second.answer(ReceiptsStored(entries: body.entries))
        await fixture.eventLoop.run()
        let answers = try await client.messages()
        #expect(answers.map(\.name) == [.receiptStored, .receiptStored])
    }

    @Test("An event of several members comes as several frames to all; read says delivered too")
    func events() async throws {
        let fixture = SessionsFixture()
        let first = try await fixture.authenticate(self.ada, DeviceID(value: 11))
        let second = try await fixture.authenticate(self.bob, DeviceID(value: 12))
        let stranger = try await fixture.authenticate(UserID(value: 3), DeviceID(value: 13))
        let event = ReceiptsEvent(
            conversation: self.conversation,
            entries: [self.entry(self.ada, 9, 0), self.entry(self.bob, 8, 8), self.entry(UserID(value: 3), 7, 6)],
            recipients: [self.ada, self.bob],
            isPrivate: false
        )
        await self.deliver(event, fixture)
        func receipt(_ user: UserID, _ seq: UInt64) -> ReceiptEvent {
            ReceiptEvent(conversationID: self.conversation, userID: user, seq: seq)
        }
        let expected: [ServerMessage] = [
            .messageDelivered(receipt(self.ada, 9)), .messageRead(receipt(self.bob, 8)),
            .messageDelivered(receipt(UserID(value: 3), 7)), .messageRead(receipt(UserID(value: 3), 6)),
        ]
        #expect(try await first.messages() == expected)
        #expect(try await second.messages() == expected)
        #expect(try await stranger.messages().isEmpty)
    }

    @Test("A private event goes to the devices of the member whom it is about")
    func privateEvents() async throws {
        let fixture = SessionsFixture()
        let phone = try await fixture.authenticate(self.ada, DeviceID(value: 11))
        let laptop = try await fixture.authenticate(self.ada, DeviceID(value: 12))
        let other = try await fixture.authenticate(self.bob, DeviceID(value: 13))
        let event = ReceiptsEvent(
            conversation: self.conversation,
            entries: [self.entry(self.ada, 4, 4), self.entry(self.bob, 5, 5)],
            recipients: [self.ada, self.bob],
            isPrivate: true
        )
        await self.deliver(event, fixture)
        for (client, user, seq) in [(phone, self.ada, UInt64(4)), (laptop, self.ada, 4), (other, self.bob, 5)] {
            let expected = ReceiptEvent(conversationID: self.conversation, userID: user, seq: seq)
            #expect(try await client.messages() == [.messageRead(expected)])
        }
    }

    @Test("More members than go into one buffer come in several, and none is lost")
    func manyMembers() async throws {
        let fixture = SessionsFixture()
        let client = try await fixture.authenticate(self.ada, DeviceID(value: 11))
        let entries = (1...300).map { self.entry(UserID(value: UInt128($0)), 2, 2) }
        let event = ReceiptsEvent(
            conversation: self.conversation,
            entries: entries,
            recipients: [self.ada],
            isPrivate: false
        )
        await self.deliver(event, fixture)
        let users = try await client.messages().compactMap { message -> UserID? in
            if case .messageRead(let event) = message { event.userID } else { nil }
        }
        #expect(users == entries.map(\.user))
    }
}
