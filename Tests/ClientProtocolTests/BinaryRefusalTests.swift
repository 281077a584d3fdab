// SPDX-License-Identifier: Apache-2.0

import Fields
import Messaging
import NIOCore
import TestSupport
import Testing

@testable import ClientProtocol

@Suite("Commands that the binary protocol refuses")
struct BinaryRefusalTests {
    struct Wrong: Sendable, CustomTestStringConvertible {
        var why: String
        var type: ClientCommand.Name
        var code: ErrorCode
        /// What the reason names.
        var names: String
        var write: @Sendable (inout FieldWriter) -> Void

        init(
            _ why: String,
            _ type: ClientCommand.Name,
            _ code: ErrorCode,
            _ names: String,
            _ write: @escaping @Sendable (inout FieldWriter) -> Void
        ) {
            self.why = why
            self.type = type
            self.code = code
            self.names = names
            self.write = write
        }

        var testDescription: String { self.why }
    }

    private static let wrong: [Wrong] = [
        Wrong("no conversation", .sendMessage, .missingField, "`conversation_id`") {
            $0.identifier(3, Samples.clientMessage)
            $0.integer(4, 1)
        },
        Wrong("no kind", .sendMessage, .missingField, "`kind`") {
            $0.identifier(2, Samples.conversation)
            $0.identifier(3, Samples.clientMessage)
        },
        Wrong("an unknown kind", .sendMessage, .invalidField, "`kind`") { $0.integer(4, 99) },
        Wrong("an id of 15 bytes", .sendMessage, .invalidField, "`conversation_id`") {
            $0.bytes(2, [UInt8](repeating: 1, count: 15))
        },
        Wrong("an id that is a number", .sendMessage, .invalidField, "`conversation_id`") { $0.integer(2, 5) },
        Wrong("a body that is not UTF-8", .sendMessage, .invalidField, "`body`") { $0.bytes(5, [0xFF, 0xFE]) },
        Wrong("a body that is too long", .sendMessage, .tooLarge, "`body`") {
            $0.bytes(5, [UInt8](repeating: 97, count: Limits.messageBodyBytesMax + 1))
        },
        Wrong("a body with U+0000", .sendMessage, .invalidField, "`body`") {
            $0.identifier(2, Samples.conversation)
            $0.identifier(3, Samples.clientMessage)
            $0.integer(4, 1)
            $0.text(5, "a\u{0}b")
        },
        Wrong("a client message id of another version", .sendMessage, .invalidField, "`client_message_id`") {
            $0.identifier(2, Samples.conversation)
            $0.identifier(3, ClientMessageID(value: 1))
            $0.integer(4, 1)
        },
        Wrong("a receipt of nothing", .messageRead, .missingField, "`seq`") {
            $0.identifier(2, Samples.conversation)
        },
        Wrong("a receipt of number 0", .messageRead, .invalidField, "`seq`") {
            $0.identifier(2, Samples.conversation)
            $0.optional(3, 0)
        },
        Wrong("a receipt beyond 2^63-1", .messageDelivered, .invalidField, "`seq`") {
            $0.identifier(2, Samples.conversation)
            $0.integer(3, UInt64(Int64.max) + 1)
        },
        Wrong("no token", .authenticate, .missingField, "`token`") { $0.identifier(3, Samples.device) },
        Wrong("a cursor without conversation", .sync, .invalidField, "`cursors`") { $0.nested(2) { $0.integer(2, 5) } },
        Wrong("a cursor beyond 2^63-1", .sync, .invalidField, "`cursors`") {
            $0.nested(2) {
                $0.identifier(1, Samples.conversation)
                $0.integer(2, UInt64.max)
            }
        },
        Wrong("too many cursors", .sync, .tooLarge, "`cursors`") { writer in
            for place in 0...SyncRequest.cursorsMax {
                writer.nested(2) { $0.identifier(1, ConversationID(value: UInt128(place))) }
            }
        },
        Wrong("a resume token that is too long", .sync, .tooLarge, "`resume`") {
            $0.text(4, String(repeating: "a", count: SyncRequest.resumeBytesMax + 1))
        },
        Wrong("too many conversations", .watchPresence, .tooLarge, "`conversation_ids`") {
            $0.identifiers(2, [ConversationID](repeating: Samples.conversation, count: 65))
        },
        Wrong("nothing to set", .setStatus, .missingField, "`status`") { _ in },
        Wrong("an unknown status", .setStatus, .invalidField, "`status`") { $0.integer(2, 9) },
        Wrong("typing nowhere", .setTyping, .missingField, "`conversation_id`") { _ in },
        Wrong("a field that ends too early", .ping, .malformed, "`ping`") { $0.copy(ByteBuffer(bytes: [0x12, 5, 1])) },
        Wrong("a group", .ping, .malformed, "`ping`") { $0.copy(ByteBuffer(bytes: [0x13, 0x14])) },
        Wrong("the field 0", .ping, .malformed, "`ping`") { $0.copy(ByteBuffer(bytes: [0x00, 0x01])) },
    ]

