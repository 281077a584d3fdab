// SPDX-License-Identifier: Apache-2.0

import ClientProtocol
import Mesh
import Messaging
import NIOCore
import NIOEmbedded
import Observability
import Placement
import Synchronization
import TestSupport
import Testing
import Wire

@testable import Edge

/// Syncs of sessions whose router is the test.
@Suite("Sync of a session", .timeLimit(.minutes(2)))
struct SyncSessionTests {
    private static let user = UserID(value: 4)
    private static let device = DeviceID(value: 5)
    private static let conversation = ConversationID(value: 5)
    private static let life = Incarnation(value: 9)
    private static let peer = PeerIdentity(name: "router-1", incarnation: Self.life, role: .router)

    private static func allSlots() -> SlotSet {
        var slots = SlotSet()
        for number in 0..<Slot.count { if let slot = Slot(number) { slots.insert(slot) } }
        return slots
    }

    private func connect(_ fixture: SessionsFixture, sync: Bool = true) async throws -> SessionsClient {
        let client = try await fixture.connect()
        let token = PlainTokens.token(Self.user, Self.device)
        let fields = ClientCommand.Authenticate(token: token, deviceID: Self.device, sync: sync)
        try await client.send(.init(id: "auth", command: .authenticate(fields)))
        guard case .authenticated("auth", _) = try await client.next() else {
            throw SessionsMismatch(description: "the session did not begin")
        }
        return client
    }

    private func request(_ fixture: SessionsFixture, _ kind: RequestKind) async throws -> ScriptedLinks.Request {
        var found: ScriptedLinks.Request?
        try await eventually("\(kind) is asked") {
            await fixture.eventLoop.run()
            found = found ?? fixture.links.takeRequest()
            return found != nil
        }
        guard let found, found.kind == kind else {
            throw SessionsMismatch(description: "\(String(describing: found?.kind)) instead of \(kind)")
        }
        return found
    }

    private func changes(head: UInt64?, complete: Bool = true, position: UInt64 = 20) -> ChangesSince {
        ChangesSince(
            life: Self.life,
            position: position,
            routing: 1,
            complete: complete ? Self.allSlots() : SlotSet(),
            hasForgotten: false,
            changed: head.map { head in
                [
                    ConversationChanged(
                        conversation: Self.conversation,
                        headSeq: head,
                        joinedSeq: 0,
                        membersVersion: 1,
                        isRemoved: false
                    )
                ]
            } ?? []
        )
    }

    private func message(_ seq: UInt64) -> Message {
        .sample(seq, sender: UserID(value: 1), device: DeviceID(value: 2))
    }

    private func deliver(_ fixture: SessionsFixture, _ seqs: ClosedRange<UInt64>) async {
        await fixture.deliver(
            seqs.map { Deliver(message: self.message($0), recipients: [Self.user], isBroadcast: false) }
        )
    }

    private func progress(_ fixture: SessionsFixture, _ kind: DeliveryProgress.Kind, _ position: UInt64) async {
        let payload = DeliveryProgress(kind: kind, position: position).encoded()
        fixture.inbox.meshNotification(
            kind: NotificationKind.deliveryProgress.rawValue,
            payload: payload,
            from: Self.peer
        )
        await fixture.eventLoop.run()
    }

    /// The numbers that a client which only appends has.
    private func seqs(_ messages: [ServerMessage]) -> [UInt64] {
        messages.flatMap { message -> [UInt64] in
            switch message {
            case .newMessage(let message): [message.seq]
            case .syncMessages(let page): page.messages.map(\.seq)
            default: []
            }
        }
    }

    private func synced(_ messages: [ServerMessage]) -> Synced? {
        for case .synced(_, let fields) in messages { return fields }
        return nil
    }

    private func collect(
        _ client: SessionsClient,
        until condition: ([ServerMessage]) -> Bool
    ) async throws -> [ServerMessage] {
        var messages: [ServerMessage] = []
        try await eventually("the messages came") {
            messages += try await client.messages()
            return condition(messages)
        }
        return messages
    }

    private func token(_ position: UInt64) throws -> String {
        try #require(ResumeToken(positions: [Self.life: position]).text(for: Self.device))
    }

