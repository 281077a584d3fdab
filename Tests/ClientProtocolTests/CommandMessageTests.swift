// SPDX-License-Identifier: Apache-2.0

import ClientProtocol
import Messaging
import TestSupport
import Testing

@Suite("Commands of a client")
struct CommandMessageTests {
    private static let send = SendMessageRequest(
        conversationID: Samples.conversation,
        clientMessageID: Samples.clientMessage,
        kind: .text,
        body: "hello"
    )

    @Test("Every command is read back as it was written")
    func roundTrip() throws {
        let commands = Samples.commands
        #expect(Set(commands.map(\.name)) == Set(ClientCommand.Name.allCases))
        for command in commands {
            for id in ["1", 0, "\u{1F600}\"", 18_446_744_073_709_551_615] as [CommandID] {
                let message = CommandMessage(id: id, command: command)
                #expect(try CommandMessage(json: message.encoded()) == message)
            }
        }
    }

    @Test("Fields stand at the top level, in any order, and unknown ones are passed over")
    func topLevel() throws {
        let text = """
            {"body":"hello","kind":"text","future":{"a":[1]},"conversation_id":"01920000-0000-7000-8000-000000000005",
             "client_message_id":"01920000-0000-7000-8000-000000000006","type":"send_message","id":"1"}
            """
        let message = try CommandMessage(json: Array(text.utf8))
        #expect(message == CommandMessage(id: "1", command: .sendMessage(Self.send)))
    }

    struct Wrong: Sendable, CustomTestStringConvertible {
        var text: String
        var id: CommandID?
        var code: ErrorCode
        var mentions: String?

        init(_ text: String, _ id: CommandID?, _ code: ErrorCode, _ mentions: String? = nil) {
            self.text = text
            self.id = id
            self.code = code
            self.mentions = mentions
        }

        var testDescription: String { String(self.text.prefix(120)) }
    }

    private static func sendText(_ changes: [String: String?]) -> String {
        var fields: [String: String] = [
            "id": #""1""#, "type": #""send_message""#,
            "conversation_id": #""01920000-0000-7000-8000-000000000005""#,
            "client_message_id": #""01920000-0000-7000-8000-000000000006""#,
            "kind": #""text""#, "body": #""hello""#,
        ]
        for (name, value) in changes { fields[name] = value }
        return "{" + fields.map { "\"\($0)\":\($1)" }.sorted().joined(separator: ",") + "}"
    }

