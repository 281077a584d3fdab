// SPDX-License-Identifier: Apache-2.0

import ClientProtocol
import Messaging
import Observability
import Synchronization
import TestSupport
import Testing
import Wire

@testable import Edge

@Suite("The REST interface")
struct RESTRoutesTests {
    @Test("Two users who each make their direct conversation have one")
    func direct() async throws {
        try await HTTPTestEdge.with { edge in
            let (ada, bob) = (edge.makeUser("ada"), edge.makeUser("bob"))
            let one = try await Self.create(edge, by: ada, #"{"kind":"direct","member_ids":["\#(bob)"]}"#)
            let other = try await Self.create(edge, by: bob, #"{"kind":"direct","member_ids":["\#(ada)","\#(bob)"]}"#)
            #expect(one.conversationID == .direct(ada, bob))
            #expect(other == one)
            #expect(Set(one.members.map(\.userID)) == [ada, bob])
            #expect(one.title.isEmpty)
        }
    }

    @Test("A group has a new id each time, its creator once, and is owned by the creator")
    func group() async throws {
        try await HTTPTestEdge.with { edge in
            let (ada, bob) = (edge.makeUser("ada"), edge.makeUser("bob"))
            let json = #"{"kind":"group","member_ids":["\#(bob)","\#(bob)","\#(ada)"],"title":"Trains"}"#
            let one = try await Self.create(edge, by: ada, json)
            let other = try await Self.create(edge, by: ada, json)
            #expect(one.conversationID != other.conversationID)
            #expect(one.conversationID.timestamp != nil)
            #expect(one.title == "Trains")
            #expect(one.members.map(\.userID) == [ada, bob])
            #expect(one.members.map(\.role) == [.owner, .member])
        }
    }

    @Test("A conversation is renamed, its members change, and it is deleted")
    func life() async throws {
        try await HTTPTestEdge.with { edge in
            let (ada, bob, eve) = (edge.makeUser("ada"), edge.makeUser("bob"), edge.makeUser("eve"))
            let token = try edge.token(of: ada)
            let made = try await Self.create(edge, by: ada, #"{"kind":"group","member_ids":["\#(bob)"]}"#)
            let path = "/api/conversations/\(made.conversationID)"
            let renamed = try await edge.ask("PUT", path, token: token, json: #"{"title":"Rails"}"#)
            #expect(try renamed.decoded(as: ConversationResponse.self).title == "Rails")
            let added = try await edge.ask(
                "POST",
                path + "/members",
                token: token,
                json: #"{"user_ids":["\#(eve)","\#(eve)"]}"#
            )
            #expect(try added.decoded(as: MembersResponse.self).members.map(\.userID) == [ada, bob, eve])
            let promoted = try await edge.ask("PUT", path + "/members/\(bob)", token: token, json: #"{"role":"admin"}"#)
            #expect(try promoted.decoded(as: MembersResponse.self).members.map(\.role) == [.owner, .admin, .member])
            #expect(try await edge.ask("DELETE", path + "/members/\(eve)", token: token).status == 204)
            #expect(try await edge.ask("DELETE", path + "/members/\(ada)", token: token).code == "last_owner")
            let members = try await edge.ask("GET", path + "/members", token: token)
            #expect(try members.decoded(as: MembersResponse.self).members.map(\.userID) == [ada, bob])
            #expect(try await edge.ask("GET", path, token: try edge.token(of: eve)).code == "not_found")
            #expect(try await edge.ask("DELETE", path, token: token).status == 204)
            #expect(try await edge.ask("GET", path, token: token).code == "not_found")
        }
    }

    @Test("A message is stored once, whatever how often it is sent")
    func send() async throws {
        try await HTTPTestEdge.with { edge in
            let (ada, bob) = (edge.makeUser("ada"), edge.makeUser("bob"))
            let made = try await Self.create(edge, by: ada, #"{"kind":"direct","member_ids":["\#(bob)"]}"#)
            let request = SendMessageRequest(
                conversationID: made.conversationID,
                clientMessageID: .generate(),
                kind: .text,
                body: "hello\u{2028}🚂"
            )
            let json = String(decoding: try JSONBody.encode(request), as: UTF8.self)
            let token = try edge.token(of: ada)
            let first = try await edge.ask("POST", "/api/messages", token: token, json: json)
            #expect(first.status == 201)
            let sent = try first.decoded(as: MessageSent.self)
            #expect(sent.seq == 1)
            #expect(sent.messageID == MessageID(conversation: made.conversationID, seq: 1))
            #expect(!sent.isDuplicate)
            let second = try await edge.ask("POST", "/api/messages", token: token, json: json)
            #expect(second.status == 200)
            let again = try second.decoded(as: MessageSent.self)
            #expect(again.isDuplicate)
            #expect(again.messageID == sent.messageID)
            let page = try await Self.page(edge, by: bob, "/api/conversations/\(made.conversationID)/messages")
            #expect(page.messages.map(\.body) == ["hello\u{2028}🚂"])
            #expect(page.headSeq == 1)
        }
    }

    @Test("Pages of messages go both ways")
    func pages() async throws {
        try await HTTPTestEdge.with { edge in
            let (ada, bob) = (edge.makeUser("ada"), edge.makeUser("bob"))
            let made = try await Self.create(edge, by: ada, #"{"kind":"direct","member_ids":["\#(bob)"]}"#)
            for number in 1...7 {
                _ = try await edge.routers.submit(
                    .init(
                        conversation: made.conversationID,
                        sender: ada,
                        senderDevice: .generate(),
                        clientMessageID: .generate(),
                        kind: .text,
                        body: "\(number)"
                    )
                )
            }
            let path = "/api/conversations/\(made.conversationID)/messages"
            #expect(try await Self.page(edge, by: bob, path + "?limit=3").messages.map(\.seq) == [5, 6, 7])
            #expect(try await Self.page(edge, by: bob, path + "?before=5&limit=2").messages.map(\.seq) == [3, 4])
            #expect(try await Self.page(edge, by: bob, path + "?after=0&limit=2").messages.map(\.seq) == [1, 2])
            let last = try await Self.page(edge, by: bob, path + "?after=7")
            #expect(last.messages.isEmpty)
            #expect(last.headSeq == 7)
        }
    }

    @Test("The list of conversations is walked to its end by its cursor, in the order of the pages")
    func list() async throws {
        try await HTTPTestEdge.with { edge in
            let ada = edge.makeUser("ada")
            var made: [ConversationID] = []
            for number in 0..<5 {
                let json = #"{"kind":"group","member_ids":[],"title":"\#(number)"}"#
                made.append(try await Self.create(edge, by: ada, json).conversationID)
            }
            var listed: [ConversationListItem] = []
            var cursor: String?
            var pages = 0
            repeat {
                let query = cursor.map { "&cursor=\($0)" } ?? ""
                let answer = try await edge.ask(
                    "GET",
                    "/api/conversations?limit=2\(query)",
                    token: try edge.token(of: ada)
                )
                #expect(answer.status == 200, "\(answer.text)")
                let page = try answer.decoded(as: ConversationListResponse.self)
                listed += page.conversations
                cursor = page.nextCursor
                pages += 1
            } while cursor != nil && pages < 10
            #expect(pages == 3)
            #expect(listed.map(\.conversationID) == made.reversed())
            #expect(listed.allSatisfy { $0.memberCount == 1 && $0.lastMessage == nil })
            #expect(edge.routers.state.withLock { $0.summaryQuestions.map(\.count) } == [2, 2, 1])
        }
    }

    @Test("Health, readiness and its reasons")
    func health() async throws {
        try await HTTPTestEdge.with { edge in
            #expect(try await edge.ask("GET", "/health").json == .object(["status": .string("alive")]))
            #expect(try await edge.ask("GET", "/ready").status == 200)
            edge.readiness.reasons.withLock { $0 = ["no router is linked"] }
            let unready = try await edge.ask("GET", "/ready")
            #expect(unready.status == 503)
            #expect(unready.code == "unavailable")
            #expect(unready.json?["reasons"] == .array([.string("no router is linked")]))
            #expect(unready.headers["retry-after"] == "1")
            #expect(try await edge.ask("GET", "/health").status == 200)
        }
    }

    @Test("HEAD is GET without the body")
    func head() async throws {
        try await HTTPTestEdge.with { edge in
            let get = try await edge.ask("GET", "/health")
            let head = try await edge.ask("HEAD", "/health")
            #expect(head.status == 200)
            #expect(head.headers["content-length"] == get.headers["content-length"])
            #expect(head.body.isEmpty)
            #expect(try await edge.ask("HEAD", "/nothing").status == 404)
        }
    }

    @Test("Requests are counted by route and status, and unknown paths under one name")
    func metrics() async throws {
        try await HTTPTestEdge.with { edge in
            let token = try edge.token()
            _ = try await edge.ask("GET", "/api/users/\(UserID.generate())", token: token)
            _ = try await edge.ask("GET", "/api/users/\(UserID.generate())", token: token)
            _ = try await edge.ask("GET", "/made/up/1")
            _ = try await edge.ask("PATCH", "/made/up/2")
            _ = try await edge.ask("DELETE", "/health")
            let answer = try await edge.ask("GET", "/metrics")
            #expect(answer.headers["content-type"] == MetricsRegistry.contentType)
            let text = answer.text
            #expect(
                text.contains(
                    #"trunkline_http_requests_total{method="GET",route="/api/users/{user_id}",status="404"} 2"#
                ),
                "\(text)"
            )
            #expect(text.contains(#"trunkline_http_requests_total{method="any",route="unmatched",status="404"} 2"#))
            #expect(text.contains(#"trunkline_http_requests_total{method="any",route="unmatched",status="405"} 1"#))
            #expect(text.contains(#"trunkline_http_request_duration_seconds_count{route="/api/users/{user_id}"} 2"#))
            #expect(!text.contains("made"))
        }
    }

    @Test("The documents are served as they are, and the root says where they are")
    func documents() async throws {
        try await HTTPTestEdge.with { edge in
            let openAPI = try await edge.ask("GET", "/openapi.yaml")
            #expect(openAPI.headers["content-type"] == "application/yaml")
            #expect(openAPI.body == PackageResources.openapi_yaml)
            #expect(try await edge.ask("GET", "/asyncapi.yaml").body == PackageResources.asyncapi_yaml)
            #expect(try await edge.ask("GET", "/binary.proto").body == PackageResources.binary_proto)
            #expect(try await edge.ask("GET", "/").text.contains("/openapi.yaml"))
        }
    }

    private static func create(
        _ edge: HTTPTestEdge,
        by user: UserID,
        _ json: String
    ) async throws -> ConversationResponse {
        let answer = try await edge.ask("POST", "/api/conversations", token: try edge.token(of: user), json: json)
        #expect(answer.status == 201, "\(answer.text)")
        return try answer.decoded()
    }

    private static func page(_ edge: HTTPTestEdge, by user: UserID, _ path: String) async throws -> MessagesResponse {
        let answer = try await edge.ask("GET", path, token: try edge.token(of: user))
        #expect(answer.status == 200, "\(answer.text)")
        return try answer.decoded()
    }
}
