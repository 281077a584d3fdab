// SPDX-License-Identifier: Apache-2.0

import ClientProtocol
import Mesh
import Messaging
import NIOCore
import NIOEmbedded
import Observability
import TestSupport
import Testing
import Wire

@testable import Edge

@Suite("Sessions that speak the binary protocol", .timeLimit(.minutes(2)))
struct BinarySessionTests {
    private let sender = UserID(value: 3)
    private let receiver = UserID(value: 4)
    private let phone = DeviceID(value: 1)

    private func deliver(_ seqs: ClosedRange<UInt64>, to recipients: [UserID]) -> [Deliver] {
        seqs.map {
            Deliver(
                message: .sample($0, sender: self.sender, device: self.phone),
                recipients: recipients,
                isBroadcast: false
            )
        }
    }

    private func notify(_ kind: NotificationKind, _ payload: ByteBuffer, _ fixture: SessionsFixture) async {
        let peer = PeerIdentity(name: "router-1", incarnation: Incarnation(value: 9), role: .router)
        fixture.inbox.meshNotification(kind: kind.rawValue, payload: payload, from: peer)
        fixture.inbox.meshReadComplete(from: peer)
        await fixture.eventLoop.run()
    }

    @Test("Both kinds of session get the same events in the same order, each in its own encoding")
    func both() async throws {
        let fixture = SessionsFixture()
        let json = try await fixture.authenticate(self.receiver, DeviceID(value: 5))
        let binary = try await fixture.authenticate(self.receiver, DeviceID(value: 6), speaking: .binary)
        let delivers = self.deliver(1...30, to: [self.receiver])
        await fixture.deliver(delivers)
        let expected = delivers.map { ServerMessage.newMessage(DeliveredMessage($0.message)) }
        #expect(try await json.messages() == expected)
        #expect(try await binary.messages() == expected)
        let conversation = Conversation(
            id: ConversationID(value: 5),
            kind: .group,
            title: "t",
            createdBy: self.sender,
            createdAt: 1,
            headSeq: 0
        )
        let event = ConversationEvent(
            kind: .updated,
            conversation: conversation,
            actor: self.sender,
            members: [],
            recipients: [self.receiver]
        )
        await self.notify(.conversationEvent, event.encoded(), fixture)
        let entries = (1...5 as ClosedRange<UInt64>).map {
            MemberWatermarks(
                user: UserID(value: UInt128(100 + $0)),
                watermarks: Watermarks(delivered: 9, read: $0 % 2 == 0 ? 0 : 7)
            )
        }
        let receipts = ReceiptsEvent(
            conversation: ConversationID(value: 5),
            entries: entries,
            recipients: [self.receiver],
            isPrivate: false
        )
        await self.notify(.receipts, receipts.encoded(), fixture)
        let others = try await json.messages()
        #expect(others.count == 9)
        #expect(try await binary.messages() == others)
        #expect(fixture.metrics.deliveries.value == 2 * 32)
    }

    @Test("Only what is spoken here is encoded")
    func spoken() async throws {
        let event = ServerMessage.resync
        for (json, binary) in [(false, false), (true, false), (false, true), (true, true)] {
            let fixture = SessionsFixture()
            let first = json ? try await fixture.connect() : nil
            let second = binary ? try await fixture.connect(speaking: .binary) : nil
            let spoken = SpokenSubprotocols([fixture.loop])
            #expect(spoken.json == json && spoken.binary == binary)
            for frames in [EventFrames(event, in: spoken), EventFrames(joining: [event, event], in: spoken)] {
                #expect((frames[.json] != nil) == json && (frames[.binary] != nil) == binary)
            }
            try await first?.close()
            try await second?.close()
            let after = SpokenSubprotocols([fixture.loop])
            #expect(!after.json && !after.binary)
        }
    }

    @Test("An event that was encoded before somebody spoke the protocol counts as left out")
    func tooEarly() async throws {
        for subprotocol in ClientSubprotocol.allCases {
            let fixture = SessionsFixture()
            let client = try await fixture.authenticate(self.receiver, DeviceID(value: 5), speaking: subprotocol)
            let event = ServerMessage.conversationDeleted(ConversationID(value: 5), actor: self.sender)
            let early = EventFrames(event, in: SpokenSubprotocols(json: false, binary: false))
            let delivery = SessionLoop.Delivery(
                frame: early,
                recipients: [self.receiver],
                conversation: ConversationID(value: 5),
                seq: 0
            )
            fixture.loop.deliver([delivery])
            await fixture.eventLoop.run()
            #expect(try await client.messages() == [.resync])
        }
    }