    static let wrong: [Wrong] = [
        Wrong("", nil, .malformed),
        Wrong("{", nil, .malformed),
        Wrong("null", nil, .malformed),
        Wrong("[]", nil, .malformed),
        Wrong("\"text\"", nil, .malformed),
        Wrong("7", nil, .malformed),
        Wrong(#"{"id":"1","type":"ping"} x"#, nil, .malformed),
        Wrong(#"{'id':'1'}"#, nil, .malformed),
        Wrong(String(repeating: "[", count: 100_000), nil, .malformed),
        Wrong(#"{"type":"ping"}"#, nil, .missingField, "`id`"),
        Wrong(#"{"id":null,"type":"ping"}"#, nil, .missingField, "`id`"),
        Wrong(#"{"id":"","type":"ping"}"#, nil, .invalidField, "`id`"),
        Wrong(#"{"id":-1,"type":"ping"}"#, nil, .invalidField, "`id`"),
        Wrong(#"{"id":1.5,"type":"ping"}"#, nil, .invalidField, "`id`"),
        Wrong(#"{"id":true,"type":"ping"}"#, nil, .invalidField, "`id`"),
        Wrong(#"{"id":[],"type":"ping"}"#, nil, .invalidField, "`id`"),
        Wrong(#"{"id":"\#(String(repeating: "x", count: 65))","type":"ping"}"#, nil, .invalidField, "`id`"),
        Wrong(#"{"id":"1"}"#, "1", .missingField, "`type`"),
        Wrong(#"{"id":1,"type":null}"#, 1, .missingField, "`type`"),
        Wrong(#"{"id":"1","type":5}"#, "1", .invalidField, "`type`"),
        Wrong(#"{"id":"1","type":"shout"}"#, "1", .unknownType, "send_message"),
        Wrong(#"{"id":"1","type":"authenticate"}"#, "1", .missingField, "`token`"),
        Wrong(#"{"id":"1","type":"authenticate","token":1,"device_id":"x"}"#, "1", .invalidField, "`token`"),
        Wrong(#"{"id":"1","type":"authenticate","token":"t"}"#, "1", .missingField, "`device_id`"),
        Wrong(#"{"id":"1","type":"authenticate","token":"t","device_id":"x"}"#, "1", .invalidField, "`device_id`"),
        Wrong(#"{"id":"1","type":"watch_presence"}"#, "1", .missingField, "`conversation_ids`"),
        Wrong(
            #"{"id":"1","type":"watch_presence","conversation_ids":["x"]}"#,
            "1",
            .invalidField,
            "conversation_ids[0]"
        ),
        Wrong(
            #"{"id":"1","type":"watch_presence","conversation_ids":["#
                + Array(repeating: "\"01920000-0000-7000-8000-000000000005\"", count: 65).joined(separator: ",") + "]}",
            "1",
            .tooLarge,
            "64"
        ),
        Wrong(#"{"id":"1","type":"set_status"}"#, "1", .missingField, "`status`"),
        Wrong(#"{"id":"1","type":"set_status","status":"sleepy"}"#, "1", .invalidField, "invisible"),
        Wrong(#"{"id":"1","type":"set_status","visible_to":7}"#, "1", .invalidField, "`visible_to`"),
        Wrong(#"{"id":"1","type":"set_typing"}"#, "1", .missingField, "`conversation_id`"),
        Wrong(sendText(["conversation_id": nil]), "1", .missingField, "`conversation_id`"),
        Wrong(sendText(["conversation_id": "5"]), "1", .invalidField, "`conversation_id`"),
        Wrong(sendText(["client_message_id": nil]), "1", .missingField, "`client_message_id`"),
        Wrong(
            sendText(["client_message_id": #""01920000-0000-4000-8000-000000000006""#]),
            "1",
            .invalidField,
            "version 7"
        ),
        Wrong(sendText(["kind": nil]), "1", .missingField, "`kind`"),
        Wrong(sendText(["kind": #""shout""#]), "1", .invalidField, "`kind` must be one of text, image"),
        Wrong(sendText(["kind": "1"]), "1", .invalidField, "`kind` must be a string"),
        Wrong(sendText(["body": nil]), "1", .missingField, "`body`"),
        Wrong(sendText(["body": "{}"]), "1", .invalidField, "`body`"),
        Wrong(sendText(["body": #""a\u0000b""#]), "1", .invalidField, "U+0000"),
        Wrong(sendText(["body": "\"" + String(repeating: "x", count: 65_537) + "\""]), "1", .tooLarge, "`body`"),
        Wrong(sendText(["body": "\"" + String(repeating: "é", count: 32_769) + "\""]), "1", .tooLarge, "`body`"),
    ]

    @Test("A wrong command gets its code, the name of the field, and its id", arguments: wrong)
    func refused(wrong: Wrong) {
        let error = #expect(throws: RejectedCommand.self) { try CommandMessage(json: Array(wrong.text.utf8)) }
        #expect(error?.id == wrong.id)
        #expect(error?.failure.code == wrong.code)
        if let mentions = wrong.mentions {
            #expect(error?.failure.message.contains(mentions) == true, "\(error?.failure.message ?? "")")
        }
    }

    @Test("A body of exactly the bound is taken")
    func largest() throws {
        let body = String(repeating: "é", count: Limits.messageBodyBytesMax / 2)
        let message = try CommandMessage(json: Array(Self.sendText(["body": "\"\(body)\""]).utf8))
        guard case .sendMessage(let request) = message.command else {
            Issue.record("it is \(message.command)")
            return
        }
        #expect(request.body == body)
    }

    @Test("An error never repeats what was sent")
    func noEcho() {
        let secret = "correct horse battery staple"
        for field in ["conversation_id", "client_message_id", "kind"] {
            let error = #expect(throws: RejectedCommand.self) {
                try CommandMessage(json: Array(Self.sendText([field: "\"\(secret)\""]).utf8))
            }
            #expect(error?.failure.message.contains("horse") == false)
        }
    }

    @Test("Random bytes and damaged commands are refused or read, never fatal")
    func garbage() {
        let seed: UInt64 = 0xBAD0
        var random = SeededRandom(seed: seed)
        let good = Array(Self.sendText([:]).utf8)
        var refused = 0
        for _ in 0..<3000 {
            var bytes = Bool.random(using: &random) ? good : random.bytes(Int.random(in: 0...80, using: &random))
            for _ in 0..<Int.random(in: 1...3, using: &random) where !bytes.isEmpty {
                let place = Int.random(in: bytes.indices, using: &random)
                bytes[place] = UInt8.random(in: 0...255, using: &random)
            }
            do throws(RejectedCommand) {
                _ = try CommandMessage(json: bytes)
            } catch {
                refused += 1
                #expect(!error.failure.message.isEmpty, "seed \(seed)")
            }
        }
        #expect(refused > 1000)
    }
}
