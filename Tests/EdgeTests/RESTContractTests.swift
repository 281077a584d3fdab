// SPDX-License-Identifier: Apache-2.0

import HTTPTypes
import Messaging
import Synchronization
import TestSupport
import Testing

@testable import Edge

@Suite("The OpenAPI document")
struct RESTContractTests {
    private static func document() throws -> ContractDocument {
        try ContractDocument(yaml: String(decoding: PackageResources.openapi_yaml, as: UTF8.self))
    }

    @Test("It has the routes that are registered, and no others")
    func routes() async throws {
        let documented = try Self.document().operations
        try await HTTPTestEdge.with { edge in
            let registered = edge.api.routes.map {
                ContractDocument.Operation(method: $0.method.rawValue, path: $0.template)
            }
            #expect(Set(registered) == documented)
            #expect(registered.count == documented.count)
        }
    }

    @Test("It has the error codes that there are, and its table has their statuses")
    func codes() throws {
        let document = try Self.document()
        let codes = document.schema(named: "ErrorCode")?["enum"]?.array?.compactMap(\.string) ?? []
        #expect(codes == ErrorCode.allCases.map(\.name))
        let description = try #require(document.root["info"]?["description"]?.string)
        for code in ErrorCode.allCases {
            let row = description.split(separator: "\n").first { $0.hasPrefix("| \(code.httpStatus) |") }
            #expect(row?.contains("`\(code.name)`") == true, "\(code.name) is not in the row of \(code.httpStatus)")
        }
    }

    @Test("Routes that need a token are marked so")
    func security() async throws {
        let document = try Self.document()
        try await HTTPTestEdge.with { edge in
            for route in edge.api.routes {
                let operation = document.root["paths"]?[route.template]?[route.method.rawValue.lowercased()]
                let isOpen = operation?["security"] == .array([])
                #expect(isOpen == (route.access == .open), "\(route.method) \(route.template)")
                let statuses = document.statuses(of: .init(method: route.method.rawValue, path: route.template))
                #expect(statuses.contains("401") || isOpen, "\(route.method) \(route.template)")
                #expect(statuses.contains("500"), "\(route.method) \(route.template)")
            }
        }
    }

    @Test("Every reference in it leads somewhere, and every schema is used")
    func references() throws {
        let document = try Self.document()
        var references: Set<String> = []
        func walk(_ value: JSONValue) {
            switch value {
            case .object(let members):
                if let reference = members["$ref"]?.string { references.insert(reference) }
                members.values.forEach(walk)
            case .array(let elements): elements.forEach(walk)
            default: break
            }
        }
        walk(document.root)
        for (section, names) in document.root["components"]?.object ?? [:] where section != "securitySchemes" {
            for name in names.object?.keys.map({ $0 }) ?? [] {
                #expect(references.contains("#/components/\(section)/\(name)"), "\(section)/\(name) is not used")
            }
        }
        for reference in references {
            let parts = reference.split(separator: "/").map(String.init)
            #expect(parts.count == 4 && parts[0] == "#" && parts[1] == "components", "\(reference)")
            #expect(document.root["components"]?[parts[2]]?[parts[3]] != nil, "\(reference)")
        }
    }

