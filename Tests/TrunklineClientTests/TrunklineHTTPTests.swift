// SPDX-License-Identifier: Apache-2.0

import ClientProtocol
import Messaging
import NIOCore
import NIOPosix
import Synchronization
import TestSupport
import Testing
import TrunklineClient

@Suite("The REST interface of a client", .timeLimit(.minutes(2)))
struct TrunklineHTTPTests {
    private func withHTTP(
        _ edges: [EdgeAddress],
        _ group: MultiThreadedEventLoopGroup,
        _ body: (TrunklineHTTP) async throws -> Void
    ) async throws {
        var settings = TrunklineHTTP.Settings()
        settings.repeatRule.backOff = BackOff(first: .milliseconds(1), longest: .milliseconds(5))
        let http = TrunklineHTTP(edges: edges, eventLoops: group, settings: settings)
        do {
            try await body(http)
        } catch {
            await http.shutDown()
            throw error
        }
        await http.shutDown()
    }

    @Test("each call has its method, path, token and body, and its answer is read")
    func calls() async throws {
        try await Fixtures.withEventLoops { group in
            let page = MessagesResponse(messages: [Fixtures.message(8, "eight")], headSeq: 8, hasMore: false)
            let edge = try await StubEdge.start(on: group) { _, _ in
            } onRequest: { request in
                switch (request.method, request.uri) {
                case ("POST", "/api/auth/register"), ("POST", "/api/auth/login"):
                    return try .json(Fixtures.tokens(), status: 201)
                case ("GET", "/api/conversations?limit=50&cursor=a%2Bb%2F%3D"):
                    return try .json(ConversationListResponse(conversations: [], nextCursor: nil))
                case ("GET", "/api/conversations/\(Fixtures.conversation)/messages?after=7&limit=200"):
                    return try .json(page)
                case ("POST", "/api/messages"):
                    let send = try JSONBody.decode(SendMessageRequest.self, from: request.body)
                    return try .json(Fixtures.sent(send, seq: 9), status: 201)
                default:
                    return StubEdge.Answer(status: 404, body: [])
                }
            }
            try await self.withHTTP([edge.address], group) { http in
                let register = RegisterRequest(username: "anna", password: "12345678")
                let registered = try await http.register(register)
                #expect(registered == Fixtures.tokens())
                let loggedIn = try await http.login(LoginRequest(username: "anna", password: "12345678"))
                #expect(loggedIn == Fixtures.tokens())
                let list = try await http.conversations(cursor: "a+b/=", token: "t")
                #expect(list.conversations.isEmpty)
                let messages = try await http.messages(in: Fixtures.conversation, after: 7, token: "t")
                #expect(messages == page)
                let sent = try await http.send(Fixtures.request("hello"), token: "secret")
                #expect(sent.seq == 9)
            }
            let requests = edge.requests
            #expect(try JSONBody.decode(RegisterRequest.self, from: requests[0].body).username == "anna")
            #expect(requests[0].headers["authorization"] == nil)
            #expect(requests[4].headers["authorization"] == "Bearer secret")
            #expect(requests[4].headers["content-type"] == "application/json")
            await edge.stop()
        }
    }

    @Test("a problem is an error with its code, and the wait that it asks for is kept before it is tried again")
    func problems() async throws {
        try await Fixtures.withEventLoops { group in
            let attempts = Mutex(0)
            let edge = try await StubEdge.start(on: group) { _, _ in
            } onRequest: { request in
                guard request.uri == "/api/auth/register" else {
                    return try .problem(Failure(.invalidCredentials, "No."))
                }
                let attempt = attempts.withLock { attempts in
                    attempts += 1
                    return attempts
                }
                guard attempt > 2 else {
                    return try .problem(Failure(.rateLimited, "Slowly.", retryAfterMilliseconds: 120))
                }
                return try .json(Fixtures.tokens(), status: 201)
            }
            try await self.withHTTP([edge.address], group) { http in
                let start = ContinuousClock.now
                _ = try await http.register(RegisterRequest(username: "anna", password: "12345678"))
                #expect(ContinuousClock.now - start >= .milliseconds(240))
                #expect(attempts.withLock { $0 } == 3)
                let error = await #expect(throws: TrunklineError.self) {
                    try await http.login(LoginRequest(username: "anna", password: "wrong"))
                }
                #expect(error?.code == .server(.invalidCredentials))
                #expect(error?.status == 401)
                #expect(error?.message == "No.")
            }
            await edge.stop()
        }
    }

    @Test("another edge is asked when one is not there")
    func otherEdge() async throws {
        try await Fixtures.withEventLoops { group in
            let dead = try await StubEdge.start(on: group)
            await dead.stop()
            let edge = try await StubEdge.start(on: group) { _, _ in
            } onRequest: { _ in
                try .json(Fixtures.tokens(), status: 201)
            }
            try await self.withHTTP([dead.address, edge.address], group) { http in
                _ = try await http.register(RegisterRequest(username: "anna", password: "12345678"), edge: 0)
            }
            #expect(edge.requests.count == 1)
            await edge.stop()
        }
    }

    @Test("with the outcome unknown, only what is safe to repeat is repeated")
    func unknownOutcome() async throws {
        try await Fixtures.withEventLoops { group in
            let counts = Mutex([String: Int]())
            let edge = try await StubEdge.start(on: group) { _, _ in
            } onRequest: { request in
                let count = counts.withLock { counts in
                    counts[request.uri, default: 0] += 1
                    return counts[request.uri, default: 0]
                }
                if count == 1 { return StubEdge.Answer(status: 0, body: [], isLost: true) }
                let send = try JSONBody.decode(SendMessageRequest.self, from: request.body)
                return try .json(Fixtures.sent(send, seq: 1, isDuplicate: true))
            }
            try await self.withHTTP([edge.address], group) { http in
                let sent = try await http.send(Fixtures.request("x"), token: "t")
                #expect(sent.isDuplicate)
                let error = await #expect(throws: TrunklineError.self) {
                    try await http.refresh("token")
                }
                #expect(error?.hadNoEffect == false)
            }
            #expect(counts.withLock { $0 } == ["/api/messages": 2, "/api/auth/refresh": 1])
            await edge.stop()
        }
    }

    @Test("an answer that is no JSON, no problem or too large is an error")
    func badAnswers() async throws {
        try await Fixtures.withEventLoops { group in
            let edge = try await StubEdge.start(on: group) { _, _ in
            } onRequest: { request in
                switch request.uri {
                case "/api/auth/register": StubEdge.Answer(status: 201, body: Array("<html>".utf8))
                case "/api/auth/login": StubEdge.Answer(status: 400, body: Array("<html>".utf8))
                default: StubEdge.Answer(status: 200, body: Array(repeating: 0x20, count: 2000))
                }
            }
            var settings = TrunklineHTTP.Settings()
            settings.answerBytesMax = 1000
            let http = TrunklineHTTP(edges: [edge.address], eventLoops: group, settings: settings)
            var error = await #expect(throws: TrunklineError.self) {
                try await http.register(RegisterRequest(username: "anna", password: "12345678"))
            }
            #expect(error?.code == .protocolViolation)
            error = await #expect(throws: TrunklineError.self) {
                try await http.login(LoginRequest(username: "anna", password: "12345678"))
            }
            #expect(error?.code == .server(.malformed))
            error = await #expect(throws: TrunklineError.self) {
                try await http.refresh("token")
            }
            #expect(error?.code == .protocolViolation)
            await http.shutDown()
            await edge.stop()
        }
    }
}