    @Test("Events before the sync are left out, events during it wait behind the page, events after it are live")
    func course() async throws {
        let fixture = SessionsFixture()
        fixture.inbox.meshLinkUp(Self.peer)
        await self.progress(fixture, .begins, 0)
        let client = try await self.connect(fixture)
        await self.deliver(fixture, 3...4)
        #expect(try await client.messages().isEmpty)
        let cursors = [Self.conversation: UInt64(1)]
        try await client.send(
            .init(id: "s", command: .sync(SyncRequest(cursors: cursors, resume: try self.token(7))))
        )
        let question = try await self.request(fixture, .syncChanges)
        #expect(try SyncChanges(decoding: question.payload).since == 7)
        await self.deliver(fixture, 5...6)
        question.answer(self.changes(head: 5))
        let page = try await self.request(fixture, .readMessages)
        #expect(try ReadMessages(decoding: page.payload).position == .after(1))
        await self.deliver(fixture, 7...7)
        #expect(try await client.messages().isEmpty)
        page.answer(MessagePage(messages: (2...6).map { self.message($0) }, headSeq: 6, hasMore: false))
        var messages = try await self.collect(client) { self.synced($0) != nil }
        let synced = try #require(self.synced(messages))
        #expect(synced.changed == 1)
        #expect(!synced.isFull)
        #expect(synced.resume == (try self.token(20)))
        // One that was sent before the answer comes late, and one that is new.
        await self.deliver(fixture, 5...5)
        await self.deliver(fixture, 8...8)
        messages += try await client.messages()
        #expect(self.seqs(messages) == [2, 3, 4, 5, 6, 7, 8])
        #expect(fixture.metrics.sync.compared.value == 0)
        // A ping brings a fresh token, as far as the edge has come.
        await self.progress(fixture, .reached, 31)
        try await client.send(.init(id: "p", command: .ping))
        #expect(try await client.next() == .pong("p", resume: try self.token(31)))
    }