    @Test("Several commands in one message are carried out in their order, a wrong one among them is answered")
    func several() async throws {
        let fixture = SessionsFixture()
        let client = try await fixture.authenticate(self.receiver, DeviceID(value: 5), speaking: .binary)
        var payload = CommandMessage(id: 1, command: .ping).encodedBinary()
        // A `message_read` with nothing but its id.
        payload.writeBytes([3, 4, 0x08, 2])
        payload.writeImmutableBuffer(CommandMessage(id: 3, command: .ping).encodedBinary())
        try await client.send(bytes: SessionsClient.frame(opcode: 2, Array(payload.readableBytesView)))
        let answers = try await client.messages()
        #expect(answers.count == 3 && answers.first == .pong(1) && answers.last == .pong(3))
        guard case .error(2, let failure) = answers.dropFirst().first else {
            Issue.record("\(answers)")
            return
        }
        #expect(failure.code == .missingField)
    }

    @Test("What is not messages is answered, and the session goes on as with wrong JSON")
    func malformed() async throws {
        let fixture = SessionsFixture()
        let client = try await fixture.authenticate(self.receiver, DeviceID(value: 5), speaking: .binary)
        for bytes in [[], [5, 1], [0xFF]] as [[UInt8]] {
            try await client.send(bytes: SessionsClient.frame(opcode: 2, bytes))
            guard case .error(nil, let failure) = try await client.next() else {
                Issue.record("no error")
                return
            }
            #expect(failure.code == .malformed)
        }
        try await client.send(bytes: SessionsClient.frame(opcode: 2, [3, 200, 0x08, 9]))
        guard case .error(9, let unknown) = try await client.next() else {
            Issue.record("no error")
            return
        }
        #expect(unknown.code == .unknownType)
        try await client.send(.init(id: 7, command: .ping))
        #expect(try await client.next() == .pong(7))
    }

    @Test("Commands behind one that ended the session are not carried out")
    func ended() async throws {
        let fixture = SessionsFixture()
        let client = try await fixture.connect(speaking: .binary)
        let fields = ClientCommand.Authenticate(token: "nonsense", deviceID: DeviceID(value: 5))
        var payload = CommandMessage(id: 1, command: .authenticate(fields)).encodedBinary()
        payload.writeImmutableBuffer(CommandMessage(id: 2, command: .ping).encodedBinary())
        try await client.send(bytes: SessionsClient.frame(opcode: 2, Array(payload.readableBytesView)))
        let frames = try await client.frames()
        #expect(frames.map(\.opcode) == [2, 8] && frames.last?.closeCode == CloseCode.invalidToken.rawValue)
    }

    @Test("A text message ends the session with 4506, a message over its bound with 1009")
    func wrongKind() async throws {
        let cases: [([UInt8], CloseCode)] = [
            (SessionsClient.frame(opcode: 1, Array(#"{"id":1,"type":"ping"}"#.utf8)), .textMessage),
            (SessionsClient.frame(opcode: 1, [0xFF]), .textMessage),
            ([0x82, 0xFF, 0, 0, 0, 0, 0x10, 0, 0, 0], .messageTooBig),
            (SessionsClient.frame(opcode: 2, [3, 9, 8, 1], isMasked: false), .protocolError),
        ]
        for (bytes, code) in cases {
            let fixture = SessionsFixture()
            let client = try await fixture.connect(speaking: .binary)
            try? await client.send(bytes: bytes)
            #expect(try await client.frame().closeCode == code.rawValue)
        }
    }

    @Test("A message in fragments is carried out like a whole one")
    func fragments() async throws {
        let fixture = SessionsFixture()
        let client = try await fixture.authenticate(self.receiver, DeviceID(value: 5), speaking: .binary)
        let bytes = Array(CommandMessage(id: 300, command: .ping).encodedBinary().readableBytesView)
        for (place, byte) in bytes.enumerated() {
            let isFinal = place == bytes.count - 1
            try await client.send(bytes: SessionsClient.frame(opcode: place == 0 ? 2 : 0, [byte], isFinal: isFinal))
        }
        #expect(try await client.next() == .pong(300))
    }

    @Test("Typing reaches both kinds of session")
    func typing() async throws {
        let fixture = SessionsFixture()
        let json = try await fixture.authenticate(self.receiver, DeviceID(value: 5))
        let binary = try await fixture.authenticate(self.receiver, DeviceID(value: 6), speaking: .binary)
        var typing = Typing(
            conversation: ConversationID(value: 5),
            user: self.sender,
            device: self.phone,
            isTyping: true
        )
        typing.recipients = [self.receiver]
        fixture.presence.typed(typing)
        let expected = [typing.event]
        #expect(try await json.messages() == expected)
        #expect(try await binary.messages() == expected)
    }
}
