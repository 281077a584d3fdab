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

private let ada = UserID(value: 0xA)
private let bob = UserID(value: 0xB)
private let device = DeviceID(value: 0xD)
private let here = ConversationID(value: 0xC0)
private let router = PeerIdentity(name: "router-1", incarnation: Incarnation(value: 9), role: .router)

@Suite("Presence and typing in sessions")
struct PresenceSessionTests {
    /// A conversation of Ada and Bob, or the answer to strangers.
    private static func answer(_ request: ScriptedLinks.Request) -> Bool {
        guard request.kind == .getConversation, let get = try? GetConversation(decoding: request.payload) else {
            return false
        }
        let conversation = Conversation(id: here, kind: .direct, title: "", createdBy: ada, createdAt: 1, headSeq: 0)
        if get.conversation == here {
            request.answer(
                ConversationState(
                    conversation: conversation,
                    members: [Member(user: ada, role: .member), Member(user: bob, role: .member)]
                )
            )
        } else {
            request.fail(.noSuchConversation)
        }
        return true
    }

    private func fixture(unsentBytesMax: Int = 1 << 20) -> SessionsFixture {
        let fixture = SessionsFixture(unsentBytesMax: unsentBytesMax)
        fixture.links.state.withLock { $0.answers = { Self.answer($0) } }
        fixture.inbox.meshLinkUp(router)
        return fixture
    }

    private func reports(_ fixture: SessionsFixture) -> [SlotPresence] {
        fixture.links.state.withLock { state in
            state.notifications.filter { $0.kind == .presenceReport }
                .compactMap { try? PresenceReport(decoding: $0.payload) }
                .flatMap(\.slots)
        }
    }

    private func tell(_ fixture: SessionsFixture, _ kind: NotificationKind, _ body: some WireMessage) async {
        fixture.inbox.meshNotification(kind: kind.rawValue, payload: body.encoded(), from: router)
        await fixture.eventLoop.run()
    }

    private func watch(_ fixture: SessionsFixture, _ client: SessionsClient, _ id: ConversationID) async throws {
        try await client.send(.init(id: "w", command: .watchPresence(.init(conversationIDs: [id]))))
    }

    @Test("A session is reported when it begins and ends, watches what it asks for, and is told of it")
    func wholeWay() async throws {
        let fixture = self.fixture()
        let client = try await fixture.authenticate(ada, device)
        try await self.watch(fixture, client, here)
        try await eventually("Bob is watched") {
            await fixture.eventLoop.run()
            fixture.presence.tick(now: 1)
            let reports = self.reports(fixture)
            return reports.contains { $0.attached == [ada] } && reports.contains { $0.watched.contains(bob) }
        }
        let seen = ShownPresence(user: bob, status: .busy)
        await self.tell(fixture, .presenceStates, PresenceStates(sequence: 0, states: [seen]))
        #expect(try await client.next() == .presenceWatched("w", [PresenceBody(seen)]))
        let gone = ShownPresence(user: bob, status: .offline, lastSeenAt: 5)
        await self.tell(fixture, .presenceStates, PresenceStates(sequence: 1, states: [gone]))
        #expect(try await client.next() == .userOffline(UserOffline(userID: bob, lastSeenAt: Timestamp(5))))
        // One was missed: all are asked for again.
        await self.tell(fixture, .presenceStates, PresenceStates(sequence: 3, states: []))
        fixture.presence.tick(now: 2)
        #expect(fixture.log.count("notify presenceStatesWanted") == 1)
        try await client.close()
        fixture.presence.tick(now: 3)
        await fixture.eventLoop.run()
        fixture.presence.tick(now: 4)
        #expect(self.reports(fixture).contains { $0.detached == [ada] })
        #expect(self.reports(fixture).contains { $0.unwatched.contains(bob) })
    }

    @Test("A conversation that is not the user's is refused, and a router that is not the owner is not believed")
    func refusals() async throws {
        let fixture = self.fixture()
        let client = try await fixture.authenticate(ada, device)
        try await self.watch(fixture, client, ConversationID(value: 1))
        guard case .error("w", let failure) = try await client.next() else {
            Issue.record("an error was expected")
            return
        }
        #expect(failure.code == .notFound)
        try await self.watch(fixture, client, here)
        try await eventually("Bob is watched") {
            await fixture.eventLoop.run()
            fixture.presence.tick(now: 1)
            return self.reports(fixture).contains { $0.watched.contains(bob) }
        }
        let other = PeerIdentity(name: "router-2", incarnation: Incarnation(value: 3), role: .router)
        let states = PresenceStates(sequence: 0, states: [ShownPresence(user: bob, status: .online)])
        fixture.inbox.meshNotification(
            kind: NotificationKind.presenceStates.rawValue,
            payload: states.encoded(),
            from: other
        )
        await fixture.eventLoop.run()
        #expect(try await client.messages().isEmpty)
    }

    @Test("A session that reads slowly gets no typing, keeps its live messages, and is told no resync for it")
    func slowSession() async throws {
        let fixture = self.fixture()
        let client = try await fixture.authenticate(ada, device)
        let typing = Typing(
            conversation: here,
            user: bob,
            device: DeviceID(value: 1),
            isTyping: true,
            recipients: [ada]
        )
        await self.tell(fixture, .typingTold, typing)
        guard case .typing(let event) = try await client.next() else {
            Issue.record("typing was expected")
            return
        }
        #expect(event.userID == bob && event.isTyping && event.expiresInMilliseconds > 0)
        try await client.setWritable(false)
        await self.tell(fixture, .typingTold, typing)
        try await client.setWritable(true)
        #expect(try await client.messages().isEmpty, "neither typing nor resync")
        #expect(fixture.metrics.ephemeral.droppedSlowSession.value == 1)
        #expect(fixture.metrics.resyncs.value == 0)
        let message = Message.sample(1, sender: bob, device: DeviceID(value: 1))
        await fixture.deliver([Deliver(message: message, recipients: [ada], isBroadcast: false)])
        guard case .newMessage = try await client.next() else {
            Issue.record("the message was expected")
            return
        }
    }

