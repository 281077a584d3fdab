// SPDX-License-Identifier: Apache-2.0

/// A user of a cluster under test, with one device.
package struct TestUser: Sendable {
    package let id: String
    package let username: String
    package let device: String
    package let token: String
    package let refreshToken: String

    package struct Failure: Error, CustomStringConvertible {
        package var description: String
    }

    package static let password = "correct horse battery staple"

    /// Registers a user through an edge.
    package static func register(_ username: String, port: UInt16) async throws -> TestUser {
        try await Self.account("/api/auth/register", 201, username, port)
    }

    /// Logs a user in with a new device.
    package static func login(_ username: String, port: UInt16) async throws -> TestUser {
        try await Self.account("/api/auth/login", 200, username, port)
    }

    private static func account(_ path: String, _ status: Int, _ username: String, _ port: UInt16) async throws
        -> TestUser
    {
        let answer = try await onThread {
            try PlainHTTP.request(
                "POST",
                path,
                port: port,
                json: #"{"username":"\#(username)","password":"\#(Self.password)"}"#
            )
        }
        guard answer.status == status, let json = answer.json,
            let id = json["user_id"]?.string, let device = json["device_id"]?.string,
            let token = json["access_token"]?.string, let refresh = json["refresh_token"]?.string
        else {
            throw Failure(description: "\(path): \(answer.status) \(String(decoding: answer.body, as: UTF8.self))")
        }
        return TestUser(id: id, username: username, device: device, token: token, refreshToken: refresh)
    }

    /// One request as this user.
    package func request(_ method: String, _ path: String, port: UInt16, json: String? = nil) async throws
        -> PlainHTTP.Response
    {
        try await onThread { try PlainHTTP.request(method, path, port: port, token: self.token, json: json) }
    }

    /// Makes a conversation with others and returns its id.
    package func createConversation(_ kind: String, with members: [TestUser], port: UInt16) async throws -> String {
        let ids = members.map { "\"\($0.id)\"" }.joined(separator: ",")
        let answer = try await self.request(
            "POST",
            "/api/conversations",
            port: port,
            json: #"{"kind":"\#(kind)","member_ids":[\#(ids)]}"#
        )
        guard answer.status == 201, let id = answer.json?["conversation_id"]?.string else {
            throw Failure(description: "\(answer.status) \(String(decoding: answer.body, as: UTF8.self))")
        }
        return id
    }

    /// Opens a WebSocket, authenticates it and catches up.
    ///
    /// - Parameter syncs: whether it says `sync`, after which nothing that is sent passes it by, but which it would have
    ///   to say again at every `resync`. Without, it is told live what the routers send once they know where it is, which
    ///   `authenticated` does not wait for.
    package func connect(port: UInt16, syncs: Bool = true) async throws -> PlainWebSocket {
        let socket = try await onThread { try PlainWebSocket(port: port) }
        let answer = try await socket.command(
            "authenticate",
            #""token":"\#(self.token)","device_id":"\#(self.device)""#
        )
        guard answer["type"]?.string == "authenticated" else {
            throw Failure(description: "not authenticated: \(answer)")
        }
        guard syncs else { return socket }
        let synced = try await socket.command("sync", #""cursors":{}"#)
        guard synced["type"]?.string == "synced" else {
            throw Failure(description: "not synced: \(synced)")
        }
        return socket
    }
}
