// SPDX-License-Identifier: Apache-2.0

import ClientProtocol
import ClusterConfiguration
import Messaging
import NIOCore
import NIOEmbedded
import Synchronization
import TestSupport
import Testing
import Wire

@testable import Edge

@Suite("Limits of sessions")
struct AdmissionSessionTests {
    private let user = UserID(value: 1)
    private let device = DeviceID(value: 2)

    /// Counts what it is asked, so that a test sees what was not.
    private final class CountingTokens: TokenVerifier {
        let count = SessionsCounter()

        func verify(accessToken: String) throws(Failure) -> AccessClaims {
            self.count.increment()
            return try PlainTokens().verify(accessToken: accessToken)
        }
    }

    private static func rates(_ change: (inout ClusterSettings.Rates) -> Void) -> ClusterSettings.Rates {
        var rates = ClusterSettings.Rates()
        change(&rates)
        return rates
    }

    private func authenticate(_ client: SessionsClient, user: UserID? = nil, token: String? = nil) async throws {
        let token = token ?? PlainTokens.token(user ?? self.user, self.device)
        let fields = ClientCommand.Authenticate(token: token, deviceID: self.device)
        try await client.send(.init(id: "a", command: .authenticate(fields)))
    }

    private func message(_ body: String = "x") -> SendMessageRequest {
        SendMessageRequest(
            conversationID: ConversationID(value: 5),
            clientMessageID: ClientMessageID.generate(),
            kind: .text,
            body: body
        )
    }

