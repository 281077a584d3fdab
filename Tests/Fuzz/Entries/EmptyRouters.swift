// SPDX-License-Identifier: Apache-2.0

import Messaging
import NIOCore
import Placement
import Synchronization
import Wire

@testable import Edge

/// Routers of a cluster in which all users exist and nothing else does.
final class EmptyRouters: RouterCalls {
    private let answersNothing: Bool
    private let count = Atomic(0)

    /// - Parameter answersNothing: every call fails; otherwise those whose answer may be empty, or needs no knowledge,
    ///   succeed.
    init(answersNothing: Bool) {
        self.answersNothing = answersNothing
    }

    var calls: Int { self.count.load(ordering: .relaxed) }

    private func called() throws(Failure) {
        self.count.wrappingAdd(1, ordering: .relaxed)
        guard !self.answersNothing else { throw .outOfTime(mayHaveArrived: false) }
    }

    func call<Response: WireMessage>(
        _ kind: RequestKind,
        slot: Slot,
        body: some WireMessage,
        timeout: Duration?
    ) async throws(Failure) -> Response {
        try self.called()
        do throws(FieldError) {
            return try Response(decoding: ByteBuffer())
        } catch {
            throw .noSuchConversation
        }
    }

    func users(_ users: [UserID]) async throws(Failure) -> [UserProfile] {
        try self.called()
        return users.map { UserProfile(id: $0, username: "somebody", displayName: "Somebody", createdAt: 0) }
    }

    func conversationSummaries(
        _ conversations: [ConversationID],
        of user: UserID
    ) async throws(Failure) -> [ConversationSummary] {
        try self.called()
        return []
    }

    func submit(_ submit: Submit) async throws(Failure) -> Accepted {
        try self.called()
        return Accepted(seq: 1, createdAt: 1_800_000_000_000, duplicate: false)
    }
}

/// One interface for all inputs, with routers of its own for each.
struct CurrentRouters: RouterCalls {
    let current: @Sendable () -> EmptyRouters

    func call<Response: WireMessage>(
        _ kind: RequestKind,
        slot: Slot,
        body: some WireMessage,
        timeout: Duration?
    ) async throws(Failure) -> Response {
        try await self.current().call(kind, slot: slot, body: body, timeout: timeout)
    }

    func users(_ users: [UserID]) async throws(Failure) -> [UserProfile] {
        try await self.current().users(users)
    }

    func conversationSummaries(
        _ conversations: [ConversationID],
        of user: UserID
    ) async throws(Failure) -> [ConversationSummary] {
        try await self.current().conversationSummaries(conversations, of: user)
    }

    func submit(_ submit: Submit) async throws(Failure) -> Accepted {
        try await self.current().submit(submit)
    }
}
