// SPDX-License-Identifier: Apache-2.0

import ClientProtocol
import Messaging
import NIOCore
import TestSupport
import Testing

@testable import TrunklineClient

@Suite("Reading what an edge says")
struct ServerMessageReadingTests {
    private static let conversation = ConversationID.generate()

    private static func newMessage(body: String = "Grüße, 🌍", seq: UInt64 = 42) -> ServerMessage {
        .newMessage(
            DeliveredMessage(
                messageID: MessageID(conversation: Self.conversation, seq: seq),
                conversationID: Self.conversation,
                seq: seq,
                senderID: .generate(),
                clientMessageID: .generate(),
                kind: .text,
                body: body,
                createdAt: Timestamp(1_700_000_000_123)
            )
        )
    }

    private static func messageSent(isDuplicate: Bool) -> ServerMessage {
        .messageSent(
            .number(17),
            MessageSent(
                conversationID: Self.conversation,
                clientMessageID: .generate(),
                seq: 9_007_199_254_740_993,
                createdAt: Timestamp(1_700_000_000_123),
                isDuplicate: isDuplicate
            )
        )
    }

    private static let frequent = [
        Self.newMessage(), Self.newMessage(body: ""), Self.messageSent(isDuplicate: false),
        Self.messageSent(isDuplicate: true),
    ]

    @Test("the frequent kinds are read by their layout, as edges write them, and mean the same as with the decoder")
    func fixedLayout() throws {
        for message in Self.frequent {
            let text = ByteBuffer(bytes: message.encoded())
            #expect(ServerMessage.readFixedLayout(text) == message)
            #expect(try ServerMessage.read(text) == message)
            #expect(try ServerMessage.decode(json: text.readableBytesView) == message)
        }
    }

    @Test("escapes, blanks and another order of the fields are left to the decoder")
    func otherLayouts() throws {
        for body in ["a\"b", "a\\b", "line\nline", "\u{1}"] {
            let message = Self.newMessage(body: body)
            let text = ByteBuffer(bytes: message.encoded())
            #expect(ServerMessage.readFixedLayout(text) == nil)
            #expect(try ServerMessage.read(text) == message)
        }
        let encoded = String(decoding: Self.newMessage().encoded(), as: UTF8.self)
        let spaced = ByteBuffer(string: encoded.replacing("\"seq\":", with: "\"seq\": "))
        #expect(ServerMessage.readFixedLayout(spaced) == nil)
        #expect(try ServerMessage.read(spaced) != nil)
        let extended = ByteBuffer(string: encoded.replacing("\"kind\":", with: "\"new_field\":1,\"kind\":"))
        #expect(ServerMessage.readFixedLayout(extended) == nil)
        #expect(try ServerMessage.read(extended) != nil)
    }

    @Test("the rare kinds are read, and unknown ones are passed over")
    func rare() throws {
        let failure = Failure(.overloaded, "Wait.", retryAfterMilliseconds: 250)
        for message in [ServerMessage.resync, .pong(.number(3)), .error(.number(4), failure), .error(nil, failure)] {
            #expect(try ServerMessage.read(ByteBuffer(bytes: message.encoded())) == message)
        }
        #expect(try ServerMessage.read(ByteBuffer(string: "{\"type\":\"of_the_future\"}")) == nil)
        for wrong in ["", "{", "[]", "{\"type\":\"new_message\"}", "{}"] {
            #expect(throws: Failure.self) { try ServerMessage.read(ByteBuffer(string: wrong)) }
        }
    }

    @Test("whatever the layout accepts, the decoder understands in the same way", arguments: 1...20)
    func damaged(_ seed: UInt64) throws {
        var random = SeededRandom(seed: seed)
        for message in Self.frequent {
            let bytes = message.encoded()
            for _ in 0..<300 {
                var damaged = bytes
                switch Int.random(in: 0...2, using: &random) {
                case 0:
                    damaged[Int.random(in: 0..<bytes.count, using: &random)] = UInt8.random(in: 0...255, using: &random)
                case 1:
                    damaged.remove(at: Int.random(in: 0..<bytes.count, using: &random))
                default:
                    damaged.removeLast(Int.random(in: 1...bytes.count, using: &random))
                }
                let text = ByteBuffer(bytes: damaged)
                guard let fast = ServerMessage.readFixedLayout(text) else { continue }
                #expect(
                    try ServerMessage.decode(json: damaged) == fast,
                    "seed \(seed): \(String(decoding: damaged, as: UTF8.self))"
                )
            }
        }
    }
}
