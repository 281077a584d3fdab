// SPDX-License-Identifier: Apache-2.0

import ClientProtocol
import Directory
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

@Suite("How a session begins and ends")
struct SessionsOpeningTests {
    private let user = UserID(value: 1)
    private let device = DeviceID(value: 2)

    private func authenticate(_ client: SessionsClient, token: String? = nil, device: DeviceID? = nil) async throws {
        let fields = ClientCommand.Authenticate(
            token: token ?? PlainTokens.token(self.user, self.device),
            deviceID: device ?? self.device
        )
        try await client.send(.init(id: "a", command: .authenticate(fields)))
    }

    @Test("First the registry, then the announcement, then the client")
    func order() async throws {
        let fixture = SessionsFixture()
        fixture.directory.state.withLock { $0.holdsRegistrations = true }
        fixture.links.state.withLock {
            $0.routers = ["router-1", "router-2"]
            $0.notifyOutcome = .overloaded
        }
        let client = try await fixture.connect()
        try await self.authenticate(client)
        try await eventually("the registration") { fixture.directory.heldCount == 1 }
        await fixture.advance(.seconds(1))
        #expect(fixture.log.all.isEmpty, "nothing is announced before it is registered")
        fixture.directory.letRegister()
        try await eventually("the entry") { fixture.log.all == ["register"] }
        await fixture.advance(.seconds(1))
        #expect(try await client.frames().isEmpty, "the client waits for the announcement")
        // One router after the other takes it.
        fixture.links.state.withLock { $0.notifyOutcome = .queued }
        try await eventually("the announcements") {
            await fixture.advance(.milliseconds(20))
            return fixture.log.all.count == 3
        }
        #expect(fixture.log.all[0] == "register")
        #expect(Set(fixture.log.all[1...]) == ["notify attachment to router-1", "notify attachment to router-2"])
        guard case .authenticated("a", let fields) = try await client.next() else {
            Issue.record("not authenticated")
            return
        }
        #expect(fields.userID == self.user && fields.deviceID == self.device)
        #expect(fields.heartbeatMilliseconds == 30_000)
        #expect(fields.limits == .init(bodyBytes: 65_536, frameBytes: 131_072, inFlight: 8))
        #expect(
            fixture.links.attachments
                == Array(repeating: Attachment(attached: [self.user], detached: [], isRegistered: false), count: 2)
        )
        let entry = try #require(fixture.directory.state.withLock { $0.entries[self.device] })
        #expect(entry == SessionLocation(edge: "edge-1", incarnation: Incarnation(value: 1), session: fields.sessionID))
    }

    @Test("Events that come while the session begins are not written to it")
    func noEventsBefore() async throws {
        let fixture = SessionsFixture()
        fixture.directory.state.withLock { $0.holdsRegistrations = true }
        let client = try await fixture.connect()
        try await self.authenticate(client)
        try await eventually("the registration") { fixture.directory.heldCount == 1 }
        let message = Message.sample(1, sender: UserID(value: 9), device: DeviceID(value: 9))
        await fixture.deliver([Deliver(message: message, recipients: [self.user], isBroadcast: false)])
        #expect(try await client.frames().isEmpty)
        #expect(fixture.log.count("notify sessionUnknown") == 0, "the user is on the way")
        fixture.directory.letRegister()
        #expect(try await client.next()?.name == .authenticated)
    }

    @Test(
        "A wrong token is an error and a close code",
        arguments: [
            ("expired", ErrorCode.tokenExpired, CloseCode.tokenExpired),
            ("nonsense", .unauthenticated, .invalidToken),
        ]
    )
    func wrongToken(token: String, code: ErrorCode, close: CloseCode) async throws {
        let fixture = SessionsFixture()
        let client = try await fixture.connect()
        try await self.authenticate(client, token: token)
        let frames = try await client.frames()
        try #require(frames.count == 2)
        guard case .error("a", let failure) = try ServerMessage.decode(json: frames[0].payload) else {
            Issue.record("no error")
            return
        }
        #expect(failure.code == code)
        #expect(frames[1].closeCode == close.rawValue)
        #expect(fixture.log.all.isEmpty)
    }

    /// The code of the close frame behind the error that a session which cannot begin is told.
    private func refusal(_ client: SessionsClient) async throws -> UInt16? {
        var frames: [SessionsClient.Frame] = []
        try await eventually("the refusal") {
            frames += try await client.frames()
            return frames.count == 2
        }
        return frames.last?.closeCode
    }

    @Test("A token of another device is not good")
    func otherDevice() async throws {
        let fixture = SessionsFixture()
        let client = try await fixture.connect()
        try await self.authenticate(client, device: DeviceID(value: 3))
        #expect(try await client.frames().last?.closeCode == CloseCode.invalidToken.rawValue)
    }

    @Test(
        "A session whose registration took so long that the device is elsewhere by now leaves it there, and may come again"
    )
    func outdatedRegistration() async throws {
        let fixture = SessionsFixture()
        fixture.directory.state.withLock { $0.error = DirectoryError(.newerSession, "as scripted") }
        let client = try await fixture.connect()
        try await self.authenticate(client)
        #expect(try await self.refusal(client) == CloseCode.overloaded.rawValue)
        #expect(CloseCode.overloaded.mayReconnect)
        #expect(fixture.log.count("clear marker") == 0, "the registry is right")
        #expect(fixture.links.attachments.isEmpty)
        try await client.close()
        #expect(fixture.index.current(self.user, self.device) == nil)
    }

    @Test("Without Redis the session begins all the same, and the marker is taken away")
    func withoutRedis() async throws {
        let fixture = SessionsFixture()
        await fixture.keeper.tick(now: .now)
        #expect(fixture.keeper.isComplete)
        fixture.directory.state.withLock { $0.error = DirectoryError(.unavailable, "as scripted") }
        _ = try await fixture.authenticate(self.user, self.device)
        #expect(!fixture.keeper.isComplete)
        #expect(fixture.log.count("clear marker") == 1)
        #expect(fixture.links.attachments.last?.attached == [self.user])
        #expect(
            fixture.links.attachments.last?.isRegistered == false,
            "the marker may still stand, so the routers are told"
        )
        // Redis is back: everything is registered anew.
        fixture.directory.state.withLock { $0.error = nil }
        await fixture.keeper.tick(now: .now)
        #expect(fixture.keeper.isComplete)
        #expect(fixture.directory.state.withLock { $0.entries[self.device]?.edge } == "edge-1")
        #expect(fixture.directory.state.withLock { $0.marker } == SessionsFixture.life)
    }

    @Test("When Redis was emptied, the next renewal notices and all sessions are registered anew")
    func emptied() async throws {
        let fixture = SessionsFixture()
        await fixture.keeper.tick(now: .now)
        let clients = [
            try await fixture.authenticate(self.user, self.device),
            try await fixture.authenticate(UserID(value: 7), DeviceID(value: 8)),
        ]
        fixture.directory.state.withLock { state in
            state.entries = [:]
            state.marker = nil
        }
        await fixture.keeper.tick(now: .now)
        #expect(!fixture.keeper.isComplete)
        await fixture.keeper.tick(now: .now)
        #expect(fixture.keeper.isComplete)
        #expect(fixture.directory.state.withLock { Set($0.entries.keys) } == [self.device, DeviceID(value: 8)])
        #expect(clients.allSatisfy { !$0.isClosed })
    }

    @Test("After a fail-over of Redis the routers are told, before the session is, that the registry does not know all")
    func failedOver() async throws {
        let fixture = SessionsFixture()
        await fixture.keeper.tick(now: .now)
        _ = try await fixture.authenticate(self.user, self.device)
        #expect(fixture.links.attachments.last?.isRegistered == true)
        #expect(fixture.links.attachments.last?.registry == "the-first")
        fixture.directory.state.withLock { $0.life = RegistryLife(serverRunID: "the-second", reign: 2) }
        _ = try await fixture.authenticate(UserID(value: 7), DeviceID(value: 8))
        let announcement = try #require(fixture.links.attachments.last)
        #expect(announcement.attached == [UserID(value: 7)])
        #expect(!announcement.isRegistered && announcement.registry.isEmpty)
        // The marker that came with the data of the first says nothing.
        #expect(fixture.directory.state.withLock { $0.marker } == SessionsFixture.life)
        await fixture.keeper.tick(now: .now)
        await fixture.advance(.milliseconds(1))
        #expect(fixture.keeper.isComplete)
        #expect(fixture.links.attachments.last?.registry == "the-second")
    }

    @Test("A refill that finds a newer session elsewhere closes the own one")
    func newerElsewhere() async throws {
        let fixture = SessionsFixture()
        let client = try await fixture.authenticate(self.user, self.device)
        let elsewhere = SessionLocation(
            edge: "edge-2",
            incarnation: Incarnation(value: 2),
            session: SessionID.generate()
        )
        fixture.directory.state.withLock { $0.entries[self.device] = elsewhere }
        await fixture.keeper.tick(now: .now)
        #expect(try await client.frame().closeCode == CloseCode.replaced.rawValue)
        #expect(fixture.directory.state.withLock { $0.entries[self.device] } == elsewhere)
    }

    @Test("The same device again closes the older session, and only the newer stays registered")
    func replacedHere() async throws {
        let fixture = SessionsFixture()
        let older = try await fixture.authenticate(self.user, self.device)
        let newer = try await fixture.authenticate(self.user, self.device)
        #expect(try await older.frame().closeCode == CloseCode.replaced.rawValue)
        try await older.close()
        try await eventually("the end of the older") { fixture.services.openEnds == 1 }
        let entry = fixture.directory.state.withLock { $0.entries[self.device] }
        #expect(entry?.session == fixture.index.current(self.user, self.device)?.session)
        #expect(fixture.links.attachments.flatMap(\.detached).isEmpty, "the user has not left")
        let message = Message.sample(1, sender: UserID(value: 9), device: DeviceID(value: 9))
        await fixture.deliver([Deliver(message: message, recipients: [self.user], isBroadcast: false)])
        #expect(try await newer.next() == .newMessage(DeliveredMessage(message)))
    }

    @Test("Of two sessions of one device that begin at the same time, the later stays, whichever is registered last")
    func atTheSameTime() async throws {
        let fixture = SessionsFixture()
        fixture.directory.state.withLock { $0.holdsRegistrations = true }
        let older = try await fixture.connect()
        try await self.authenticate(older)
        try await eventually("the first registration") { fixture.directory.heldCount == 1 }
        let newer = try await fixture.connect()
        try await self.authenticate(newer)
        try await eventually("the second registration") { fixture.directory.heldCount == 2 }
        #expect(try await older.frame().closeCode == CloseCode.replaced.rawValue)
        // The newer one is registered before the older one.
        fixture.directory.state.withLock { $0.held.reverse() }
        fixture.directory.letRegister()
        #expect(try await newer.next()?.name == .authenticated)
        let session = try #require(fixture.index.current(self.user, self.device)?.session)
        try await eventually("the entry of the newer") {
            fixture.directory.state.withLock { $0.entries[self.device]?.session } == session
        }
        #expect(!newer.isClosed)
    }

    @Test("A session of the device on another edge is displaced there")
    func replacedElsewhere() async throws {
        let fixture = SessionsFixture()
        fixture.directory.state.withLock {
            $0.entries[self.device] = SessionLocation(
                edge: "edge-2",
                incarnation: Incarnation(value: 2),
                session: SessionID(value: 3)
            )
        }
        _ = try await fixture.authenticate(self.user, self.device)
        #expect(fixture.log.count("displace on edge-2") == 1)
    }

    @Test("With too many devices the session does not begin")
    func tooManyDevices() async throws {
        let fixture = SessionsFixture()
        fixture.directory.state.withLock { $0.error = DirectoryError(.tooManyDevices, "as scripted") }
        let client = try await fixture.connect()
        try await self.authenticate(client)
        #expect(try await self.refusal(client) == CloseCode.tooManyDevices.rawValue)
        try await client.close()
        #expect(fixture.index.current(self.user, self.device) == nil)
    }

    @Test("The end of a session takes its entry away, and of the user's last one is announced")
    func end() async throws {
        let fixture = SessionsFixture()
        let phone = try await fixture.authenticate(self.user, self.device)
        let laptop = try await fixture.authenticate(self.user, DeviceID(value: 3))
        try await phone.close()
        try await eventually("the entry gone") { fixture.directory.state.withLock { $0.entries.count } == 1 }
        await fixture.eventLoop.run()
        #expect(fixture.links.attachments.flatMap(\.detached).isEmpty)
        try await laptop.close()
        try await eventually("both gone") { fixture.directory.state.withLock { $0.entries.isEmpty } }
        await fixture.eventLoop.run()
        #expect(fixture.links.attachments.last == Attachment(attached: [], detached: [self.user], isRegistered: false))
        #expect(fixture.services.openEnds == 0)
    }

    @Test("A session that ends while it is being registered leaves no entry")
    func endWhileOpening() async throws {
        let fixture = SessionsFixture()
        fixture.directory.state.withLock { $0.holdsRegistrations = true }
        let client = try await fixture.connect()
        try await self.authenticate(client)
        try await eventually("the registration") { fixture.directory.heldCount == 1 }
        try await client.close()
        try await eventually("the first attempt to take it away") { fixture.log.count("unregister") == 1 }
        fixture.directory.letRegister()
        try await eventually("the second") { fixture.log.count("unregister") == 2 }
        try await eventually("no entry") { fixture.directory.state.withLock { $0.entries.isEmpty } }
        #expect(fixture.log.count("notify attachment") <= 1)
    }
}

