// SPDX-License-Identifier: Apache-2.0

import Foundation
import Messaging
import TestSupport
import Testing

@testable import ClientProtocol

@Suite("What an edge says")
struct ServerMessageTests {
    @Test("Every message is read back as it was written", arguments: Samples.serverMessages)
    func roundTrip(message: ServerMessage) throws {
        let bytes = message.encoded()
        #expect(try ServerMessage.decode(json: bytes) == message, "\(String(decoding: bytes, as: UTF8.self))")
    }

    @Test("There is a sample of every kind")
    func complete() {
        #expect(Set(Samples.serverMessages.map(\.name)) == Set(ServerMessage.Name.allCases))
    }

    @Test("The text of new_message")
    func newMessage() {
        let text = String(
            decoding: ServerMessage.newMessage(Samples.delivered(body: "a\n\"b\"")).encoded(),
            as: UTF8.self
        )
        #expect(
            text == #"{"type":"new_message","message":{"#
                + #""message_id":"01920000-0000-7000-8000-000000000005.42","#
                + #""conversation_id":"01920000-0000-7000-8000-000000000005","seq":42,"#
                + #""sender_id":"01920000-0000-7000-8000-000000000001","#
                + #""client_message_id":"01920000-0000-7000-8000-000000000006","kind":"text","#
                + #""body":"a\n\"b\"","created_at":"2026-11-21T10:47:05.123Z"}}"#
        )
    }

    @Test("The text of message_sent says duplicate only when it is one")
    func messageSent() {
        let first = String(
            decoding: ServerMessage.messageSent(7, Samples.sent(isDuplicate: false)).encoded(),
            as: UTF8.self
        )
        #expect(
            first == #"{"id":7,"type":"message_sent","conversation_id":"01920000-0000-7000-8000-000000000005","#
                + #""client_message_id":"01920000-0000-7000-8000-000000000006","#
                + #""message_id":"01920000-0000-7000-8000-000000000005.42","seq":42,"#
                + #""created_at":"2026-11-21T10:47:05.123Z"}"#
        )
        let again = String(
            decoding: ServerMessage.messageSent(7, Samples.sent(isDuplicate: true)).encoded(),
            as: UTF8.self
        )
        #expect(again == first.dropLast() + #","duplicate":true}"#)
    }

    @Test("Any text survives, by a decoder that is not ours")
    func escaping() throws {
        let seed: UInt64 = 0xE5CA
        var random = SeededRandom(seed: seed)
        for round in 0..<3000 {
            let body = Samples.text(using: &random)
            let bytes = ServerMessage.newMessage(Samples.delivered(body: body)).encoded()
            let object = try JSONSerialization.jsonObject(with: Data(bytes)) as? [String: Any]
            let message = object?["message"] as? [String: Any]
            let read = message?["body"] as? String
            #expect(read.map { Array($0.unicodeScalars) } == Array(body.unicodeScalars), "seed \(seed), round \(round)")
            guard read != nil else { break }
        }
    }

    @Test("A type of a later version is passed over")
    func unknownType() throws {
        #expect(try ServerMessage.decode(json: Array(#"{"type":"tomorrow","x":1}"#.utf8)) == nil)
    }

    @Test("A code of a later version is read as internal")
    func unknownCode() throws {
        let message = try ServerMessage.decode(json: Array(#"{"type":"error","code":"tomorrow","message":"m"}"#.utf8))
        #expect(message == .error(nil, Failure(.internal, "m")))
    }
}
