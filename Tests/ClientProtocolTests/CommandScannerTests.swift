// SPDX-License-Identifier: Apache-2.0

import Messaging
import TestSupport
import Testing

@testable import ClientProtocol

@Suite("Reading frequent commands from their bytes")
struct CommandScannerTests {
    private static func samples(_ random: inout SeededRandom) -> [CommandMessage] {
        let receipt = ReceiptRequest(
            conversationID: Samples.conversation,
            seq: UInt64.random(in: 1...9, using: &random)
        )
        let request = SendMessageRequest(
            conversationID: Samples.conversation,
            clientMessageID: Samples.clientMessage,
            kind: MessageKind.allCases.randomElement(using: &random) ?? .text,
            body: Samples.text(using: &random).replacing("\0", with: "")
        )
        return [
            CommandMessage(id: "a\"b", command: .sendMessage(request)),
            CommandMessage(id: 7, command: .messageDelivered(receipt)),
            CommandMessage(id: "x", command: .messageRead(receipt)),
        ]
    }

    @Test("What is sent is read as it was meant", arguments: 1...20)
    func whole(_ seed: UInt64) throws {
        var random = SeededRandom(seed: seed)
        for message in Self.samples(&random) {
            #expect(CommandScanner.scan(message.encoded()) == message, "seed \(seed)")
        }
    }

    @Test("Blanks and any order are taken")
    func forms() throws {
        let text = """
             { "body" :\t"\\u00e9\\n\\ud83d\\ude00" , "kind":"image","client_message_id" : "\(Samples.clientMessage)",
             "conversation_id":"\(Samples.conversation.description.uppercased())" , "type": "send_message" ,"id" : 0 } \r
            """
        let expected = SendMessageRequest(
            conversationID: Samples.conversation,
            clientMessageID: Samples.clientMessage,
            kind: .image,
            body: "é\n😀"
        )
        #expect(CommandScanner.scan(Array(text.utf8)) == CommandMessage(id: 0, command: .sendMessage(expected)))
    }

    @Test(
        "What is not beyond doubt is left to the general decoder",
        arguments: [
            #"{"id":1,"id":1,"type":"message_read","conversation_id":"C","seq":1}"#,
            #"{"id":1,"type":"message_read","conversation_id":"C","seq":1,"seq":1}"#,
            #"{"id":1,"type":"message_read","conversation_id":"C","seq":0}"#,
            #"{"id":1,"type":"message_read","conversation_id":"C","seq":9223372036854775808}"#,
            #"{"id":1,"type":"message_read","conversation_id":"C","seq":1.0}"#,
            #"{"id":1,"type":"message_read","conversation_id":"C","seq":"1"}"#,
            #"{"id":1,"type":"message_read","conversation_id":"C","seq":1,"new":true}"#,
            #"{"id":1,"type":"message_read","conversation_id":"C","seq":1,"body":""}"#,
            #"{"id":1,"type":"message_read","conversation_id":"C","seq":1,}"#,
            #"{"id":1,"type":"message_read","conversation_id":"C","seq":1}}"#,
            #"{"id":1,"type":"message_read","conversation_id":"C","seq":1"#,
            #"{"id":1,"type":"message_read","conversation_id":null,"seq":1}"#,
            #"{"id":"","type":"message_read","conversation_id":"C","seq":1}"#,
            #"{"id":1,"type":"message\u005fread","conversation_id":"C","seq":1}"#,
            #"{"type":"message_read","conversation_id":"C","seq":1}"#,
            #"{"id":1,"type":"sync","cursors":{}}"#, #"{"id":1,"type":"ping"}"#, "{}", "[]", "", "{",
        ]
    )
    func doubtful(text: String) {
        let text = text.replacing("\"C\"", with: "\"\(Samples.conversation)\"")
        #expect(CommandScanner.scan(Array(text.utf8)) == nil)
    }

    @Test("Whatever it takes, the general decoder understands in the same way", arguments: 1...20)
    func damaged(_ seed: UInt64) throws {
        var random = SeededRandom(seed: seed)
        for message in Self.samples(&random) {
            let bytes = message.encoded()
            for _ in 0..<300 {
                var damaged = bytes
                let place = Int.random(in: 0..<bytes.count, using: &random)
                switch Int.random(in: 0...3, using: &random) {
                case 0: damaged[place] = UInt8.random(in: 0...255, using: &random)
                case 1: damaged.remove(at: place)
                case 2: damaged.insert(damaged[Int.random(in: 0..<bytes.count, using: &random)], at: place)
                default: damaged.removeLast(Int.random(in: 1...bytes.count, using: &random))
                }
                guard let fast = CommandScanner.scan(damaged) else { continue }
                let general = try? CommandMessage.decoded(damaged)
                #expect(general == fast, "seed \(seed): \(String(decoding: damaged, as: UTF8.self))")
            }
        }
    }
}
