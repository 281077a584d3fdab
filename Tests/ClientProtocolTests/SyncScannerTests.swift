// SPDX-License-Identifier: Apache-2.0

import Messaging
import TestSupport
import Testing

@testable import ClientProtocol

@Suite("Reading sync")
struct SyncScannerTests {
    private static let id = "01920000-0000-7000-8000-000000000005"

    private func read(_ text: String) -> Result<CommandMessage, RejectedCommand> {
        do throws(RejectedCommand) {
            return .success(try CommandMessage(json: Array(text.utf8)))
        } catch {
            return .failure(error)
        }
    }

    @Test("Blanks, escapes, upper case and unknown fields are taken, in any order behind the type")
    func forms() throws {
        let text = """
             { "future" : [ {"a":[1,-2.5e3,true,null,"\\u0041]"]} ] , "type":"s\\u0079nc" }
            """
        // An escaped name of the command is JSON too; the general decoder reads it, and says what is missing.
        guard case .failure = self.read(text) else {
            Issue.record("a sync without fields was taken")
            return
        }
        let good = """
             { "future" : [ {"a":[1,-2.5e3,true,null,"\\u0041]"]} ] , "type" : "sync" ,\t"id" : "\\u0041b" ,
             "cursors" : { "\(Self.id.uppercased())" : [ 7 , 3 ] , "\(Self.id.dropLast())6":0 } , "receipts" : true ,
             "more":false,"resume":null }
            """
        let expected = SyncRequest(
            cursors: [Samples.conversation: 7, ConversationID(value: Samples.conversation.value + 1): 0],
            states: [Samples.conversation: 3],
            wantsReceipts: true
        )
        #expect(try self.read(good).get() == CommandMessage(id: "Ab", command: .sync(expected)))
    }

    @Test(
        "What is wrong is refused with its reason, and with the id when that was read",
        arguments: [
            (#""cursors":[]"#, ErrorCode.invalidField), (#""cursors":{"x":1}"#, .invalidField),
            (#""cursors":{"\#(Self.id)":-1}"#, .invalidField), (#""cursors":{"\#(Self.id)":1.0}"#, .invalidField),
            (#""cursors":{"\#(Self.id)":"1"}"#, .invalidField), (#""cursors":{"\#(Self.id)":01}"#, .invalidField),
            (#""cursors":{"\#(Self.id)":9223372036854775808}"#, .invalidField),
            (#""cursors":{"\#(Self.id)":99999999999999999999999}"#, .invalidField),
            (#""cursors":{},"resume":5"#, .invalidField), (#""cursors":{},"more":1"#, .invalidField),
            (#""resume":"x""#, .missingField), (#""cursors":{},"#, .malformed), (#""cursors":{}}"#, .malformed),
            (#""cursors":{"\#(Self.id)":1,}"#, .invalidField), (#""cursors":{"\#(Self.id)":[1]}"#, .invalidField),
            (#""cursors":{"\#(Self.id)":[]}"#, .invalidField), (#""cursors":{"\#(Self.id)":[1,2,3]}"#, .invalidField),
            (#""cursors":{"\#(Self.id)":[1,-2]}"#, .invalidField), (#""cursors":{"\#(Self.id)":[1,2}"#, .invalidField),
            (#""cursors":{},"receipts":1"#, .invalidField),
            (#""cursors":{},"deep":\#(String(repeating: "[", count: 100))"#, .malformed),
        ]
    )
    func wrong(fields: String, code: ErrorCode) {
        guard case .failure(let rejected) = self.read(#"{"id":3,"type":"sync",\#(fields)}"#) else {
            Issue.record("taken: \(fields)")
            return
        }
        #expect(rejected.failure.code == code, "\(fields): \(rejected.failure)")
        #expect(rejected.id == 3)
        #expect(rejected.name == .sync)
    }

    @Test("Too many cursors and too long a token are refused")
    func bounds() {
        func cursors(_ count: Int) -> String {
            (0..<count).map { "\"\(ConversationID(value: UInt128($0)))\":\($0)" }.joined(separator: ",")
        }
        let most = self.read(#"{"id":3,"type":"sync","cursors":{\#(cursors(SyncRequest.cursorsMax))}}"#)
        guard case .success(let message) = most, case .sync(let request) = message.command else {
            Issue.record("not taken")
            return
        }
        #expect(request.cursors.count == SyncRequest.cursorsMax)
        for text in [
            #"{"id":3,"type":"sync","cursors":{\#(cursors(SyncRequest.cursorsMax + 1))}}"#,
            #"{"id":3,"type":"sync","cursors":{},"resume":"\#(String(repeating: "A", count: 8193))"}"#,
        ] {
            guard case .failure(let rejected) = self.read(text) else {
                Issue.record("taken")
                return
            }
            #expect(rejected.failure.code == .tooLarge)
        }
    }

    @Test("Cut off or changed anywhere, it never does harm")
    func mutations() {
        let seed: UInt64 = 0x51AC
        var random = SeededRandom(seed: seed)
        let request = SyncRequest(
            cursors: [Samples.conversation: 12],
            states: [Samples.conversation: 34],
            wantsReceipts: true,
            resume: "to\"ken",
            hasMore: true
        )
        let bytes = CommandMessage(id: "1", command: .sync(request)).encoded()
        for count in 0..<bytes.count {
            #expect((try? CommandMessage(json: bytes.prefix(count))) == nil, "seed \(seed)")
        }
        for _ in 0..<2000 {
            var changed = bytes
            changed[Int.random(in: 0..<bytes.count, using: &random)] = UInt8.random(in: 0x20...0x7E, using: &random)
            _ = try? CommandMessage(json: changed)
        }
    }

    @Test("A message whose text speaks of sync is none")
    func messages() throws {
        let send = SendMessageRequest(
            conversationID: Samples.conversation,
            clientMessageID: Samples.clientMessage,
            kind: .text,
            body: #"{"type":"sync","cursors":{}}"#
        )
        let message = CommandMessage(id: "1", command: .sendMessage(send))
        #expect(try CommandMessage(json: message.encoded()) == message)
    }
}
