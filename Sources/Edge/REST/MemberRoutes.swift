// SPDX-License-Identifier: Apache-2.0

internal import ClientProtocol
import HTTPTypes
internal import Messaging
internal import Placement
internal import Wire

/// `/api/conversations/{conversation_id}/members`
enum MemberRoutes {
    static func routes(_ routers: any RouterCalls) -> [Route] {
        [
            Route(.get, "/api/conversations/{conversation_id}/members", .bearer) { (request) throws(Failure) in
                let get = GetConversation(
                    conversation: try request.conversation(),
                    actor: try request.authenticated().user,
                    membersAfter: try request.user(query: "after"),
                    membersMax: try request.limit(default: Limits.membersShownMax, atMost: Limits.membersShownMax)
                )
                return try .json(try await Self.change(.getConversation, get.conversation, get, routers))
            },
            Route(.post, "/api/conversations/{conversation_id}/members", .bearer) { (request) throws(Failure) in
                let users = Set(try request.json(as: AddMembersRequest.self).userIDs).sorted()
                guard (1...Limits.membersPerRequestMax).contains(users.count) else {
                    throw Failure(
                        .invalidField,
                        "The field `user_ids` must name 1 to \(Limits.membersPerRequestMax) users."
                    )
                }
                let addition = AddMembers(
                    conversation: try request.conversation(),
                    actor: try request.authenticated().user,
                    users: users
                )
                try await Self.checkExistence(of: users, field: "user_ids", routers)
                return try .json(try await Self.change(.addMembers, addition.conversation, addition, routers))
            },
            Route(.put, "/api/conversations/{conversation_id}/members/{user_id}", .bearer) {
                (request) throws(Failure) in
                let change = SetMemberRole(
                    conversation: try request.conversation(),
                    actor: try request.authenticated().user,
                    user: try Self.member(request),
                    role: try request.json(as: SetRoleRequest.self).role
                )
                return try .json(try await Self.change(.setMemberRole, change.conversation, change, routers))
            },
            Route(.delete, "/api/conversations/{conversation_id}/members/{user_id}", .bearer) {
                (request) throws(Failure) in
                let removal = RemoveMember(
                    conversation: try request.conversation(),
                    actor: try request.authenticated().user,
                    user: try Self.member(request)
                )
                let _: Empty = try await routers.call(
                    .removeMember,
                    slot: Slot(of: removal.conversation.value),
                    body: removal,
                    timeout: nil
                )
                return .noContent
            },
        ]
    }

    /// - Throws: `unknown_user` with the first one that does not exist.
    static func checkExistence(
        of users: [UserID],
        field: String,
        _ routers: any RouterCalls
    ) async throws(Failure) {
        guard !users.isEmpty else { return }
        let known = Set(try await routers.users(users).map(\.id))
        guard let unknown = users.first(where: { !known.contains($0) }) else { return }
        throw Failure(.unknownUser, "The field `\(field)` names \(unknown), and there is no such user.")
    }

    private static func change(
        _ kind: RequestKind,
        _ conversation: ConversationID,
        _ body: some WireMessage,
        _ routers: any RouterCalls
    ) async throws(Failure) -> MembersResponse {
        let state = try await ConversationRoutes.change(kind, conversation, body, routers)
        return MembersResponse(members: state.members, memberCount: state.memberCount ?? state.members.count)
    }

    /// A text that is no user's id names nobody who could be a member.
    private static func member(_ request: RESTRequest) throws(Failure) -> UserID {
        guard let user = request.parameters["user_id"].flatMap({ UserID($0) }) else { throw .noSuchConversation }
        return user
    }
}