    /// The pause of a refusal; anything else is a failure of the test.
    private func pause(_ message: ServerMessage?, sourceLocation: SourceLocation = #_sourceLocation) throws
        -> TimeAmount
    {
        guard case .error(.some, let failure) = message, failure.code == .rateLimited else {
            throw SessionsMismatch(description: "not refused: \(String(describing: message))")
        }
        return .milliseconds(Int64(try #require(failure.retryAfterMilliseconds, sourceLocation: sourceLocation)))
    }

    // MARK: - Commands and messages

    @Test("A flood of pings is refused beyond the limit, the session stays, and others are not concerned")
    func pings() async throws {
        let fixture = SessionsFixture(rates: Self.rates { $0.commandsPerSession = Rate(10, per: .second, burst: 20) })
        let client = try await fixture.authenticate(self.user, self.device)
        for _ in 0..<30 { try await client.send(.init(id: 1, command: .ping)) }
        let answers = try await client.messages()
        // One of the burst was for `authenticate`.
        #expect(answers.prefix(19).allSatisfy { $0 == .pong(1) })
        let refused = try answers.dropFirst(19).map { try self.pause($0) }
        #expect(refused.count == 11)
        let other = try await fixture.authenticate(UserID(value: 7), DeviceID(value: 8))
        try await other.send(.init(id: 1, command: .ping))
        #expect(try await other.next() == .pong(1))
        await fixture.advance(refused[0])
        try await client.send(.init(id: 2, command: .ping))
        #expect(try await client.next() == .pong(2))
    }

    @Test("Ping frames and nonsense count too; ping frames over the limit are passed over")
    func frames() async throws {
        let fixture = SessionsFixture(rates: Self.rates { $0.commandsPerSession = Rate(1, per: .second, burst: 5) })
        let client = try await fixture.authenticate(self.user, self.device)
        for _ in 0..<10 { try await client.send(bytes: SessionsClient.frame(opcode: 9, [1])) }
        #expect(try await client.frames().map(\.opcode) == [10, 10, 10, 10])
        try await client.send(text: "nonsense")
        guard case .error(nil, let failure) = try await client.next() else {
            Issue.record("no error")
            return
        }
        #expect(failure.code == .rateLimited)
    }

    @Test("A client that does not heed any of a thousand refusals is closed with 4503")
    func deaf() async throws {
        let fixture = SessionsFixture(rates: Self.rates { $0.commandsPerSession = Rate(1, per: .hour, burst: 1) })
        let client = try await fixture.authenticate(self.user, self.device)
        let ping = SessionsClient.frame(opcode: 1, CommandMessage(id: 1, command: .ping).encoded())
        let bound = fixture.services.machine.refusalsInRowMax
        for _ in 0..<bound { try await client.send(bytes: ping) }
        #expect(try await client.frames().allSatisfy { $0.opcode == 1 })
        try await client.send(bytes: ping)
        #expect(try await client.frames().last?.closeCode == CloseCode.tooManyErrors.rawValue)
    }

    @Test("Messages of one user are limited over all sessions, and nothing of a refused one is sent on")
    func sendsPerUser() async throws {
        let fixture = SessionsFixture(rates: Self.rates { $0.sendsPerUser = Rate(1, per: .second, burst: 2) })
        let phone = try await fixture.authenticate(self.user, self.device)
        let laptop = try await fixture.authenticate(self.user, DeviceID(value: 3))
        try await phone.send(.init(id: 1, command: .sendMessage(self.message())))
        try await laptop.send(.init(id: 1, command: .sendMessage(self.message())))
        try await laptop.send(.init(id: 2, command: .sendMessage(self.message())))
        let pause = try self.pause(try await laptop.next())
        #expect(fixture.log.count("request submit") == 2)
        let other = try await fixture.authenticate(UserID(value: 7), DeviceID(value: 8))
        try await other.send(.init(id: 1, command: .sendMessage(self.message())))
        #expect(fixture.log.count("request submit") == 3)
        await fixture.advance(pause)
        try await laptop.send(.init(id: 3, command: .sendMessage(self.message())))
        #expect(fixture.log.count("request submit") == 4)
    }

    @Test("After a message that is refused none overtakes it until the time that was told")
    func order() async throws {
        let fixture = SessionsFixture(rates: Self.rates { $0.sendsPerUser = Rate(100, per: .second, burst: 100) })
        let client = try await fixture.authenticate(self.user, self.device)
        var pause = TimeAmount.zero
        var sent = 0
        while pause == .zero {
            try await client.send(.init(id: 1, command: .sendMessage(self.message())))
            sent += 1
            fixture.links.takeRequest()?.answer(Accepted(seq: UInt64(sent), createdAt: 1, duplicate: false))
            await fixture.eventLoop.run()
            if case .error = try #require(try await client.messages().first) { pause = .milliseconds(100) }
        }
        #expect(sent == 101)
        // Now there are tokens again, and still it is too early: the refused one was told to come later than this.
        await fixture.advance(.milliseconds(50))
        try await client.send(.init(id: 2, command: .sendMessage(self.message())))
        let rest = try self.pause(try await client.next())
        await fixture.advance(rest)
        try await client.send(.init(id: 3, command: .sendMessage(self.message())))
        #expect(fixture.log.count("request submit") == 101)
    }

    // MARK: - Turns

    @Test("Who is too many to begin is given a turn before the token is looked at, waits on its connection, and has it")
    func turn() async throws {
        let tokens = CountingTokens()
        let rates = Self.rates { $0.authenticationsPerNode = Rate(6, per: .minute, burst: 1) }
        let fixture = SessionsFixture(rates: rates, verifier: tokens)
        let first = try await fixture.connect()
        try await self.authenticate(first, user: UserID(value: 10))
        #expect(try await first.next()?.name == .authenticated)
        var waiting: [SessionsClient] = []
        var pauses: [TimeAmount] = []
        for user in 11..<13 as Range<UInt128> {
            let client = try await fixture.connect()
            try await self.authenticate(client, user: UserID(value: user))
            pauses.append(try self.pause(try await client.next()))
            waiting.append(client)
        }
        #expect(tokens.count.value == 1)
        #expect(fixture.log.count("register") == 1)
        #expect(pauses[0] >= .seconds(10) && pauses[0] <= .seconds(10) + AdmissionControl.jitterMax + .milliseconds(1))
        #expect(pauses[1] >= .seconds(20))
        // Too early: the rest of the time is told, and no new turn taken.
        await fixture.advance(.seconds(9))
        try await self.authenticate(waiting[0], user: UserID(value: 11))
        #expect(try self.pause(try await waiting[0].next()) == .seconds(1))
        await fixture.advance(pauses[0] - .seconds(9))
        // A newcomer does not get what was promised.
        let newcomer = try await fixture.connect()
        try await self.authenticate(newcomer, user: UserID(value: 13))
        _ = try self.pause(try await newcomer.next())
        try await self.authenticate(waiting[0], user: UserID(value: 11))
        #expect(try await waiting[0].next()?.name == .authenticated)
        // Longer than a new connection may be without `authenticate`, and still open.
        await fixture.advance(pauses[1] - pauses[0] + .seconds(9))
        try await self.authenticate(waiting[1], user: UserID(value: 12))
        #expect(try await waiting[1].next()?.name == .authenticated)
    }

    @Test("A turn that is not used in time ends the connection, and is given to others")
    func unusedTurn() async throws {
        let fixture = SessionsFixture(
            rates: Self.rates { $0.authenticationsPerNode = Rate(1, per: .minute, burst: 1) }
        )
        _ = try await fixture.authenticate(self.user, self.device)
        // The wait would be a minute, and at most 20 seconds are promised.
        let tooLate = try await fixture.connect()
        try await self.authenticate(tooLate)
        let frames = try await tooLate.frames()
        #expect(frames.map(\.closeCode) == [nil, CloseCode.overloaded.rawValue])
        _ = try self.pause(try ServerMessage.decode(json: frames[0].payload))
        await fixture.advance(.seconds(45))
        let idle = try await fixture.connect()
        try await self.authenticate(idle)
        let pause = try self.pause(try await idle.next())
        await fixture.advance(pause + .seconds(9))
        #expect(!idle.isClosed)
        await fixture.advance(.seconds(2))
        #expect(try await idle.frame().closeCode == CloseCode.authenticationTimeout.rawValue)
        try await idle.close()
        let next = try await fixture.authenticate(UserID(value: 7), DeviceID(value: 8))
        #expect(!next.isClosed)
    }

    @Test("A token that is not good uses up no turn")
    func badToken() async throws {
        let fixture = SessionsFixture(
            rates: Self.rates { $0.authenticationsPerNode = Rate(1, per: .hour, burst: 1) }
        )
        for _ in 0..<5 {
            let stranger = try await fixture.connect()
            try await self.authenticate(stranger, token: "nonsense")
            #expect(try await stranger.frames().last?.closeCode == CloseCode.invalidToken.rawValue)
        }
        let client = try await fixture.authenticate(self.user, self.device)
        #expect(!client.isClosed)
    }

    @Test("A storm is let in at the rate: nobody is refused twice who comes when it is told")
    func storm() async throws {
        let fixture = SessionsFixture(
            sessionsMax: 1000,
            rates: Self.rates { $0.authenticationsPerNode = Rate(20, per: .second, burst: 20) }
        )
        var waiting: [(client: SessionsClient, user: UserID, at: TimeAmount)] = []
        for number in 0..<200 as Range<UInt128> {
            let client = try await fixture.connect()
            let user = UserID(value: 100 + number)
            try await self.authenticate(client, user: user)
            let answer = try await client.next()
            if answer?.name == .authenticated { continue }
            waiting.append((client, user, try self.pause(answer)))
        }
        #expect(waiting.count == 180)
        // By tenths of a second: how many come in each second.
        var perSecond: [Int64: Int] = [:]
        var now = TimeAmount.zero
        for (client, user, time) in waiting.sorted(by: { $0.at < $1.at }) {
            if time > now {
                await fixture.advance(time - now)
                now = time
            }
            try await self.authenticate(client, user: user)
            #expect(try await client.next()?.name == .authenticated)
            perSecond[time.nanoseconds / 1_000_000_000, default: 0] += 1
        }
        #expect(
            perSecond.values.allSatisfy { $0 <= 20 + 5 + 1 },
            "the rate, and those whom the jitter moved: \(perSecond)"
        )
        #expect(now < .seconds(10))
    }
}

@Suite("The end of a session's token")
struct SessionsTokenTests {
    private let user = UserID(value: 1)
    private let device = DeviceID(value: 2)

    /// `USER DEVICE SECONDS`: good for so long from now on.
    private struct ShortTokens: TokenVerifier {
        func verify(accessToken: String) throws(Failure) -> AccessClaims {
            let parts = accessToken.split(separator: " ")
            guard parts.count == 3, let seconds = UInt64(parts[2]) else { throw Failure(.unauthenticated, "no") }
            var claims = try PlainTokens().verify(accessToken: "\(parts[0]) \(parts[1])")
            claims.expiresAt = WallClock.now() + seconds * 1000
            return claims
        }
    }

    private func show(_ token: String, _ client: SessionsClient, device: DeviceID? = nil) async throws {
        let fields = ClientCommand.Authenticate(token: token, deviceID: device ?? self.device)
        try await client.send(.init(id: "t", command: .authenticate(fields)))
    }

    private func open(_ fixture: SessionsFixture, seconds: Int) async throws -> SessionsClient {
        let client = try await fixture.connect()
        try await self.show("\(self.user) \(self.device) \(seconds)", client)
        #expect(try await client.next()?.name == .authenticated)
        return client
    }

    /// Keeps the session from ending for another reason.
    private func pass(_ seconds: Int64, _ fixture: SessionsFixture, _ client: SessionsClient) async throws {
        for _ in 0..<(seconds / 10) {
            await fixture.advance(.seconds(10))
            try await client.send(bytes: SessionsClient.frame(opcode: 10, []))
        }
        await fixture.advance(.seconds(seconds % 10))
    }

    @Test("When the token ends the client is told once, and the session is closed with 4504 after the grace")
    func end() async throws {
        let fixture = SessionsFixture(verifier: ShortTokens())
        let client = try await self.open(fixture, seconds: 60)
        try await self.pass(55, fixture, client)
        #expect(try await client.frames().isEmpty)
        try await self.pass(10, fixture, client)
        guard case .error(nil, let failure) = try await client.next() else {
            Issue.record("not told")
            return
        }
        #expect(failure.code == .tokenExpired)
        try await client.send(.init(id: 1, command: .ping))
        #expect(try await client.next() == .pong(1), "it goes on for a while")
        try await self.pass(20, fixture, client)
        #expect(try await client.frames().isEmpty, "told once")
        try await self.pass(10, fixture, client)
        #expect(try await client.frame().closeCode == CloseCode.tokenExpired.rawValue)
    }

    @Test("A fresh token prolongs the session, before the end and in the grace, without a new one")
    func prolonged() async throws {
        let fixture = SessionsFixture(verifier: ShortTokens())
        let client = try await self.open(fixture, seconds: 60)
        let session = fixture.index.current(self.user, self.device)?.session
        try await self.pass(50, fixture, client)
        try await self.show("\(self.user) \(self.device) 60", client)
        guard case .authenticated("t", let fields) = try await client.next() else {
            Issue.record("not prolonged")
            return
        }
        #expect(fields.sessionID == session)
        try await self.pass(50, fixture, client)
        #expect(try await client.frames().isEmpty)
        try await self.pass(20, fixture, client)
        #expect(try await client.next()?.name == .error)
        try await self.show("\(self.user) \(self.device) 600", client)
        #expect(try await client.next()?.name == .authenticated)
        try await self.pass(500, fixture, client)
        #expect(try await client.frames().filter { $0.opcode != 9 }.isEmpty)
        #expect(fixture.log.count("register") == 1, "it is the same session all the time")
        #expect(fixture.links.attachments.count == 1)
    }

    @Test("Neither a token of somebody else nor one that is not good changes an open session")
    func others() async throws {
        let fixture = SessionsFixture(verifier: ShortTokens())
        let client = try await self.open(fixture, seconds: 60)
        let other = DeviceID(value: 9)
        let cases: [(String, DeviceID, ErrorCode)] = [
            ("\(UserID(value: 8)) \(self.device) 600", self.device, .alreadyAuthenticated),
            ("\(self.user) \(other) 600", other, .alreadyAuthenticated),
            ("\(self.user) \(other) 600", self.device, .unauthenticated),
            ("nonsense", self.device, .unauthenticated),
        ]
        for (token, device, code) in cases {
            try await self.show(token, client, device: device)
            guard case .error("t", let failure) = try await client.next() else {
                Issue.record("no error for \(token)")
                continue
            }
            #expect(failure.code == code, "\(token)")
        }
        #expect(fixture.index.current(self.user, self.device) != nil)
        try await self.pass(65, fixture, client)
        #expect(try await client.next()?.name == .error, "its own token ends when it ends")
    }
}