    @Test("Real answers fit it: every route, with good and with bad input")
    func answers() async throws {
        let document = try Self.document()
        try await HTTPTestEdge.with { edge in
            let (ada, bob) = (edge.makeUser("ada"), edge.makeUser("bob"))
            let token = try edge.token(of: ada)
            func check(_ method: String, _ path: String, _ json: String? = nil, token: String? = token) async throws
                -> TestAnswer
            {
                let answer = try await edge.ask(method, path, token: token, json: json)
                try document.validate(
                    response: answer.status,
                    contentType: answer.headers["content-type"],
                    body: answer.body,
                    method: method,
                    path: path
                )
                return answer
            }
            let credentials = #"{"username":"carol","password":"correct horse"}"#
            let made = try await check("POST", "/api/auth/register", credentials)
            _ = try await check("POST", "/api/auth/login", credentials)
            let refresh = try #require(made.json?["refresh_token"]?.string)
            _ = try await check("POST", "/api/auth/refresh", #"{"refresh_token":"\#(refresh)"}"#)
            _ = try await check("POST", "/api/auth/refresh", #"{"refresh_token":"\#(refresh)"}"#)
            _ = try await check("POST", "/api/auth/logout")
            _ = try await check("GET", "/api/users/\(bob)")
            _ = try await check("GET", "/api/users/search?username=bob")

            let group = try await check("POST", "/api/conversations", #"{"kind":"channel","member_ids":["\#(bob)"]}"#)
            let id = try #require(group.json?["conversation_id"]?.string)
            let path = "/api/conversations/\(id)"
            let message = """
                {"conversation_id":"\(id)","client_message_id":"\(ClientMessageID.generate())","kind":"text","body":"x"}
                """
            _ = try await check("POST", "/api/messages", message)
            _ = try await check("POST", "/api/messages", message)
            _ = try await check("GET", path + "/messages")
            for status in ["delivered", "read", "sent"] {
                _ = try await check("PUT", "/api/messages/\(id).1/status", #"{"status":"\#(status)"}"#)
            }
            _ = try await check("PUT", "/api/messages/\(id).2/status", #"{"status":"read"}"#)
            _ = try await check("GET", "/api/messages/\(id).1/status")
            edge.routers.state.withLock { $0.countsOnly = true }
            _ = try await check("GET", "/api/messages/\(id).1/status")
            _ = try await check("GET", "/api/messages/nonsense/status")
            _ = try await check("GET", path + "/receipts")
            _ = try await check("GET", "/api/conversations?limit=1")
            _ = try await check("GET", path)
            _ = try await check("PUT", path, #"{"title":"x"}"#)
            _ = try await check("GET", path + "/members")
            _ = try await check("POST", path + "/members", #"{"user_ids":["\#(bob)"]}"#)
            _ = try await check("PUT", path + "/members/\(bob)", #"{"role":"admin"}"#)
            _ = try await check("DELETE", path + "/members/\(bob)")
            _ = try await check("DELETE", path)
            _ = try await check("PUT", "/api/users/status", #"{"visible_to":"nobody"}"#)
            _ = try await check("PUT", "/api/users/status", "{}")
            let documents = ["/openapi.yaml", "/asyncapi.yaml", "/binary.proto"]
            for open in documents + ["/", "/health", "/ready", "/metrics", "/ws", "/nothing"] {
                _ = try await check("GET", open)
                _ = try await check("HEAD", open)
                _ = try await check("PATCH", open)
            }
            edge.readiness.reasons.withLock { $0 = ["for a test"] }
            _ = try await check("GET", "/ready")
            for route in edge.api.routes where route.access == .bearer {
                let path = route.template.replacing("{message_id}", with: "\(id).1")
                    .replacing(#/\{[a-z_]+\}/#, with: id)
                _ = try await check(route.method.rawValue, path, token: nil)
                for code in [ErrorCode.unavailable, .overloaded, .outcomeUnknown, .internal] {
                    edge.routers.state.withLock { $0.failure = Failure(code, "x", retryAfterMilliseconds: 10) }
                    let status = route.template == "/api/users/status" ? "busy" : "read"
                    let bodies =
                        #"{"title":"x","user_ids":["\#(bob)"],"role":"admin","status":"\#(status)","#
                        + #""kind":"group","member_ids":["\#(bob)"]}"#
                    let isMessage = route.template == "/api/messages"
                    let answer = try await check(
                        route.method.rawValue,
                        path + "?username=bob",
                        isMessage ? message : bodies
                    )
                    #expect(answer.code == code.name, "\(route.method) \(path)")
                }
                edge.routers.state.withLock { $0.failure = nil }
            }
        }
    }
}

@Suite("The checker of JSON against a contract")
struct RESTContractCheckerTests {
    private static let yaml = """
        paths:
          /things/{id}:
            get:
              responses:
                "200":
                  content:
                    application/json:
                      schema: { $ref: "#/components/schemas/Thing" }
                "204": { description: nothing }
          /things/special:
            get:
              responses:
                "204": { description: nothing }
        components:
          schemas:
            Thing:
              type: object
              required: [id, kind]
              properties:
                id: { type: string, pattern: "^[0-9]+$" }
                kind: { $ref: "#/components/schemas/Kind" }
                counts:
                  type: array
                  maxItems: 2
                  items: { type: integer, minimum: 0, maximum: 9 }
                note: { type: [string, "null"], maxLength: 3 }
                extra:
                  type: object
                  additionalProperties: { type: boolean }
                one:
                  oneOf:
                    - { $ref: "#/components/schemas/Left" }
                    - { $ref: "#/components/schemas/Right" }
            Kind: { type: string, enum: [a, b] }
            Left:
              type: object
              required: [type]
              properties: { type: { const: left } }
            Right:
              type: object
              required: [type]
              properties: { type: { const: right }, more: { type: number } }
            Odd: { type: string, multipleOf: 2 }
            Dangling: { $ref: "#/components/schemas/Nobody" }
            Both:
              allOf:
                - { $ref: "#/components/schemas/Left" }
                - { type: object, properties: { more: { type: string } } }
        """

    private static let fitting: [(String, String)] = [
        ("Thing", #"{"id":"7","kind":"a"}"#), ("Thing", #"{"id":"7","kind":"b","counts":[0,9],"note":null}"#),
        ("Thing", #"{"id":"7","kind":"b","note":"abc","extra":{"x":true,"y":false}}"#),
        ("Thing", #"{"id":"7","kind":"b","one":{"type":"right","more":1.5}}"#), ("Kind", #""a""#),
        ("Both", #"{"type":"left","more":"x"}"#),
    ]

    @Test("What fits", arguments: fitting)
    func fits(_ schema: String, _ json: String) throws {
        try ContractDocument(yaml: Self.yaml).validate(json: json, schema: schema)
    }

    private static let violating: [(String, String)] = [
        ("Thing", "7"), ("Thing", "{}"), ("Thing", #"{"id":"7"}"#), ("Thing", #"{"id":"x","kind":"a"}"#),
        ("Thing", #"{"id":7,"kind":"a"}"#), ("Thing", #"{"id":"7","kind":"c"}"#),
        ("Thing", #"{"id":"7","kind":"a","undeclared":1}"#), ("Thing", #"{"id":"7","kind":"a","counts":[1,2,3]}"#),
        ("Thing", #"{"id":"7","kind":"a","counts":[1.5]}"#), ("Thing", #"{"id":"7","kind":"a","counts":[-1]}"#),
        ("Thing", #"{"id":"7","kind":"a","counts":[10]}"#), ("Thing", #"{"id":"7","kind":"a","counts":[true]}"#),
        ("Thing", #"{"id":"7","kind":"a","note":"abcd"}"#), ("Thing", #"{"id":"7","kind":"a","extra":{"x":1}}"#),
        ("Thing", #"{"id":"7","kind":"a","one":{"type":"up"}}"#),
        ("Thing", #"{"id":"7","kind":"a","one":{"type":"left","more":1}}"#), ("Odd", #""x""#), ("Dangling", "1"),
        ("Both", #"{"type":"left","more":"x","other":1}"#), ("Nobody", "1"), ("Kind", "not json"),
    ]

    @Test("What does not fit", arguments: violating)
    func violates(_ schema: String, _ json: String) {
        #expect(throws: (any Error).self) {
            try ContractDocument(yaml: Self.yaml).validate(json: json, schema: schema)
        }
    }

    @Test("Answers are checked by status, media type and body, and literal paths come first")
    func answers() throws {
        let document = try ContractDocument(yaml: Self.yaml)
        func check(_ status: Int, _ type: String?, _ body: String, _ path: String) throws {
            try document.validate(
                response: status,
                contentType: type,
                body: Array(body.utf8),
                method: "GET",
                path: path
            )
        }
        try check(200, "application/json; charset=utf-8", #"{"id":"7","kind":"a"}"#, "/things/7?x=y")
        try check(204, nil, "", "/things/special")
        #expect(throws: ContractViolation.self) { try check(200, nil, "{}", "/things/special") }
        #expect(throws: ContractViolation.self) { try check(204, nil, "x", "/things/special") }
        #expect(throws: ContractViolation.self) { try check(404, "application/json", "{}", "/things/7") }
        #expect(throws: ContractViolation.self) { try check(200, "text/html", "{}", "/things/7") }
        #expect(throws: ContractViolation.self) { try check(200, "application/json", "{}", "/things/7") }
        #expect(throws: ContractViolation.self) { try check(200, "application/json", "{}", "/other") }
    }
}