    /// Ada watches Bob, who was seen online.
    private func watching(_ fixture: SessionsFixture) async throws -> SessionsClient {
        let client = try await fixture.authenticate(ada, device)
        try await self.watch(fixture, client, here)
        try await eventually("Bob is watched") {
            await fixture.eventLoop.run()
            fixture.presence.tick(now: 1)
            return self.reports(fixture).contains { $0.watched.contains(bob) }
        }
        let online = ShownPresence(user: bob, status: .online)
        await self.tell(fixture, .presenceStates, PresenceStates(sequence: 0, states: [online]))
        #expect(try await client.next() == .presenceWatched("w", [PresenceBody(online)]))
        return client
    }

    @Test("What a session was too slow for is told when it reads again, as it is then, and once")
    func slowWatcher() async throws {
        let fixture = self.fixture()
        let client = try await self.watching(fixture)
        try await client.setWritable(false)
        let statuses: [ShownStatus] = [.busy, .offline, .away]
        for (sequence, status) in statuses.enumerated() {
            let states = PresenceStates(
                sequence: UInt64(sequence + 1),
                states: [ShownPresence(user: bob, status: status)]
            )
            await self.tell(fixture, .presenceStates, states)
        }
        #expect(fixture.metrics.ephemeral.droppedSlowSession.value == 3)
        #expect(try await client.messages().isEmpty)
        try await client.setWritable(true)
        let away = ServerMessage(ShownPresence(user: bob, status: .away))
        #expect(try await client.messages() == [away])
        try await client.setWritable(false)
        try await client.setWritable(true)
        #expect(try await client.messages().isEmpty)
    }

    @Test("What a loop had no room for is told with the next turn")
    func fullLoop() async throws {
        let fixture = self.fixture()
        let client = try await self.watching(fixture)
        let busy = ShownPresence(user: bob, status: .busy)
        let others = (0..<EphemeralEvent.waitingMax).map { number in
            EphemeralEvent(
                key: .presence(UserID(value: UInt128(number) << 64)),
                frame: EventFrames(),
                receivers: .sessions([])
            )
        }
        // Both in one turn of the event loop, so that the loop is full when Bob's state is carried out.
        try await fixture.eventLoop.submit {
            fixture.inbox.meshNotification(
                kind: NotificationKind.presenceStates.rawValue,
                payload: PresenceStates(sequence: 1, states: [busy]).encoded(),
                from: router
            )
            fixture.loop.deliver(others)
        }.get()
        await fixture.eventLoop.run()
        #expect(fixture.metrics.ephemeral.droppedFullLoop.value == 1)
        #expect(try await client.messages().isEmpty)
        fixture.presence.tick(now: 2)
        #expect(try await client.messages() == [ServerMessage(busy)])
        fixture.presence.tick(now: 3)
        #expect(try await client.messages().isEmpty)
    }

    @Test("Of many events that wait for a loop the newest of each user is written; over the bound they are dropped")
    func merging() async throws {
        let fixture = self.fixture()
        let client = try await fixture.authenticate(ada, device)
        let typings = (0..<10).map { number in
            EphemeralEvent(
                key: .typing(here, bob),
                frame: EventFrames(
                    Typing(conversation: here, user: bob, device: DeviceID(value: 1), isTyping: number % 2 == 0).event,
                    in: SpokenSubprotocols(json: true, binary: false)
                ),
                receivers: .users([ada], excluding: DeviceID(value: 1))
            )
        }
        fixture.loop.deliver(typings)
        guard case .typing(let event) = try await client.next() else {
            Issue.record("one event was expected")
            return
        }
        #expect(!event.isTyping)
        #expect(fixture.metrics.ephemeral.merged.value == 9)
        let many = (0..<EphemeralEvent.waitingMax + 5).map { number in
            EphemeralEvent(
                key: .presence(UserID(value: UInt128(number))),
                frame: EventFrames(),
                receivers: .sessions([])
            )
        }
        fixture.loop.deliver(many)
        #expect(fixture.metrics.ephemeral.droppedFullLoop.value == 5)
        await fixture.eventLoop.run()
    }

    @Test("A status is set at the owner of the user, one at a time")
    func status() async throws {
        let fixture = self.fixture()
        let client = try await fixture.authenticate(ada, device)
        try await client.send(.init(id: "1", command: .setStatus(.init(status: .busy))))
        try await eventually("it is asked for") {
            await fixture.eventLoop.run()
            return fixture.links.state.withLock { $0.requests.contains { $0.kind == .setPresence } }
        }
        try await client.send(.init(id: "2", command: .setStatus(.init(status: .away))))
        guard case .error("2", let failure) = try await client.next() else {
            Issue.record("an error was expected")
            return
        }
        #expect(failure.code == .overloaded)
        let request = try #require(fixture.links.takeRequest())
        #expect(request.slot == Slot(of: ada.value).number)
        request.answer(PresenceProfileBody(PresenceProfile(settings: PresenceSettings(status: .busy))))
        #expect(try await client.next() == .statusSet("1", StatusBody(status: .busy, visibleTo: .everyone)))
    }
}
