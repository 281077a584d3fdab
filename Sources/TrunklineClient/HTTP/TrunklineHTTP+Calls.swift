// SPDX-License-Identifier: Apache-2.0

package import ClientProtocol
package import Messaging
package import NIOCore
internal import NIOHTTP1

extension TrunklineHTTP {
    // MARK: - Accounts

    /// Not repeated when its outcome is unknown: the username would be taken, by this very request.
    package func register(_ request: RegisterRequest, edge: Int = 0) async throws(TrunklineError) -> TokenResponse {
        try await self.perform(Self.call("/api/auth/register", request), TokenResponse.self, edge: edge)
    }

    package func login(_ request: LoginRequest, edge: Int = 0) async throws(TrunklineError) -> TokenResponse {
        try await self.perform(Self.call("/api/auth/login", request), TokenResponse.self, edge: edge)
    }

    /// A refresh token is good for once. Not repeated when its outcome is unknown: the second use of one ends all that
    /// came from it.
    package func refresh(_ token: String, edge: Int = 0) async throws(TrunklineError) -> TokenResponse {
        let call = try Self.call("/api/auth/refresh", RefreshRequest(refreshToken: token))
        return try await self.perform(call, TokenResponse.self, edge: edge)
    }

    /// As the other, for callers on an event loop.
    package func refresh(
        _ token: String,
        edge: Int,
        on eventLoop: any EventLoop
    ) -> EventLoopFuture<TokenResponse> {
        do throws(TrunklineError) {
            let call = try Self.call("/api/auth/refresh", RefreshRequest(refreshToken: token))
            return self.perform(call, TokenResponse.self, edge: edge, on: eventLoop)
        } catch {
            return eventLoop.makeFailedFuture(error)
        }
    }

    // MARK: - Conversations

    /// A direct conversation is the same one each time; a group is a new one, and so is not asked for twice.
    package func createConversation(
        _ request: CreateConversationRequest,
        token: String,
        edge: Int = 0
    ) async throws(TrunklineError) -> ConversationResponse {
        var call = try Self.call("/api/conversations", request)
        call.token = token
        call.scope = request.kind == .direct ? .always : .ifWithoutEffect
        return try await self.perform(call, ConversationResponse.self, edge: edge)
    }

    /// Makes users members of a group or channel; those who are already stay as they are.
    ///
    /// - Parameter users: 1 to ``Limits/membersPerRequestMax``.
    @discardableResult
    package func addMembers(
        _ users: [UserID],
        to conversation: ConversationID,
        token: String,
        edge: Int = 0
    ) async throws(TrunklineError) -> MembersResponse {
        var call = try Self.call("/api/conversations/\(conversation)/members", AddMembersRequest(userIDs: users))
        call.token = token
        call.scope = .always
        return try await self.perform(call, MembersResponse.self, edge: edge)
    }

    /// Takes a user out of a group or channel. For somebody who is no member the answer is 404, so also when it is repeated
    /// because the answer to the first time was lost.
    package func removeMember(
        _ user: UserID,
        from conversation: ConversationID,
        token: String,
        edge: Int = 0
    ) async throws(TrunklineError) {
        let path = "/api/conversations/\(conversation)/members/\(user)"
        let call = Call(method: .DELETE, path: path, token: token, body: nil, scope: .always)
        do {
            _ = try await self.bytes(call, edge: edge, on: self.eventLoops.next()).get()
        } catch {
            throw TrunklineError(requestFailure: error)
        }
    }

    /// One page of the own conversations.
    ///
    /// - Parameter cursor: The `next_cursor` of the page before, nil for the first.
    package func conversations(
        cursor: String? = nil,
        limit: Int = Limits.pageRowsDefault,
        token: String,
        edge: Int = 0
    ) async throws(TrunklineError) -> ConversationListResponse {
        var path = "/api/conversations?limit=\(limit)"
        if let cursor { path += "&cursor=\(Self.percentEncoded(cursor))" }
        let call = Call(method: .GET, path: path, token: token, body: nil, scope: .always)
        return try await self.perform(call, ConversationListResponse.self, edge: edge)
    }