@Suite("Announcements")
struct SessionsAnnouncementTests {
    @Test("Every router gets all announcements in their order, also one that is full for a while")
    func order() {
        let seed: UInt64 = 0xA11
        var random = SeededRandom(seed: seed)
        var queue = AnnouncementQueue()
        var received: [String: [UInt128]] = [:]
        let routers: Set<String> = ["a", "b", "c"]
        var sent: [UInt128] = []
        for number in 0..<200 as Range<UInt128> {
            sent.append(number)
            let attachment = Attachment(attached: [UserID(value: number)], detached: [], isRegistered: false)
            queue.append(attachment, to: routers, completions: [])
            let full = routers.filter { _ in UInt8.random(in: 0..<3, using: &random) == 0 }
            _ = queue.offer { attachment, router in
                guard !full.contains(router) else { return .full }
                received[router, default: []].append(attachment.attached[0].value)
                return .taken
            }
        }
        _ = queue.offer { attachment, router in
            received[router, default: []].append(attachment.attached[0].value)
            return .taken
        }
        #expect(queue.isEmpty)
        for router in routers { #expect(received[router] == sent, "seed \(seed)") }
    }

    @Test("Without any router an announcement is over at once")
    func noRouters() {
        var queue = AnnouncementQueue()
        queue.append(Attachment(attached: [], detached: [], isRegistered: false), to: [], completions: [{}])
        #expect(queue.offer { _, _ in .full }.count == 1)
        #expect(queue.isEmpty)
    }
}
