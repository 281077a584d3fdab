// SPDX-License-Identifier: Apache-2.0

import HTTPTypes
import Messaging
import Synchronization
import TestSupport
import Testing

@testable import Edge

@Suite("Bad input over REST, and what it gets")
struct RESTBadInputTests {
    struct Case: Sendable, CustomTestStringConvertible {
        var method: String
        var path: String
        var json: String?
        var status: Int
        var code: String
        /// What the detail must name.
        var naming: String

        init(_ method: String, _ path: String, _ status: Int, _ code: String, _ naming: String = "") {
            self.init(method, path, nil, status, code, naming)
        }

        init(_ method: String, _ path: String, _ json: String?, _ status: Int, _ code: String, _ naming: String = "") {
            self.method = method
            self.path = path
            self.json = json
            self.status = status
            self.code = code
            self.naming = naming
        }

        var testDescription: String { "\(self.method) \(self.path) \(self.json ?? "")" }
    }

    private static let id = "0192f3a4-0000-7000-8000-000000000009"
    private static let client = ClientMessageID.generate().description
    private static let old = ClientMessageID.lowerBound(at: WallClock.now() - 8 * 86_400_000).description
    private static let ahead = ClientMessageID.lowerBound(at: WallClock.now() + 2 * 86_400_000).description

    private static func message(
        _ client: String = Self.client,
        kind: String = "\"text\"",
        body: String = "\"hello\"",
        conversation: String = Self.id
    ) -> String {
        #"{"conversation_id":"\#(conversation)","client_message_id":"\#(client)","kind":\#(kind),"body":\#(body)}"#
    }