    // MARK: - Messages

    /// The messages that follow `after`, at most `limit` (1…``Limits/pageRowsMax``).
    package func messages(
        in conversation: ConversationID,
        after: UInt64,
        limit: Int = Limits.pageRowsMax,
        token: String,
        edge: Int = 0
    ) async throws(TrunklineError) -> MessagesResponse {
        let call = Self.messagesCall(conversation, after: after, limit: limit, token: token)
        return try await self.perform(call, MessagesResponse.self, edge: edge)
    }

    /// As the other, for callers on an event loop.
    package func messages(
        in conversation: ConversationID,
        after: UInt64,
        limit: Int,
        token: String,
        edge: Int,
        on eventLoop: any EventLoop
    ) -> EventLoopFuture<MessagesResponse> {
        let call = Self.messagesCall(conversation, after: after, limit: limit, token: token)
        return self.perform(call, MessagesResponse.self, edge: edge, on: eventLoop)
    }

    /// Repeated without harm, because the client message id makes the second time the same as the first.
    package func send(
        _ request: SendMessageRequest,
        token: String,
        edge: Int = 0
    ) async throws(TrunklineError) -> MessageSent {
        var call = try Self.call("/api/messages", request)
        call.token = token
        call.scope = .always
        return try await self.perform(call, MessageSent.self, edge: edge)
    }

    // MARK: - Receipts

    /// What has become of a message.
    package func status(
        of message: MessageID,
        token: String,
        edge: Int = 0
    ) async throws(TrunklineError) -> MessageStatusResponse {
        let path = "/api/messages/\(message)/status"
        let call = Call(method: .GET, path: path, token: token, body: nil, scope: .always)
        return try await self.perform(call, MessageStatusResponse.self, edge: edge)
    }

    /// How far the members of a conversation have come; for callers on an event loop.
    package func receipts(
        in conversation: ConversationID,
        token: String,
        edge: Int,
        on eventLoop: any EventLoop
    ) -> EventLoopFuture<ReceiptsResponse> {
        let path = "/api/conversations/\(conversation)/receipts"
        let call = Call(method: .GET, path: path, token: token, body: nil, scope: .always)
        return self.perform(call, ReceiptsResponse.self, edge: edge, on: eventLoop)
    }

    // MARK: - Operation

    /// What a node tells of itself, in the text format of Prometheus. Routers answer it as edges do.
    package func metrics(edge: Int) async throws(TrunklineError) -> String {
        let call = Call(method: .GET, path: "/metrics", token: nil, body: nil, scope: .always)
        do {
            let bytes = try await self.bytes(call, edge: edge, on: self.eventLoops.next()).get()
            return String(decoding: bytes.readableBytesView, as: UTF8.self)
        } catch {
            throw TrunklineError(requestFailure: error)
        }
    }

    // MARK: - Parts

    private static func call(_ path: String, _ body: some Encodable) throws(TrunklineError) -> Call {
        do {
            let bytes = try JSONBody.encode(body)
            return Call(method: .POST, path: path, token: nil, body: bytes, scope: .ifWithoutEffect)
        } catch {
            throw TrunklineError(.protocolViolation, "The request cannot be written as JSON: \(error)")
        }
    }

    private static func messagesCall(
        _ conversation: ConversationID,
        after: UInt64,
        limit: Int,
        token: String
    ) -> Call {
        Call(
            method: .GET,
            path: "/api/conversations/\(conversation)/messages?after=\(after)&limit=\(limit)",
            token: token,
            body: nil,
            scope: .always
        )
    }

    /// Everything but the unreserved characters of RFC 3986 §2.3 is escaped.
    static func percentEncoded(_ text: String) -> String {
        var encoded = ""
        for byte in text.utf8 {
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "_"),
                UInt8(ascii: "~"):
                encoded.unicodeScalars.append(Unicode.Scalar(byte))
            default:
                let digits = String(byte, radix: 16, uppercase: true)
                encoded += "%" + (digits.count == 1 ? "0" : "") + digits
            }
        }
        return encoded
    }
}