    @Test("with the code that JSON has for it, the id, and the name of the field", arguments: Self.wrong)
    func refused(wrong: Wrong) throws {
        var writer = FieldWriter()
        writer.message(type: wrong.type.binaryType, id: 0, wrong.write)
        let rejected = try #require(
            #expect(throws: RejectedCommand.self) { try CommandMessage.read(writer.buffer) }
        )
        #expect(rejected.failure.code == wrong.code && rejected.id == 0 && rejected.name == wrong.type)
        #expect(rejected.failure.message.contains(wrong.names), "\(rejected.failure.message)")
        #expect(!rejected.failure.message.contains("its bound of"))
    }

    @Test("The id is needed, and found wherever it stands")
    func ids() throws {
        var without = FieldWriter()
        without.message(type: 9, id: nil) { _ in }
        let rejected = try #require(#expect(throws: RejectedCommand.self) { try CommandMessage.read(without.buffer) })
        #expect(rejected.failure.code == .missingField && rejected.failure.message.contains("`id`"))
        #expect(rejected.id == nil && rejected.name == .ping)
        var text = FieldWriter()
        text.message(type: 9, id: nil) { $0.text(1, "a") }
        let other = try #require(#expect(throws: RejectedCommand.self) { try CommandMessage.read(text.buffer) })
        #expect(other.failure.code == .invalidField && other.failure.message.contains("`id`"))
        var last = FieldWriter()
        last.message(type: 4, id: nil) {
            $0.integer(3, UInt64.max)
            $0.integer(1, 7)
        }
        #expect(#expect(throws: RejectedCommand.self) { try CommandMessage.read(last.buffer) }?.id == 7)
    }

    @Test(
        "What is not messages is malformed",
        arguments: [
            [], [0], [1], [2, 9], [0x80], [0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x01],
            [0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x01],
        ] as [[UInt8]]
    )
    func framing(bytes: [UInt8]) throws {
        let rejected = try #require(
            #expect(throws: RejectedCommand.self) { try CommandMessage.read(ByteBuffer(bytes: bytes)) }
        )
        #expect(rejected.failure.code == .malformed && rejected.id == nil)
        #expect(throws: Failure.self) { try ServerMessage.decode(binary: ByteBuffer(bytes: bytes)) }
    }

    @Test("More commands in one message than there may be are refused once, and a wrong one does not end the others")
    func tooMany() {
        let ping = CommandMessage(id: 1, command: .ping).encodedBinary()
        var payload = ByteBuffer()
        for _ in 0..<BinaryCommands.commandsMax - 1 { payload.writeImmutableBuffer(ping) }
        payload.writeBytes([1, 250])
        for _ in 0..<3 { payload.writeImmutableBuffer(ping) }
        var commands = BinaryCommands(payload)
        var read = 0
        var codes: [ErrorCode] = []
        while let next = commands.next() {
            switch next {
            case .success: read += 1
            case .failure(let rejected): codes.append(rejected.failure.code)
            }
        }
        #expect(read == BinaryCommands.commandsMax - 1 && codes == [.missingField, .tooLarge])
    }

    @Test("Typing without the flag means that the user types, as in JSON")
    func typing() throws {
        var writer = FieldWriter()
        writer.message(type: 8, id: 1) { $0.identifier(2, Samples.conversation) }
        let expected = ClientCommand.setTyping(.init(conversationID: Samples.conversation, isTyping: true))
        #expect(try CommandMessage.read(writer.buffer) == [CommandMessage(id: 1, command: expected)])
    }

    @Test("An empty body is a body, as in JSON")
    func emptyBody() throws {
        var request = Samples.send
        request.body = ""
        let message = CommandMessage(id: 1, command: .sendMessage(request))
        #expect(try CommandMessage.read(message.encodedBinary()) == [message])
    }
}
