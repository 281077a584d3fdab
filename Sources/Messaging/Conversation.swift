// SPDX-License-Identifier: Apache-2.0

/// What a conversation is. The raw value is the number on the mesh and in the database; never renumber.
package enum ConversationKind: UInt8, Sendable, CaseIterable {
    /// Two users, no roles, an id derived from both.
    case direct = 1
    /// Every member may post.
    case group = 2
    /// Only owners and admins may post.
    case channel = 3

    package var name: String {
        switch self {
        case .direct: "direct"
        case .group: "group"
        case .channel: "channel"
        }
    }

    package init?(name: String) {
        guard let kind = Self.allCases.first(where: { $0.name == name }) else { return nil }
        self = kind
    }
}

/// A member's role. The raw value is the number on the mesh and in the database; a larger one may do more.
package enum MemberRole: UInt8, Sendable, CaseIterable, Comparable {
    case member = 1
    case admin = 2
    case owner = 3

    package var name: String {
        switch self {
        case .member: "member"
        case .admin: "admin"
        case .owner: "owner"
        }
    }

    package init?(name: String) {
        guard let role = Self.allCases.first(where: { $0.name == name }) else { return nil }
        self = role
    }

    package static func < (left: Self, right: Self) -> Bool {
        left.rawValue < right.rawValue
    }
}

/// One member of a conversation.
package struct Member: Hashable, Sendable {
    package var user: UserID
    package var role: MemberRole
    /// The `head_seq` at the moment of joining: what came before is not delivered to the member (contract C8).
    package var joinedSeq: UInt64
    /// How far the member has come, at the moment that this was read.
    package var watermarks: Watermarks

    package var readSeq: UInt64 { self.watermarks.read }

    package init(user: UserID, role: MemberRole, joinedSeq: UInt64 = 0, watermarks: Watermarks = .zero) {
        self.user = user
        self.role = role
        self.joinedSeq = joinedSeq
        self.watermarks = watermarks
    }

    package init(user: UserID, role: MemberRole, joinedSeq: UInt64 = 0, readSeq: UInt64) {
        self.init(
            user: user,
            role: role,
            joinedSeq: joinedSeq,
            watermarks: Watermarks(delivered: readSeq, read: readSeq)
        )
    }
}

/// A conversation without its messages.
package struct Conversation: Hashable, Sendable {
    package var id: ConversationID
    package var kind: ConversationKind
    package var title: String
    package var createdBy: UserID
    package var createdAt: UnixMilliseconds
    /// The `seq` of the newest message, 0 when there is none.
    package var headSeq: UInt64

    package init(
        id: ConversationID,
        kind: ConversationKind,
        title: String,
        createdBy: UserID,
        createdAt: UnixMilliseconds,
        headSeq: UInt64
    ) {
        self.id = id
        self.kind = kind
        self.title = title
        self.createdBy = createdBy
        self.createdAt = createdAt
        self.headSeq = headSeq
    }
}
