// SPDX-License-Identifier: Apache-2.0

import ClientProtocol
import Messaging
import Synchronization
import TestSupport
import Testing
import Wire

@testable import Edge

@Suite("Accounts")
struct AccountsTests {
    @Test("Registering makes a user whom others find, and tokens that are good")
    func register() async throws {
        try await HTTPTestEdge.with { edge in
            let made = try await Self.register(edge, #"{"username":"Ada","password":"correct horse"}"#)
            let claims = try edge.tokens.verify(accessToken: made.accessToken)
            #expect(claims.user == made.userID)
            #expect(claims.device == made.deviceID)
            #expect(made.expiresIn == 900)
            let found = try await edge.ask("GET", "/api/users/search?username=ADA", token: made.accessToken)
            let users = try found.decoded(as: UserSearchResponse.self).users
            #expect(users.map(\.userID) == [made.userID])
            #expect(users.first?.displayName == "ada")
            let stored = edge.routers.state.withLock { $0.users[made.userID]?.passwordHash }
            #expect(stored?.hasPrefix("$scrypt$ln=4,r=8,p=1$") == true)
        }
    }

    @Test("The answer waits until the user is in its own slot")
    func registerWaits() async throws {
        try await HTTPTestEdge.with { edge in
            edge.routers.state.withLock { $0.questionsUntilCreated = 3 }
            let made = try await Self.register(edge, #"{"username":"ada","password":"correct horse"}"#)
            #expect(edge.routers.state.withLock { $0.questionsUntilCreated } == 0)
            #expect(edge.routers.state.withLock { $0.users[made.userID] } != nil)
        }
    }

    @Test("A name is given once")
    func taken() async throws {
        try await HTTPTestEdge.with { edge in
            _ = try await Self.register(edge, #"{"username":"ada","password":"correct horse"}"#)
            let second = try await edge.ask(
                "POST",
                "/api/auth/register",
                json: #"{"username":"ADA","password":"another horse"}"#
            )
            #expect(second.status == 409)
            #expect(second.code == "username_taken")
        }
    }

    @Test("Logging in gives the device that is asked for, or a new one")
    func login() async throws {
        try await HTTPTestEdge.with { edge in
            let made = try await Self.register(edge, #"{"username":"ada","password":"correct horse"}"#)
            let fresh = try await edge.ask(
                "POST",
                "/api/auth/login",
                json: #"{"username":"aDa","password":"correct horse","device":{"name":"phone","type":"mobile"}}"#
            )
            #expect(fresh.status == 200)
            let new = try fresh.decoded(as: TokenResponse.self)
            #expect(new.userID == made.userID)
            #expect(new.deviceID != made.deviceID)
            let again = try await edge.ask(
                "POST",
                "/api/auth/login",
                json: """
                    {"username":"ada","password":"correct horse","device":{"device_id":"\(made.deviceID)"}}
                    """
            )
            #expect(try again.decoded(as: TokenResponse.self).deviceID == made.deviceID)
        }
    }

    @Test("An unknown name and a wrong password get the same answer, after the same work")
    func wrong() async throws {
        try await HTTPTestEdge.with { edge in
            _ = try await Self.register(edge, #"{"username":"ada","password":"correct horse"}"#)
            var bodies: Set<JSONValue?> = []
            for (name, password) in [("ada", "wrong horse"), ("eve", "correct horse"), ("no name", "correct horse")] {
                let answer = try await edge.ask(
                    "POST",
                    "/api/auth/login",
                    json: #"{"username":"\#(name)","password":"\#(password)"}"#
                )
                #expect(answer.status == 401)
                #expect(answer.code == "invalid_credentials")
                bodies.insert(answer.json)
            }
            #expect(bodies.count == 1)
        }
    }

    @Test("A refresh token is good for one exchange; using it again logs the device out")
    func refresh() async throws {
        try await HTTPTestEdge.with { edge in
            let first = try await Self.register(edge, #"{"username":"ada","password":"correct horse"}"#)
            let second = try await Self.refresh(edge, first.refreshToken).decoded(as: TokenResponse.self)
            #expect(second.userID == first.userID)
            #expect(second.deviceID == first.deviceID)
            #expect(second.refreshToken != first.refreshToken)
            let reused = try await Self.refresh(edge, first.refreshToken)
            #expect(reused.status == 401)
            #expect(reused.code == "refresh_token_reused")
            #expect(try await Self.refresh(edge, second.refreshToken).code == "unauthenticated")
        }
    }

    @Test("Logging out voids the refresh token")
    func logout() async throws {
        try await HTTPTestEdge.with { edge in
            let made = try await Self.register(edge, #"{"username":"ada","password":"correct horse"}"#)
            let answer = try await edge.ask("POST", "/api/auth/logout", token: made.accessToken)
            #expect(answer.status == 204)
            #expect(answer.body.isEmpty)
            #expect(try await Self.refresh(edge, made.refreshToken).code == "unauthenticated")
        }
    }

    @Test("A name whose user is still on the way is not ready, and says so")
    func notReady() async throws {
        try await HTTPTestEdge.with { edge in
            edge.routers.state.withLock { $0.names["ada"] = .generate() }
            let answer = try await edge.ask(
                "POST",
                "/api/auth/login",
                json: #"{"username":"ada","password":"correct horse"}"#
            )
            #expect(answer.status == 503)
            #expect(answer.code == "unavailable")
            #expect(answer.headers["retry-after"] == "1")
        }
    }

    private static func register(_ edge: HTTPTestEdge, _ json: String) async throws -> TokenResponse {
        let answer = try await edge.ask("POST", "/api/auth/register", json: json)
        #expect(answer.status == 201, "\(answer.text)")
        return try answer.decoded()
    }

    private static func refresh(_ edge: HTTPTestEdge, _ token: String) async throws -> TestAnswer {
        try await edge.ask("POST", "/api/auth/refresh", json: #"{"refresh_token":"\#(token)"}"#)
    }
}
