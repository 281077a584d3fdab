// SPDX-License-Identifier: Apache-2.0

import Messaging
import TestSupport
import Testing

extension ClusterTests {
    @Suite("The served contract")
    struct ContractTests {
        @Test("What a running edge answers over REST is what its /openapi.yaml says")
        func rest() async throws {
            let cluster = try await SharedCluster.shared.cluster()
            let port = cluster.edge(1)
            let document = try await Self.document("/openapi.yaml", port)
            let ada = try await cluster.register("ada")
            let bob = try await cluster.register("bob")
            let group = try await ada.createConversation("group", with: [bob], port: port)
            let nobody = "\(UserID.generate())"
            let body = "{\(sendFields(group, "hello"))}"
            let calls: [(method: String, path: String, json: String?)] = [
                (
                    "POST", "/api/auth/register",
                    #"{"username":"\#(await Names.shared.next())","password":"long enough"}"#
                ),
                ("POST", "/api/auth/register", #"{"username":"\#(ada.username)","password":"long enough"}"#),
                ("POST", "/api/auth/register", #"{"username":"x"}"#),
                ("POST", "/api/auth/login", #"{"username":"\#(ada.username)","password":"\#(TestUser.password)"}"#),
                ("POST", "/api/auth/login", #"{"username":"\#(ada.username)","password":"wrong password"}"#),
                ("POST", "/api/auth/refresh", #"{"refresh_token":"\#(bob.refreshToken)"}"#),
                ("POST", "/api/auth/refresh", #"{"refresh_token":"\#(bob.refreshToken)"}"#),
                ("GET", "/api/users/\(bob.id)", nil),
                ("PUT", "/api/users/status", #"{"status":"busy","visible_to":"nobody"}"#),
                ("PUT", "/api/users/status", #"{"status":"sleepy"}"#),
                ("PUT", "/api/users/status", "{}"),
                ("GET", "/api/users/\(nobody)", nil),
                ("GET", "/api/users/search?username=\(bob.username)", nil),
                ("GET", "/api/users/search?username=nobody-at-all", nil),
                ("POST", "/api/conversations", #"{"kind":"group","member_ids":["\#(nobody)"]}"#),
                ("POST", "/api/conversations", #"{"kind":"direct","member_ids":["\#(bob.id)"]}"#),
                ("GET", "/api/conversations", nil),
                ("GET", "/api/conversations/\(group)", nil),
                ("PUT", "/api/conversations/\(group)", #"{"title":"Friends"}"#),
                ("PUT", "/api/conversations/\(group)", #"{"title":7}"#),
                ("GET", "/api/conversations/\(group)/members", nil),
                ("PUT", "/api/conversations/\(group)/members/\(bob.id)", #"{"role":"admin"}"#),
                ("PUT", "/api/conversations/\(group)/members/\(ada.id)", #"{"role":"member"}"#),
                ("POST", "/api/messages", body),
                ("POST", "/api/messages", body),
                ("POST", "/api/messages", "{"),
                ("GET", "/api/conversations/\(group)/messages?after=0", nil),
                ("GET", "/api/conversations/\(group)/messages?before=9&limit=1", nil),
                ("GET", "/api/conversations/\(group)/messages?limit=0", nil),
                ("PUT", "/api/messages/\(group).1/status", #"{"status":"read"}"#),
                ("GET", "/api/messages/\(group).1/status", nil),
                ("GET", "/api/messages/\(group).9/status", nil),
                ("GET", "/api/conversations/\(group)/receipts", nil),
                ("DELETE", "/api/conversations/\(group)/members/\(bob.id)", nil),
                ("POST", "/api/conversations/\(group)/members", #"{"user_ids":["\#(bob.id)"]}"#),
                ("DELETE", "/api/conversations/\(group)", nil),
                ("GET", "/api/conversations/\(group)", nil),
                ("GET", "/health", nil),
                ("GET", "/ready", nil),
                ("GET", "/metrics", nil),
                ("GET", "/asyncapi.yaml", nil),
                ("GET", "/api/nothing", nil),
                ("POST", "/api/auth/logout", nil),
            ]
            for (method, path, json) in calls {
                let answer = try await ada.request(method, path, port: port, json: json)
                #expect(answer.status < 500, "\(method) \(path): \(answer.status)")
                #expect(throws: Never.self, "\(method) \(path): \(String(decoding: answer.body, as: UTF8.self))") {
                    try document.validate(
                        response: answer.status,
                        contentType: answer.headers["content-type"],
                        body: answer.body,
                        method: method,
                        path: String(path.prefix { $0 != "?" })
                    )
                }
            }
        }

        @Test("What a running edge says over the WebSocket is what its /asyncapi.yaml says")
        func webSocket() async throws {
            let cluster = try await SharedCluster.shared.cluster()
            let port = cluster.edge(2)
            let document = try await Self.document("/asyncapi.yaml", port)
            let ada = try await cluster.register("ada")
            let bob = try await cluster.register("bob")
            let eve = try await cluster.register("eve")
            let bobs = try await bob.connect(port: port)
            let group = try await ada.createConversation("group", with: [bob], port: port)
            let adas = try await ada.connect(port: port)
            let id = ClientMessageID.generate()
            _ = try await adas.command("send_message", sendFields(group, "one", id: id))
            _ = try await adas.command("send_message", sendFields(group, "one", id: id))
            _ = try await adas.command("send_message", sendFields(group, "two", kind: "smell"))
            for type in ["message_delivered", "message_read"] {
                _ = try await bobs.command(type, #""conversation_id":"\#(group)","seq":1"#)
                _ = try await adas.message("Ada is told of \(type)") { $0["type"]?.string == type }
            }
            _ = try await adas.command("ping")
            _ = try await bobs.command("watch_presence", #""conversation_ids":["\#(group)"]"#)
            _ = try await bobs.command("watch_presence", #""conversation_ids":["\#(bob.id)"]"#)
            _ = try await adas.command("set_status", #""status":"away""#)
            adas.send(text: #"{"id":9,"type":"set_typing","conversation_id":"\#(group)"}"#)
            for type in ["user_online", "typing"] {
                _ = try await bobs.message("Bob is told of \(type)") { $0["type"]?.string == type }
            }
            _ = try await adas.command("set_status", #""visible_to":"nobody""#)
            _ = try await bobs.message("Bob is told of user_offline") { $0["type"]?.string == "user_offline" }
            adas.send(text: "nonsense")
            let path = "/api/conversations/\(group)"
            _ = try await ada.request("PUT", path, port: port, json: #"{"title":"Friends"}"#)
            _ = try await ada.request("POST", path + "/members", port: port, json: #"{"user_ids":["\#(eve.id)"]}"#)
            _ = try await ada.request("PUT", path + "/members/\(bob.id)", port: port, json: #"{"role":"admin"}"#)
            _ = try await ada.request("DELETE", path + "/members/\(eve.id)", port: port)
            _ = try await ada.request("DELETE", path, port: port)
            let told = [
                "conversation_created", "new_message", "conversation_updated", "member_added", "role_changed",
                "member_removed", "conversation_deleted",
            ]
            for type in told {
                _ = try await bobs.message("Bob is told of \(type)") { $0["type"]?.string == type }
            }
            for text in adas.texts + bobs.texts {
                let type = try #require(try JSONValue(json: text)["type"]?.string)
                #expect(throws: Never.self, "\(String(decoding: text, as: UTF8.self))") {
                    try document.validate(json: text, schema: type)
                }
            }
            #expect(adas.messages.contains { $0["type"]?.string == "error" && $0["id"] == nil })
        }

        private static func document(_ path: String, _ port: UInt16) async throws -> ContractDocument {
            let answer = try await onThread { try PlainHTTP.request("GET", path, port: port) }
            try #require(answer.status == 200)
            return try ContractDocument(yaml: String(decoding: answer.body, as: UTF8.self))
        }
    }
}
