// SPDX-License-Identifier: Apache-2.0

import Messaging

/// What a member wants to do in a conversation.
package enum ConversationAction: Sendable, Equatable {
    case post
    case rename
    case delete
    case add
    case setRole(of: UserID, to: MemberRole)
    case remove(UserID)
}

/// Who may do what. Pure rules over the kind, the members and the action.
package enum Permissions {
    /// Nil when it is allowed. A refusal never tells a missing conversation from a forbidden one, except to owners
    /// about their own conversation.
    package static func refusal(
        of action: ConversationAction,
        by actor: UserID,
        in kind: ConversationKind,
        members: MemberList
    ) -> Failure? {
        guard let own = members[actor] else { return .noSuchConversation }
        switch action {
        case .post:
            return kind == .channel && own.role < .admin ? .noSuchConversation : nil
        case .rename, .add:
            return kind != .direct && own.role >= .admin ? nil : .noSuchConversation
        case .delete:
            return kind != .direct && own.role == .owner ? nil : .noSuchConversation
        case .setRole(let user, let role):
            guard kind != .direct, own.role == .owner else { return .noSuchConversation }
            guard let member = members[user] else { return Self.unknownMember }
            return member.role == .owner && role != .owner ? Self.refusalToLoseOwner(user, members) : nil
        case .remove(let user):
            return Self.refusalToRemove(user, by: own, in: kind, members)
        }
    }

    private static let unknownMember = Failure(.unknownUser, "The user is not a member of this conversation.")

    private static func refusalToRemove(
        _ user: UserID,
        by own: Member,
        in kind: ConversationKind,
        _ members: MemberList
    ) -> Failure? {
        guard kind != .direct else { return .noSuchConversation }
        if user == own.user {
            return own.role == .owner ? Self.refusalToLoseOwner(user, members) : nil
        }
        guard own.role >= .admin else { return .noSuchConversation }
        guard let member = members[user] else { return Self.unknownMember }
        // An admin removes members; only an owner removes admins and other owners.
        guard own.role == .owner || member.role == .member else { return .noSuchConversation }
        return nil
    }

    private static func refusalToLoseOwner(_ user: UserID, _ members: MemberList) -> Failure? {
        let hasAnother = members.all.contains { $0.role == .owner && $0.user != user }
        return hasAnother
            ? nil : Failure(.lastOwner, "A conversation keeps at least one owner: make another member owner first.")
    }
}