    private static let accounts: [Case] = [
        Case("POST", "/api/auth/register", "{", 400, "malformed"),
        Case("POST", "/api/auth/register", "", 400, "malformed"),
        Case("POST", "/api/auth/register", "[]", 400, "malformed"),
        Case("POST", "/api/auth/register", "\u{0}\u{1}", 400, "malformed"),
        Case("POST", "/api/auth/register", "{}", 400, "missing_field", "username"),
        Case("POST", "/api/auth/register", #"{"username":"ada"}"#, 400, "missing_field", "password"),
        Case("POST", "/api/auth/register", #"{"username":null,"password":"x"}"#, 400, "missing_field", "username"),
        Case("POST", "/api/auth/register", #"{"username":7,"password":"x"}"#, 400, "invalid_field", "username"),
        Case(
            "POST",
            "/api/auth/register",
            #"{"username":"a b","password":"12345678"}"#,
            400,
            "invalid_field",
            "username"
        ),
        Case("POST", "/api/auth/register", #"{"username":"ada","password":"short"}"#, 400, "invalid_field", "password"),
        Case(
            "POST",
            "/api/auth/register",
            #"{"username":"ada","password":"12345678","display_name":""}"#,
            400,
            "invalid_field",
            "display_name"
        ),
        Case(
            "POST",
            "/api/auth/register",
            #"{"username":"ada","password":"12345678","display_name":"a\u0000"}"#,
            400,
            "invalid_field",
            "display_name"
        ),
        Case(
            "POST",
            "/api/auth/register",
            #"{"username":"ada","password":"12345678","device":{"type":"fridge"}}"#,
            400,
            "invalid_field",
            "device.type"
        ),
        Case(
            "POST",
            "/api/auth/register",
            #"{"username":"ada","password":"12345678","device":7}"#,
            400,
            "invalid_field",
            "device"
        ),
        Case(
            "POST",
            "/api/auth/register",
            #"{"username":"ada","password":"12345678","device":{"device_id":"\#(id)"}}"#,
            400,
            "invalid_field",
            "device.device_id"
        ),
        Case(
            "POST",
            "/api/auth/login",
            #"{"username":"ada","password":"12345678","device":{"device_id":"x"}}"#,
            400,
            "invalid_field",
            "device.device_id"
        ),
        Case("POST", "/api/auth/login", #"{"username":"ada","password":""}"#, 400, "invalid_field", "password"),
        Case("POST", "/api/auth/refresh", #"{"refresh_token":"x"}"#, 401, "unauthenticated"),
        Case("POST", "/api/auth/refresh", #"{"refresh_token":true}"#, 400, "invalid_field", "refresh_token"),
    ]

    private static let conversations: [Case] = [
        Case("GET", "/api/users/search", 400, "missing_field", "username"),
        Case("GET", "/api/users/\(id)", 404, "not_found"),
        Case("GET", "/api/users/x", 404, "not_found"),
        Case("POST", "/api/conversations", #"{"kind":"party","member_ids":[]}"#, 400, "invalid_field", "kind"),
        Case("POST", "/api/conversations", #"{"kind":"group"}"#, 400, "missing_field", "member_ids"),
        Case(
            "POST",
            "/api/conversations",
            #"{"kind":"group","member_ids":["x"]}"#,
            400,
            "invalid_field",
            "member_ids[0]"
        ),
        Case("POST", "/api/conversations", #"{"kind":"group","member_ids":"x"}"#, 400, "invalid_field", "member_ids"),
        Case("POST", "/api/conversations", #"{"kind":"group","member_ids":["\#(id)"]}"#, 404, "unknown_user", id),
        Case("POST", "/api/conversations", #"{"kind":"direct","member_ids":[]}"#, 400, "invalid_field", "member_ids"),
        Case(
            "POST",
            "/api/conversations",
            #"{"kind":"direct","member_ids":["\#(id)","0192f3a4-0000-7000-8000-00000000000a"]}"#,
            400,
            "invalid_field",
            "member_ids"
        ),
        Case(
            "POST",
            "/api/conversations",
            #"{"kind":"direct","member_ids":["\#(id)"],"title":"us"}"#,
            400,
            "invalid_field",
            "title"
        ),
        Case(
            "POST",
            "/api/conversations",
            #"{"kind":"group","member_ids":[],"title":"\#(String(repeating: "x", count: 257))"}"#,
            400,
            "invalid_field",
            "title"
        ),
        Case("GET", "/api/conversations?limit=0", 400, "invalid_field", "limit"),
        Case("GET", "/api/conversations?limit=201", 400, "invalid_field", "limit"),
        Case("GET", "/api/conversations?limit=x", 400, "invalid_field", "limit"),
        Case("GET", "/api/conversations?limit=-1", 400, "invalid_field", "limit"),
        Case("GET", "/api/conversations?cursor=x", 400, "invalid_field", "cursor"),
        Case("GET", "/api/conversations/\(id)", 404, "not_found"),
        Case("GET", "/api/conversations/x", 404, "not_found"),
        Case("PUT", "/api/conversations/\(id)", #"{"title":"x"}"#, 404, "not_found"),
        Case("PUT", "/api/conversations/\(id)", #"{"title":"a\nb"}"#, 400, "invalid_field", "title"),
        Case("PUT", "/api/conversations/\(id)", "{}", 400, "missing_field", "title"),
        Case("DELETE", "/api/conversations/\(id)", 404, "not_found"),
        Case("GET", "/api/conversations/\(id)/members", 404, "not_found"),
        Case("POST", "/api/conversations/\(id)/members", #"{"user_ids":[]}"#, 400, "invalid_field", "user_ids"),
        Case("POST", "/api/conversations/\(id)/members", #"{"user_ids":["\#(id)"]}"#, 404, "unknown_user", id),
        Case("PUT", "/api/conversations/\(id)/members/\(id)", #"{"role":"king"}"#, 400, "invalid_field", "role"),
        Case("PUT", "/api/conversations/\(id)/members/x", #"{"role":"admin"}"#, 404, "not_found"),
        Case("DELETE", "/api/conversations/\(id)/members/\(id)", 404, "not_found"),
    ]

    private static let messages: [Case] = [
        Case("GET", "/api/conversations/\(id)/messages", 404, "not_found"),
        Case("GET", "/api/conversations/\(id)/messages?after=1&before=2", 400, "invalid_field", "after"),
        Case("GET", "/api/conversations/\(id)/messages?after=-1", 400, "invalid_field", "after"),
        Case("GET", "/api/conversations/\(id)/messages?after=18446744073709551615", 400, "invalid_field", "after"),
        Case("GET", "/api/conversations/\(id)/messages?before=0", 400, "invalid_field", "before"),
        Case("POST", "/api/messages", message(), 404, "not_found"),
        Case("POST", "/api/messages", message("x"), 400, "invalid_field", "client_message_id"),
        Case(
            "POST",
            "/api/messages",
            message("6ba7b810-9dad-11d1-80b4-00c04fd430c8"),
            400,
            "invalid_field",
            "client_message_id"
        ),
        Case("POST", "/api/messages", message(old), 409, "client_message_id_too_old", "client_message_id"),
        Case("POST", "/api/messages", message(ahead), 400, "invalid_field", "client_message_id"),
        Case("POST", "/api/messages", message(kind: "\"carrier pigeon\""), 400, "invalid_field", "kind"),
        Case("POST", "/api/messages", message(body: "7"), 400, "invalid_field", "body"),
        Case("POST", "/api/messages", message(body: #""a\u0000b""#), 400, "invalid_field", "body"),
        Case(
            "POST",
            "/api/messages",
            message(body: "\"" + String(repeating: "x", count: 65_537) + "\""),
            413,
            "too_large",
            "body"
        ),
        Case("POST", "/api/messages", message(conversation: "x"), 400, "invalid_field", "conversation_id"),
        Case("POST", "/api/messages", #"{"kind":"text"}"#, 400, "missing_field"),
    ]

    private static let paths: [Case] = [
        Case("GET", "/nothing", 404, "not_found"),
        Case("GET", "/api", 404, "not_found"),
        Case("GET", "/api/users/search/more", 404, "not_found"),
        Case("GET", "/%00/%ff", 404, "not_found"),
        Case("GET", "/../../etc/passwd", 404, "not_found"),
        Case("DELETE", "/api/auth/login", 405, "method_not_allowed", "POST"),
        Case("PATCH", "/api/conversations/\(id)", 405, "method_not_allowed", "PUT"),
        Case("POST", "/api/users/search", "{}", 405, "method_not_allowed", "GET"),
        Case("POST", "/health", "{}", 405, "method_not_allowed", "GET, HEAD"),
        Case("BREW", "/", 400, "malformed"),
    ]

    @Test(
        "Status, code and the name of what is wrong",
        arguments: [accounts, conversations, messages, paths].flatMap { $0 }
    )
    func badInput(_ bad: Case) async throws {
        try await HTTPTestEdge.with { edge in
            let answer = try await edge.ask(bad.method, bad.path, token: try edge.token(), json: bad.json)
            #expect(answer.status == bad.status, "\(answer.text)")
            #expect(answer.code == bad.code, "\(answer.text)")
            #expect(answer.headers["content-type"] == "application/problem+json")
            #expect(answer.headers["x-content-type-options"] == "nosniff")
            #expect(answer.json?["status"] == .integer(Int64(bad.status)))
            #expect(
                answer.json?["detail"]?.string?.contains(bad.naming) == true || bad.naming.isEmpty,
                "\(answer.text)"
            )
            if bad.status == 405 {
                #expect(answer.headers["allow"]?.isEmpty == false)
            }
            if bad.code == "malformed" || bad.code == "missing_field" || bad.code == "invalid_field" {
                let submitted = edge.routers.state.withLock { $0.calls }
                #expect(submitted.isEmpty, "nothing is asked of routers before the input is checked")
            }
        }
    }

    @Test("Without a good token every route that needs one says so, and why")
    func tokens() async throws {
        try await HTTPTestEdge.with { edge in
            let past = AccessTokens(
                secret: HTTPTestEdge.secret,
                issuer: "test",
                lifetime: .seconds(60),
                now: { WallClock.now() - 3_600_000 }
            )
            let expired = try past.issue(user: .generate(), device: .generate())
            let cases: [([(String, String)], String)] = [
                ([], "unauthenticated"),
                ([("Authorization", "Bearer")], "unauthenticated"),
                ([("Authorization", "Bearer x.y.z")], "unauthenticated"),
                ([("Authorization", "Basic YTpi")], "unauthenticated"),
                ([("Authorization", "Bearer \(expired)")], "token_expired"),
            ]
            for route in edge.api.routes where route.access == .bearer {
                let path = route.template.replacing(#/\{[a-z_]+\}/#, with: Self.id)
                for (headers, code) in cases {
                    let answer = try await edge.ask(route.method.rawValue, path, headers: headers)
                    #expect(answer.status == 401, "\(route.method) \(path)")
                    #expect(answer.code == code, "\(route.method) \(path)")
                    #expect(answer.headers["www-authenticate"]?.hasPrefix("Bearer") == true)
                }
            }
            #expect(edge.routers.state.withLock { $0.calls.isEmpty })
        }
    }

    @Test("The scheme of a token is read without case")
    func scheme() async throws {
        try await HTTPTestEdge.with { edge in
            let headers = [("Authorization", "bEARER \(try edge.token())")]
            #expect(try await edge.ask("GET", "/api/conversations", headers: headers).status == 200)
        }
    }

    @Test("What routers refuse is told with its status, code and time to wait")
    func routers() async throws {
        try await HTTPTestEdge.with { edge in
            let token = try edge.token()
            for code in ErrorCode.allCases {
                edge.routers.state.withLock {
                    $0.failure = Failure(code, "because", retryAfterMilliseconds: code.isRetryable ? 1500 : nil)
                }
                let answer = try await edge.ask("POST", "/api/messages", token: token, json: Self.message())
                #expect(answer.status == code.httpStatus)
                #expect(answer.code == code.name)
                #expect(answer.json?["detail"] == .string("because"))
                #expect(answer.headers["retry-after"] == (code.isRetryable ? "2" : nil))
                #expect(answer.json?["retry_after_ms"] == (code.isRetryable ? .integer(1500) : nil))
            }
        }
    }
}
