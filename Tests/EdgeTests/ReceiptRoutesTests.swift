// SPDX-License-Identifier: Apache-2.0

import Messaging
import Synchronization
import TestSupport
import Testing

@testable import Edge

@Suite("Receipts over REST")
struct ReceiptRoutesTests {
    @Test("PUT moves the watermark and never back, GET says what has become of the message for whom")
    func status() async throws {
        try await HTTPTestEdge.with { edge in
            let (ada, bob, eve) = (edge.makeUser("ada"), edge.makeUser("bob"), edge.makeUser("eve"))
            let (adas, bobs, eves) = (try edge.token(of: ada), try edge.token(of: bob), try edge.token(of: eve))
            let made = try await edge.ask(
                "POST",
                "/api/conversations",
                token: adas,
                json: #"{"kind":"group","member_ids":["\#(bob)"]}"#
            )
            let id = try #require(made.json?["conversation_id"]?.string)
            for _ in 0..<3 {
                let client = ClientMessageID.generate()
                let json = #"{"conversation_id":"\#(id)","client_message_id":"\#(client)","kind":"text","body":"x"}"#
                _ = try await edge.ask("POST", "/api/messages", token: adas, json: json)
            }
            func put(_ seq: Int, _ status: String, _ token: String) async throws -> TestAnswer {
                let json = #"{"status":"\#(status)"}"#
                return try await edge.ask("PUT", "/api/messages/\(id).\(seq)/status", token: token, json: json)
            }
            let delivered = try await put(2, "delivered", bobs)
            #expect(delivered.status == 200)
            #expect(delivered.json?["delivered_seq"]?.integer == 2 && delivered.json?["read_seq"]?.integer == 0)
            #expect(try await put(1, "read", bobs).json?["delivered_seq"]?.integer == 2, "it does not go back")
            #expect(try await put(9, "read", bobs).code == "not_found")
            #expect(try await put(1, "sent", bobs).code == "invalid_field")
            #expect(try await put(1, "seen", bobs).code == "invalid_field")
            #expect(try await put(1, "read", eves).code == "not_found")
            let statuses = try await [1, 2, 3].asyncMap { seq in
                let answer = try await edge.ask("GET", "/api/messages/\(id).\(seq)/status", token: adas)
                #expect(answer.json?["recipient_count"]?.integer == 1)
                #expect(answer.json?["recipients"]?.array?.count == 1, "the sender is not among them")
                return answer.json?["recipients"]?.array?.first?["status"]?.string ?? "none"
            }
            #expect(statuses == ["read", "delivered", "sent"])
            #expect(try await edge.ask("GET", "/api/messages/\(id).4/status", token: adas).code == "not_found")
            #expect(try await edge.ask("GET", "/api/messages/\(id).1/status", token: eves).code == "not_found")
            for wrong in ["x", id, "\(id).0", "\(id).01", "\(id).99999999999999999999", "\(id).9223372036854775808"] {
                #expect(try await edge.ask("GET", "/api/messages/\(wrong)/status", token: adas).code == "not_found")
            }
            edge.routers.state.withLock { $0.countsOnly = true }
            let counted = try await edge.ask("GET", "/api/messages/\(id).2/status", token: adas)
            #expect(counted.json?["recipients"] == nil)
            #expect(counted.json?["delivered_count"]?.integer == 1 && counted.json?["read_count"]?.integer == 0)
            let receipts = try await edge.ask("GET", "/api/conversations/\(id)/receipts", token: adas)
            let row = receipts.json?["receipts"]?.array?.first { $0["user_id"]?.string == "\(bob)" }
            #expect(row?["delivered_seq"]?.integer == 2 && row?["read_seq"]?.integer == 1)
            #expect(try await edge.ask("GET", "/api/conversations/\(id)/receipts", token: eves).code == "not_found")
        }
    }
}

extension Array {
    fileprivate func asyncMap<Value>(_ body: (Element) async throws -> Value) async throws -> [Value] {
        var values: [Value] = []
        for element in self { values.append(try await body(element)) }
        return values
    }
}