    @Test("Without a token the user's conversations are compared; those that are gone or not named are told")
    func comparison() async throws {
        let fixture = SessionsFixture()
        let client = try await self.connect(fixture)
        let gone = ConversationID(value: 77)
        try await client.send(.init(id: "s", command: .sync(SyncRequest(cursors: [gone: 4]))))
        try await self.request(fixture, .syncChanges).answer(self.changes(head: nil, complete: false))
        try await self.request(fixture, .listConversations).answer(
            ConversationIDList(conversations: [Self.conversation], hasMore: false)
        )
        let heads = try await self.request(fixture, .compareHeads)
        let asked = try CompareHeads(decoding: heads.payload)
        #expect(
            Dictionary(uniqueKeysWithValues: zip(asked.conversations, asked.cursors)) == [
                gone: 4, Self.conversation: 0,
            ]
        )
        heads.answer(
            ChangedHeads(changed: [
                self.changes(head: 2).changed[0],
                ConversationChanged(conversation: gone, headSeq: 0, joinedSeq: 0, membersVersion: 0, isRemoved: true),
            ])
        )
        try await self.request(fixture, .readMessages).answer(
            MessagePage(messages: (1...2).map { self.message($0) }, headSeq: 2, hasMore: false)
        )
        let messages = try await self.collect(client) { self.synced($0) != nil }
        #expect(self.seqs(messages) == [1, 2])
        let synced = try #require(self.synced(messages))
        #expect(synced.isFull)
        #expect(synced.removed == [gone])
        #expect(synced.updated == [Self.conversation])
        #expect(fixture.metrics.sync.compared.value == 2)
    }

    @Test("A sync in parts, sent right behind authenticate, is one sync")
    func pipelined() async throws {
        let fixture = SessionsFixture()
        let client = try await fixture.connect()
        let fields = ClientCommand.Authenticate(
            token: PlainTokens.token(Self.user, Self.device),
            deviceID: Self.device,
            sync: true
        )
        fixture.directory.state.withLock { $0.holdsRegistrations = true }
        try await client.send(.init(id: "auth", command: .authenticate(fields)))
        let other = ConversationID(value: 6)
        try await client.send(.init(id: "s", command: .sync(SyncRequest(cursors: [other: 1], hasMore: true))))
        try await client.send(.init(id: "s", command: .sync(SyncRequest(cursors: [Self.conversation: 2]))))
        try await client.send(.init(id: "t", command: .sync(SyncRequest(cursors: [:]))))
        guard case .error("t", let failure) = try await client.next() else {
            Issue.record("a second sync was taken")
            return
        }
        #expect(failure.code == .conflict)
        try await eventually("it registers") { fixture.directory.heldCount == 1 }
        #expect(fixture.links.takeRequest() == nil)
        fixture.directory.letRegister()
        try await self.request(fixture, .syncChanges).answer(self.changes(head: nil, complete: false))
        try await self.request(fixture, .listConversations).answer(
            ConversationIDList(conversations: [], hasMore: false)
        )
        let heads = try await self.request(fixture, .compareHeads)
        #expect(Set(try CompareHeads(decoding: heads.payload).conversations) == [other, Self.conversation])
        heads.answer(ChangedHeads(changed: []))
        let messages = try await self.collect(client) { self.synced($0) != nil }
        #expect(messages.first.map { if case .authenticated = $0 { true } else { false } } == true)
    }

    @Test(
        "Receipts that were missed are read and written, found by the routers' logs and by a comparison",
        arguments: [true, false]
    )
    func receipts(withToken: Bool) async throws {
        let fixture = SessionsFixture()
        let client = try await self.connect(fixture)
        let request = SyncRequest(
            cursors: [Self.conversation: 4],
            states: [Self.conversation: 6],
            wantsReceipts: true,
            resume: withToken ? try self.token(7) : nil
        )
        try await client.send(.init(id: "s", command: .sync(request)))
        var changes = self.changes(head: 4, complete: withToken)
        changes.changed[0].hasReceipts = true
        try await self.request(fixture, .syncChanges).answer(changes)
        if !withToken {
            try await self.request(fixture, .listConversations).answer(
                ConversationIDList(conversations: [Self.conversation], hasMore: false)
            )
            let heads = try await self.request(fixture, .compareHeads)
            #expect(try CompareHeads(decoding: heads.payload).states == [6])
            heads.answer(ChangedHeads(changed: changes.changed))
        }
        let question = try await self.request(fixture, .readReceipts)
        #expect(
            try ReadReceipts(decoding: question.payload)
                == ReadReceipts(user: Self.user, conversations: [Self.conversation])
        )
        let entry = MemberWatermarks(user: UserID(value: 1), watermarks: Watermarks(delivered: 4, read: 3))
        let receipts = ConversationReceipts(conversation: Self.conversation, stateVersion: 8, entries: [entry])
        question.answer(ReceiptsOfConversations(receipts: [receipts]))
        let messages = try await self.collect(client) { self.synced($0) != nil }
        #expect(messages.first == .syncReceipts(SyncReceipts(receipts)))
        #expect(self.synced(messages)?.changed == 0)
        #expect(self.synced(messages)?.resume != nil)
    }

    @Test("More live messages than may be held are read again, so a naive client still has each once and in order")
    func heldBound() async throws {
        let fixture = SessionsFixture(syncHeldBytes: 600)
        let client = try await self.connect(fixture)
        try await client.send(
            .init(id: "s", command: .sync(SyncRequest(cursors: [Self.conversation: 0], resume: try self.token(7))))
        )
        let question = try await self.request(fixture, .syncChanges)
        await self.deliver(fixture, 3...30)
        question.answer(self.changes(head: 2))
        for (after, head) in [(0, 2), (2, 30)] as [(UInt64, UInt64)] {
            let page = try await self.request(fixture, .readMessages)
            #expect(try ReadMessages(decoding: page.payload).position == .after(after))
            page.answer(
                MessagePage(messages: ((after + 1)...head).map { self.message($0) }, headSeq: 30, hasMore: false)
            )
        }
        let messages = try await self.collect(client) { self.synced($0) != nil }
        #expect(self.seqs(messages) == Array(1...30))
    }

    @Test("A gap that a router tells of leads to resync, and no token is given before the next sync")
    func gap() async throws {
        let fixture = SessionsFixture()
        fixture.inbox.meshLinkUp(Self.peer)
        await self.progress(fixture, .begins, 0)
        let client = try await self.connect(fixture)
        func sync(_ id: CommandID) async throws -> Synced {
            try await client.send(
                .init(id: id, command: .sync(SyncRequest(cursors: [:], resume: try self.token(1))))
            )
            try await self.request(fixture, .syncChanges).answer(self.changes(head: nil))
            return try #require(self.synced(try await self.collect(client) { self.synced($0) != nil }))
        }
        #expect(try await sync("1").resume != nil)
        await self.progress(fixture, .gap, 3)
        #expect(try await client.next() == .resync)
        try await client.send(.init(id: "p", command: .ping))
        #expect(try await client.next() == .pong("p"))
        // What comes before the sync is in its answer.
        await self.deliver(fixture, 1...1)
        #expect(try await client.messages().isEmpty)
        #expect(try await sync("2").resume != nil)
        try await client.send(.init(id: "q", command: .ping))
        guard case .pong("q", .some) = try await client.next() else {
            Issue.record("no token")
            return
        }
    }

    @Test("A loss while a sync runs: its answer has no token, and a resync follows")
    func lossDuringSync() async throws {
        let fixture = SessionsFixture()
        fixture.inbox.meshLinkUp(Self.peer)
        await self.progress(fixture, .begins, 0)
        let client = try await self.connect(fixture)
        try await client.send(
            .init(id: "s", command: .sync(SyncRequest(cursors: [:], resume: try self.token(1))))
        )
        let question = try await self.request(fixture, .syncChanges)
        await self.progress(fixture, .gap, 3)
        question.answer(self.changes(head: nil))
        let messages = try await self.collect(client) { $0.contains(.resync) }
        #expect(self.synced(messages)?.resume == nil)
        #expect(messages.last == .resync)
    }

    @Test("Who is removed while a sync runs gets nothing of what it held or was reading; the next sync brings the rest")
    func removedMeanwhile() async throws {
        let fixture = SessionsFixture()
        let client = try await self.connect(fixture)
        try await client.send(
            .init(id: "s", command: .sync(SyncRequest(cursors: [Self.conversation: 0], resume: try self.token(7))))
        )
        try await self.request(fixture, .syncChanges).answer(self.changes(head: 2))
        let page = try await self.request(fixture, .readMessages)
        await self.deliver(fixture, 3...3)
        await fixture.askToSettle([Self.user])
        page.answer(MessagePage(messages: (1...2).map { self.message($0) }, headSeq: 3, hasMore: false))
        let told = try await self.collect(client) { !$0.isEmpty }
        guard told.count == 1, case .error("s", let failure) = told.first else {
            Issue.record("the sync went on: \(told)")
            return
        }
        #expect(failure.code == .unavailable && failure.retryAfterMilliseconds != nil)
        await fixture.eventLoop.run()
        #expect(self.seqs(try await client.messages()).isEmpty)
        try await client.send(.init(id: "t", command: .sync(SyncRequest(cursors: [:], resume: try self.token(7)))))
        try await self.request(fixture, .syncChanges).answer(self.changes(head: nil))
        let messages = try await self.collect(client) { self.synced($0) != nil }
        #expect(self.seqs(messages).isEmpty)
    }

    @Test("A client that promised a sync and sends none gets a resync and then live events")
    func neverSyncs() async throws {
        let fixture = SessionsFixture()
        let client = try await self.connect(fixture)
        await self.deliver(fixture, 1...1)
        await fixture.advance(SessionSync.patience)
        _ = try await self.collect(client) { $0.contains(.resync) }
        await self.deliver(fixture, 2...2)
        #expect(self.seqs(try await client.messages()) == [2])
    }

    @Test("A sync that fails is answered with its error, and nothing comes live before the next one")
    func failure() async throws {
        let fixture = SessionsFixture()
        let client = try await self.connect(fixture)
        try await client.send(.init(id: "s", command: .sync(SyncRequest(cursors: [:]))))
        try await self.request(fixture, .syncChanges).answer(self.changes(head: nil, complete: false))
        try await self.request(fixture, .listConversations).fail(Failure(.unavailable, "away"))
        #expect(try await client.next() == .error("s", Failure(.unavailable, "away")))
        await self.deliver(fixture, 1...1)
        #expect(try await client.messages().isEmpty)
    }
}
