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

@Suite("A session on its connection")
struct SessionsHandlerTests {
    private let user = UserID(value: 1)
    private let device = DeviceID(value: 2)

    private func message(_ body: String = "hello", conversation: UInt128 = 5) -> SendMessageRequest {
        SendMessageRequest(
            conversationID: ConversationID(value: conversation),
            clientMessageID: ClientMessageID.generate(),
            kind: .text,
            body: body
        )
    }

    // MARK: - Bad input

    @Test(
        "A text message that is no command is an error with a code, and the connection stays",
        arguments: [
            ("hello", ErrorCode.malformed), ("[]", .malformed), (#"{"id":1}"#, .missingField),
            (#"{"id":1,"type":"shout"}"#, .unknownType), (#"{"id":1,"type":"ping"}"#, .unauthenticated),
        ]
    )
    func wrongText(text: String, code: ErrorCode) async throws {
        let fixture = SessionsFixture()
        let client = try await fixture.connect()
        try await client.send(text: text)
        guard case .error(_, let failure) = try await client.next() else {
            Issue.record("no error")
            return
        }
        #expect(failure.code == code)
        #expect(!client.isClosed)
    }

    @Test("Bytes that are no WebSocket frames close with 1002, 1007, 1009 or 4502")
    func garbage() async throws {
        let cases: [([UInt8], CloseCode)] = [
            (SessionsClient.frame(opcode: 2, [0, 1, 2]), .binaryMessage),
            (SessionsClient.frame(opcode: 1, [0xFF, 0xFE]), .invalidText),
            (SessionsClient.frame(opcode: 1, Array("{}".utf8), isMasked: false), .protocolError),
            ([0x81, 0xFF, 0, 0, 0, 0, 0x10, 0, 0, 0], .messageTooBig),
            // A control frame of 126 bytes and more.
            ([0x89, 0xFE, 0x01, 0x00, 1, 2, 3, 4], .protocolError),
            (SessionsClient.frame(opcode: 7, [1]), .protocolError),
        ]
        for (bytes, code) in cases {
            let fixture = SessionsFixture()
            let client = try await fixture.connect()
            try? await client.send(bytes: bytes)
            #expect(try await client.frame().closeCode == code.rawValue)
            // What follows is passed over, and the connection ends by itself.
            try? await client.send(text: #"{"id":1,"type":"ping"}"#)
            #expect(try await client.frames().isEmpty)
            #expect(!client.isClosed, "\(code): closed before the client can have read the reason")
            await fixture.advance(.seconds(4))
            #expect(client.isClosed)
        }
    }

    @Test("A message in one-byte fragments is carried out like a whole one")
    func fragments() async throws {
        let fixture = SessionsFixture()
        let client = try await fixture.authenticate(self.user, self.device)
        let bytes = CommandMessage(id: "p", command: .ping).encoded()
        for (place, byte) in bytes.enumerated() {
            let isFinal = place == bytes.count - 1
            try await client.send(bytes: SessionsClient.frame(opcode: place == 0 ? 1 : 0, [byte], isFinal: isFinal))
        }
        #expect(try await client.next() == .pong("p"))
    }

    @Test("A ping frame is answered with its payload, a close frame with its code")
    func controlFrames() async throws {
        let fixture = SessionsFixture()
        let client = try await fixture.connect()
        try await client.send(bytes: SessionsClient.frame(opcode: 9, [7, 8, 9]))
        #expect(try await client.frame() == SessionsClient.Frame(opcode: 10, payload: [7, 8, 9]))
        try await client.send(bytes: SessionsClient.frame(opcode: 8, [0x03, 0xE9]))
        #expect(try await client.frame() == SessionsClient.Frame(opcode: 8, payload: [0x03, 0xE9]))
        #expect(client.isClosed)
        #expect(fixture.metrics.sessions.value == 0)
    }

    @Test("Answers to commands that came in one read are flushed together and in order")
    func oneRead() async throws {
        let fixture = SessionsFixture()
        let client = try await fixture.authenticate(self.user, self.device)
        let bytes = (0..<20).flatMap { number in
            SessionsClient.frame(opcode: 1, CommandMessage(id: .number(number), command: .ping).encoded())
        }
        try await client.send(bytes: bytes)
        #expect(try await client.messages() == (0..<20).map { .pong(.number($0)) })
    }

    // MARK: - Time

    @Test("Without authenticate the connection is closed in time")
    func authenticationTimeout() async throws {
        let fixture = SessionsFixture()
        let client = try await fixture.connect()
        await fixture.advance(.seconds(9))
        #expect(try await client.frames().isEmpty)
        await fixture.advance(.seconds(1))
        #expect(try await client.frame().closeCode == CloseCode.authenticationTimeout.rawValue)
        await fixture.advance(.seconds(3))
        #expect(client.isClosed)
    }

    @Test("A silent session is pinged, stays when it answers, and is closed when it does not")
    func heartbeat() async throws {
        let fixture = SessionsFixture()
        let client = try await fixture.authenticate(self.user, self.device)
        await fixture.advance(.seconds(31))
        #expect(try await client.frame().opcode == 9)
        try await client.send(bytes: SessionsClient.frame(opcode: 10, []))
        await fixture.advance(.seconds(70))
        #expect(try await client.frames().map(\.opcode) == [9])
        await fixture.advance(.seconds(6))
        #expect(try await client.frames().last?.closeCode == CloseCode.heartbeatTimeout.rawValue)
    }

    // MARK: - Messages

    @Test("A message goes to the owner of its conversation, and its answer carries the command's id")
    func submit() async throws {
        let fixture = SessionsFixture()
        let client = try await fixture.authenticate(self.user, self.device)
        let message = self.message()
        try await client.send(.init(id: 7, command: .sendMessage(message)))
        let request = try #require(fixture.links.takeRequest())
        let submit = try Submit(decoding: request.payload)
        #expect(submit.sender == self.user && submit.senderDevice == self.device && submit.body == "hello")
        #expect(try await client.frames().isEmpty, "nothing may be answered before it is stored")
        request.answer(Accepted(seq: 42, createdAt: 1_795_258_025_123, duplicate: true))
        let expected = MessageSent(
            conversationID: message.conversationID,
            clientMessageID: message.clientMessageID,
            seq: 42,
            createdAt: Timestamp(1_795_258_025_123),
            isDuplicate: true
        )
        #expect(try await client.next() == .messageSent(7, expected))
        #expect(fixture.metrics.submitsInFlight.value == 0)
        #expect(fixture.metrics.submitDuration.count == 1)
    }

    @Test("The router's refusal is the answer")
    func refusal() async throws {
        let fixture = SessionsFixture()
        let client = try await fixture.authenticate(self.user, self.device)
        try await client.send(.init(id: "m", command: .sendMessage(self.message())))
        try #require(fixture.links.takeRequest()).fail(.noSuchConversation)
        #expect(try await client.next() == .error("m", .noSuchConversation))
    }

    @Test("Over the bound of messages in flight a message is refused, not stored")
    func inFlightBound() async throws {
        let fixture = SessionsFixture(submitsInFlightMax: 2)
        let client = try await fixture.authenticate(self.user, self.device)
        for id in 1...3 as ClosedRange<UInt64> {
            try await client.send(.init(id: .number(id), command: .sendMessage(self.message())))
        }
        guard case .error(3, let failure) = try await client.next() else {
            Issue.record("no error")
            return
        }
        #expect(failure.code == .overloaded && failure.retryAfterMilliseconds != nil)
        #expect(fixture.log.count("request submit") == 2)
        try #require(fixture.links.takeRequest()).answer(Accepted(seq: 1, createdAt: 1, duplicate: false))
        _ = try await client.next()
        try await client.send(.init(id: 4, command: .sendMessage(self.message())))
        #expect(fixture.log.count("request submit") == 3)
    }

    @Test("When a router dies, what it did not answer is sent to the next in the client's order")
    func routerDies() async throws {
        let fixture = SessionsFixture()
        let client = try await fixture.authenticate(self.user, self.device)
        let bodies = ["a", "b", "c"]
        for (place, body) in bodies.enumerated() {
            let id = CommandID.number(UInt64(place))
            try await client.send(.init(id: id, command: .sendMessage(self.message(body))))
        }
        let attempts = try (0..<3).map { _ in try #require(fixture.links.takeRequest()) }
        attempts[2].lose(.linkLost, mayHaveArrived: true)
        attempts[0].lose(.linkLost, mayHaveArrived: true)
        await fixture.advance(.seconds(1))
        #expect(fixture.links.takeRequest() == nil, "one is still in flight")
        fixture.routing.adopt(SessionsFixture.news(routers: ["router-2"], epoch: 2))
        attempts[1].lose(.linkLost, mayHaveArrived: true)
        // Two turns: the outcome begins the pause, and time ends it.
        await fixture.eventLoop.run()
        await fixture.advance(.milliseconds(20))
        let again = try (0..<3).map { _ in try #require(fixture.links.takeRequest()) }
        #expect(try again.map { try Submit(decoding: $0.payload).body } == bodies)
        #expect(again.allSatisfy { $0.router == "router-2" && $0.epoch == 2 })
        #expect(try await client.frames().isEmpty)
        for (place, attempt) in again.enumerated() {
            attempt.answer(Accepted(seq: UInt64(place + 1), createdAt: 1, duplicate: false))
        }
        #expect(try await client.messages().map(\.name) == [.messageSent, .messageSent, .messageSent])
    }

    @Test("Out of time the answer says whether the message may have been stored")
    func submitTimeout() async throws {
        for mayHaveArrived in [false, true] {
            let fixture = SessionsFixture()
            let client = try await fixture.authenticate(self.user, self.device)
            try await client.send(.init(id: 1, command: .sendMessage(self.message())))
            try #require(fixture.links.takeRequest()).lose(.linkLost, mayHaveArrived: mayHaveArrived)
            await fixture.eventLoop.run()
            fixture.links.state.withLock {
                $0.answers = { request in
                    request.lose(.notConnected, mayHaveArrived: false)
                    return true
                }
            }
            for _ in 0..<100 { await fixture.eventLoop.advanceTime(by: .milliseconds(250)) }
            guard case .error(1, let failure) = try await client.next() else {
                Issue.record("no error")
                return
            }
            #expect(failure.code == (mayHaveArrived ? .outcomeUnknown : .unavailable))
            #expect(failure.retryAfterMilliseconds != nil)
        }
    }

    @Test("Answers that come after the connection has ended are dropped")
    func lateAnswer() async throws {
        let fixture = SessionsFixture()
        let client = try await fixture.authenticate(self.user, self.device)
        try await client.send(.init(id: 1, command: .sendMessage(self.message())))
        try await client.close()
        try #require(fixture.links.takeRequest()).answer(Accepted(seq: 1, createdAt: 1, duplicate: false))
        await fixture.eventLoop.run()
        #expect(fixture.metrics.submitsInFlight.value == 0)
        #expect(fixture.metrics.sessions.value == 0)
    }

    // MARK: - Room

    @Test("An answer that comes after the close frame is not sent")
    func answerAfterClose() async throws {
        let fixture = SessionsFixture()
        let client = try await fixture.authenticate(self.user, self.device)
        try await client.send(.init(id: 1, command: .sendMessage(self.message())))
        try await client.send(bytes: SessionsClient.frame(opcode: 2, [1]))
        #expect(try await client.frame().closeCode == CloseCode.binaryMessage.rawValue)
        let request = try #require(fixture.links.takeRequest())
        request.answer(Accepted(seq: 1, createdAt: 1, duplicate: false))
        #expect(try await client.frames().isEmpty)
    }

    @Test("At the bound of sessions no more are accepted, and one that slips in is closed")
    func room() async throws {
        let fixture = SessionsFixture(sessionsMax: 2)
        let first = try await fixture.connect()
        #expect(fixture.services.hasRoom)
        _ = try await fixture.connect()
        #expect(!fixture.services.hasRoom)
        let third = try await fixture.connect()
        #expect(try await third.frame().closeCode == CloseCode.overloaded.rawValue)
        await fixture.advance(.seconds(4))
        #expect(third.isClosed)
        #expect(!fixture.services.hasRoom)
        try await first.close()
        #expect(fixture.services.hasRoom)
    }

    @Test("While the edge drains, messages in flight are answered and new ones refused")
    func drain() async throws {
        let fixture = SessionsFixture()
        let client = try await fixture.authenticate(self.user, self.device)
        try await client.send(.init(id: 1, command: .sendMessage(self.message())))
        fixture.services.enter(.stopping)
        #expect(!fixture.services.hasRoom)
        try await client.send(.init(id: 2, command: .sendMessage(self.message())))
        guard case .error(2, let failure) = try await client.next() else {
            Issue.record("no error")
            return
        }
        #expect(failure.code == .unavailable)
        let busy = fixture.loop.openSessions(withoutSubmits: true)
        await fixture.eventLoop.run()
        #expect(try await busy.get().isEmpty)
        try #require(fixture.links.takeRequest()).answer(Accepted(seq: 1, createdAt: 1, duplicate: false))
        #expect(try await client.next()?.name == .messageSent)
        let idle = fixture.loop.openSessions(withoutSubmits: true)
        await fixture.eventLoop.run()
        #expect(try await idle.get().count == 1)
    }
}
