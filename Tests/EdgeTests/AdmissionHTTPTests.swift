// SPDX-License-Identifier: Apache-2.0

import ClusterConfiguration
import HTTPTypes
import Messaging
import NIOCore
import Synchronization
import TestSupport
import Testing

@testable import Edge

@Suite("Limits of REST and of new connections")
struct AdmissionHTTPTests {
    private static let handshake = """
        GET /ws HTTP/1.1\r\nHost: edge\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
        Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n
        """
    private static let credentials = #"{"username":"ada","password":"correct horse"}"#

    private static func rates(_ change: (inout ClusterSettings.Rates) throws -> Void) rethrows
        -> ClusterSettings.Rates
    {
        var rates = ClusterSettings.Rates()
        try change(&rates)
        return rates
    }

    /// A refusal is whole: status, code, both forms of the pause; after it, and not a second before, it is let through.
    private static func check(_ answer: TestAnswer, sourceLocation: SourceLocation = #_sourceLocation) throws
        -> TimeAmount
    {
        #expect(answer.status == 429, "\(answer.text)", sourceLocation: sourceLocation)
        #expect(answer.code == "rate_limited", sourceLocation: sourceLocation)
        #expect(answer.headers["content-type"] == "application/problem+json", sourceLocation: sourceLocation)
        let milliseconds = try #require(answer.json?["retry_after_ms"]?.integer, sourceLocation: sourceLocation)
        let seconds = try #require(answer.headers["retry-after"].flatMap { Int64($0) }, sourceLocation: sourceLocation)
        #expect(seconds == (milliseconds + 999) / 1000, sourceLocation: sourceLocation)
        #expect(milliseconds > 0, sourceLocation: sourceLocation)
        return .milliseconds(milliseconds)
    }

    @Test("Requests of one address are limited before anything of them is looked at; health and metrics are not")
    func requestsPerAddress() async throws {
        let rates = Self.rates { $0.requestsPerAddress = Rate(1, per: .second, burst: 2) }
        try await HTTPTestEdge.with(rates: rates) { edge in
            for _ in 0..<2 { #expect(try await edge.ask("GET", "/api/conversations").status == 401) }
            let wait = try Self.check(try await edge.ask("GET", "/api/conversations"))
            #expect(wait >= .seconds(1))
            for path in ["/health", "/ready", "/metrics"] {
                #expect(try await edge.ask("GET", path).status == 200)
            }
            edge.clock.advance(wait)
            #expect(try await edge.ask("GET", "/api/conversations").status == 401)
            let metrics = try await edge.ask("GET", "/metrics").text
            #expect(metrics.contains(#"trunkline_edge_rate_limited_total{what="requests_per_address"} 1"#))
            #expect(metrics.contains(#"trunkline_edge_rate_buckets{what="requests_per_address"} 1"#))
        }
    }

    @Test("Requests of one user are limited, those of another are not")
    func requestsPerUser() async throws {
        let rates = Self.rates { $0.requestsPerUser = Rate(1, per: .second, burst: 1) }
        try await HTTPTestEdge.with(rates: rates) { edge in
            let (ada, bob) = (try edge.token(of: edge.makeUser("ada")), try edge.token(of: edge.makeUser("bob")))
            #expect(try await edge.ask("GET", "/api/conversations", token: ada).status == 200)
            let wait = try Self.check(try await edge.ask("GET", "/api/conversations", token: ada))
            #expect(try await edge.ask("GET", "/api/conversations", token: bob).status == 200)
            edge.clock.advance(wait)
            #expect(try await edge.ask("GET", "/api/conversations", token: ada).status == 200)
        }
    }

    @Test("Messages over REST are limited by user, and by edge without charging the user for what the edge refused")
    func sends() async throws {
        let rates = Self.rates {
            $0.sendsPerUser = Rate(1, per: .hour, burst: 3)
            $0.sendsPerNode = Rate(1, per: .minute, burst: 2)
        }
        try await HTTPTestEdge.with(rates: rates) { edge in
            let (ada, bob) = (edge.makeUser("ada"), edge.makeUser("bob"))
            let token = try edge.token(of: ada)
            let made = try await edge.ask(
                "POST",
                "/api/conversations",
                token: token,
                json: #"{"kind":"direct","member_ids":["\#(bob)"]}"#
            )
            let conversation = try #require(made.json?["conversation_id"]?.string)
            func send() async throws -> TestAnswer {
                let fields =
                    #""conversation_id":"\#(conversation)","client_message_id":"\#(ClientMessageID.generate())""#
                let json = #"{\#(fields),"kind":"text","body":"x"}"#
                return try await edge.ask("POST", "/api/messages", token: token, json: json)
            }
            for _ in 0..<2 { #expect(try await send().status == 201) }
            var wait = try Self.check(try await send())
            #expect(wait < .minutes(2), "the edge's limit")
            edge.clock.advance(wait)
            #expect(try await send().status == 201, "the user has its third left")
            edge.clock.advance(.minutes(1))
            wait = try Self.check(try await send())
            #expect(wait > .minutes(30), "the user's limit")
        }
    }

    @Test("Log-ins and registrations of one address are limited together, refreshing apart")
    func accounts() async throws {
        let rates = Self.rates {
            $0.loginsPerAddress = Rate(1, per: .minute, burst: 2)
            $0.refreshesPerAddress = Rate(1, per: .minute, burst: 1)
        }
        try await HTTPTestEdge.with(rates: rates) { edge in
            let made = try await edge.ask("POST", "/api/auth/register", json: Self.credentials)
            #expect(made.status == 201)
            #expect(try await edge.ask("POST", "/api/auth/login", json: Self.credentials).status == 200)
            let wait = try Self.check(try await edge.ask("POST", "/api/auth/login", json: Self.credentials))
            _ = try Self.check(try await edge.ask("POST", "/api/auth/register", json: Self.credentials))
            let refresh = try #require(made.json?["refresh_token"]?.string)
            let json = #"{"refresh_token":"\#(refresh)"}"#
            #expect(try await edge.ask("POST", "/api/auth/refresh", json: json).status == 200)
            _ = try Self.check(try await edge.ask("POST", "/api/auth/refresh", json: json))
            edge.clock.advance(wait)
            #expect(try await edge.ask("POST", "/api/auth/login", json: Self.credentials).status == 200)
        }
    }

    @Test("Wrong passwords use a name up, right ones do not, and names that nobody has are treated alike")
    func guesses() async throws {
        let rates = Self.rates { $0.loginFailuresPerUsername = Rate(1, per: .minute, burst: 3) }
        try await HTTPTestEdge.with(rates: rates) { edge in
            #expect(try await edge.ask("POST", "/api/auth/register", json: Self.credentials).status == 201)
            for _ in 0..<10 {
                #expect(try await edge.ask("POST", "/api/auth/login", json: Self.credentials).status == 200)
            }
            for name in ["ADA", "nobody"] {
                let wrong = #"{"username":"\#(name)","password":"wrong horse"}"#
                for _ in 0..<3 {
                    #expect(try await edge.ask("POST", "/api/auth/login", json: wrong).code == "invalid_credentials")
                }
                _ = try Self.check(try await edge.ask("POST", "/api/auth/login", json: wrong))
            }
            let wait = try Self.check(try await edge.ask("POST", "/api/auth/login", json: Self.credentials))
            edge.clock.advance(wait)
            #expect(try await edge.ask("POST", "/api/auth/login", json: Self.credentials).status == 200)
            edge.routers.state.withLock { $0.failure = Failure(.unavailable, "x", retryAfterMilliseconds: 10) }
            for _ in 0..<5 {
                let answer = try await edge.ask("POST", "/api/auth/login", json: Self.credentials)
                #expect(answer.code == "unavailable", "no guess was made")
            }
        }
    }

    @Test("A WebSocket too many is refused before the upgrade, and let in after the pause")
    func connections() async throws {
        let rates = Self.rates { $0.connectionsPerNode = Rate(1, per: .second, burst: 1) }
        try await HTTPTestEdge.with(rates: rates) { edge in
            func open() async throws -> RawSocket {
                let socket = try await RawSocket(port: edge.port)
                try await socket.send(Self.handshake + "\r\n")
                return socket
            }
            let first = try await open()
            try await first.wait(for: "101 Switching Protocols")
            let second = try await open()
            let wait = try Self.check(try await second.answer())
            try await second.waitUntilClosed()
            #expect(edge.acceptor.state.withLock { $0.accepted.count } == 1)
            #expect(try await edge.ask("GET", "/health").status == 200, "an edge that is busy does not look dead")
            _ = try Self.check(try await edge.ask("GET", "/api/conversations"))
            edge.clock.advance(wait + .seconds(5))
            let third = try await open()
            try await third.wait(for: "101 Switching Protocols")
        }
    }

    @Test("A connection too many that says nothing is not waited for as long as others, and is told when to come again")
    func silentConnections() async throws {
        let rates = Self.rates { $0.connectionsPerAddress = Rate(1, per: .hour, burst: 1) }
        try await HTTPTestEdge.with(rates: rates) { settings in
            settings.lingerTimeout = .milliseconds(50)
            settings.readTimeout = .seconds(3600)
        } _: { edge in
            let sockets = [try await RawSocket(port: edge.port), try await RawSocket(port: edge.port)]
            // Which of them is accepted first is up to the event loops.
            try await eventually("one is closed") { sockets.contains { $0.isClosed } }
            #expect(sockets.count { $0.isClosed } == 1)
            if let refused = sockets.first(where: { $0.isClosed }) { _ = try Self.check(try await refused.answer()) }
            for socket in sockets { try await socket.close() }
        }
    }

    @Test("Behind a trusted proxy the clients are told apart, and the proxy is not taken for one of them")
    func proxy() async throws {
        let rates = try Self.rates {
            $0.connectionsPerAddress = Rate(1, per: .hour, burst: 1)
            $0.requestsPerAddress = Rate(1, per: .hour, burst: 1)
            $0.trustedProxies = [try #require(NetworkPrefix("127.0.0.0/8"))]
            $0.exemptAddresses = [try #require(NetworkPrefix("198.51.100.0/24"))]
        }
        try await HTTPTestEdge.with(rates: rates) { edge in
            for client in ["192.0.2.1", "192.0.2.2", "2001:db8::1"] {
                let headers = [("X-Forwarded-For", "6.6.6.6, \(client)")]
                #expect(try await edge.ask("GET", "/", headers: headers).status == 200)
                _ = try Self.check(try await edge.ask("GET", "/", headers: headers))
                let socket = try await RawSocket(port: edge.port)
                try await socket.send(Self.handshake + "X-Forwarded-For: \(client)\r\n\r\n")
                try await socket.wait(for: "101 Switching Protocols")
                let again = try await RawSocket(port: edge.port)
                try await again.send(Self.handshake + "X-Forwarded-For: \(client)\r\n\r\n")
                _ = try Self.check(try await again.answer())
            }
            for _ in 0..<3 {
                let answer = try await edge.ask("GET", "/", headers: [("X-Forwarded-For", "198.51.100.7")])
                #expect(answer.status == 200, "exempt")
            }
        }
    }

    @Test("What is answered fits the OpenAPI document, on every route")
    func contract() async throws {
        let document = try ContractDocument(yaml: String(decoding: PackageResources.openapi_yaml, as: UTF8.self))
        let rates = Self.rates {
            $0.requestsPerAddress = Rate(1, per: .hour, burst: 1)
        }
        try await HTTPTestEdge.with(rates: rates) { edge in
            _ = try await edge.ask("GET", "/")
            for route in edge.api.routes {
                let path = route.template.replacing(#/\{[a-z_]+\}/#, with: "x")
                let answer = try await edge.ask(route.method.rawValue, path)
                #expect((answer.status == 429) == (route.load != .unlimited), "\(route.method) \(path)")
                try document.validate(
                    response: answer.status,
                    contentType: answer.headers["content-type"],
                    body: answer.body,
                    method: route.method.rawValue,
                    path: path
                )
            }
        }
    }
}
