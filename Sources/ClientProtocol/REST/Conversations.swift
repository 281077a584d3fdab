// SPDX-License-Identifier: Apache-2.0

package import Messaging

/// A member as JSON shows it.
package struct ConversationMember: Codable, Hashable, Sendable {
    package var userID: UserID
    package var role: MemberRole

    package init(userID: UserID, role: MemberRole) {
        self.userID = userID
        self.role = role
    }

    package init(_ member: Member) {
        self.init(userID: member.user, role: member.role)
    }

    private enum CodingKeys: String, CodingKey {
        case userID = "user_id"
        case role
    }
}

/// `POST /api/conversations`
package struct CreateConversationRequest: Codable, Hashable, Sendable {
    package var kind: ConversationKind
    /// The others; the creator may be among them or not.
    package var memberIDs: [UserID]
    package var title: String?

    package init(kind: ConversationKind, memberIDs: [UserID], title: String? = nil) {
        self.kind = kind
        self.memberIDs = memberIDs
        self.title = title
    }

    private enum CodingKeys: String, CodingKey {
        case kind
        case memberIDs = "member_ids"
        case title
    }
}

/// A conversation with its members.
package struct ConversationResponse: Codable, Hashable, Sendable {
    package var conversationID: ConversationID
    package var kind: ConversationKind
    package var title: String
    /// The first ones, where there are many.
    package var members: [ConversationMember]
    /// Of all members; nil from an edge of an earlier version.
    package var memberCount: Int?
    package var headSeq: UInt64
    package var createdAt: Timestamp

    package init(
        conversationID: ConversationID,
        kind: ConversationKind,
        title: String,
        members: [ConversationMember],
        memberCount: Int? = nil,
        headSeq: UInt64,
        createdAt: Timestamp
    ) {
        self.conversationID = conversationID
        self.kind = kind
        self.title = title
        self.members = members
        self.memberCount = memberCount ?? members.count
        self.headSeq = headSeq
        self.createdAt = createdAt
    }

    package init(_ conversation: Conversation, members: [Member], memberCount: Int? = nil) {
        self.init(
            conversationID: conversation.id,
            kind: conversation.kind,
            title: conversation.title,
            members: members.map(ConversationMember.init),
            memberCount: memberCount,
            headSeq: conversation.headSeq,
            createdAt: Timestamp(conversation.createdAt)
        )
    }

    private enum CodingKeys: String, CodingKey {
        case conversationID = "conversation_id"
        case kind
        case title
        case members
        case memberCount = "member_count"
        case headSeq = "head_seq"
        case createdAt = "created_at"
    }
}

/// One row of ``ConversationListResponse``.
package struct ConversationListItem: Codable, Hashable, Sendable {
    package var conversationID: ConversationID
    package var kind: ConversationKind
    package var title: String
    package var memberCount: Int
    package var headSeq: UInt64
    /// How far the asking user has read.
    package var readSeq: UInt64
    /// The messages after that, the user's own among them: sending a message moves no watermark, since only a device
    /// knows what was seen before.
    package var unreadCount: UInt64
    /// The newest message that the asking user may see.
    package var lastMessage: DeliveredMessage?
    package var createdAt: Timestamp

    package init(
        conversationID: ConversationID,
        kind: ConversationKind,
        title: String,
        memberCount: Int,
        headSeq: UInt64,
        readSeq: UInt64,
        unreadCount: UInt64,
        lastMessage: DeliveredMessage?,
        createdAt: Timestamp
    ) {
        self.conversationID = conversationID
        self.kind = kind
        self.title = title
        self.memberCount = memberCount
        self.headSeq = headSeq
        self.readSeq = readSeq
        self.unreadCount = unreadCount
        self.lastMessage = lastMessage
        self.createdAt = createdAt
    }

    private enum CodingKeys: String, CodingKey {
        case conversationID = "conversation_id"
        case kind
        case title
        case memberCount = "member_count"
        case headSeq = "head_seq"
        case readSeq = "read_seq"
        case unreadCount = "unread_count"
        case lastMessage = "last_message"
        case createdAt = "created_at"
    }
}

/// `GET /api/conversations`
package struct ConversationListResponse: Codable, Hashable, Sendable {
    package var conversations: [ConversationListItem]
    /// What to ask with for the next page; absent on the last one.
    package var nextCursor: String?

    package init(conversations: [ConversationListItem], nextCursor: String?) {
        self.conversations = conversations
        self.nextCursor = nextCursor
    }

    private enum CodingKeys: String, CodingKey {
        case conversations
        case nextCursor = "next_cursor"
    }
}

/// `PUT /api/conversations/{id}`
package struct UpdateConversationRequest: Codable, Hashable, Sendable {
    package var title: String

    package init(title: String) {
        self.title = title
    }
}

/// `POST /api/conversations/{id}/members`
package struct AddMembersRequest: Codable, Hashable, Sendable {
    package var userIDs: [UserID]

    package init(userIDs: [UserID]) {
        self.userIDs = userIDs
    }

    private enum CodingKeys: String, CodingKey {
        case userIDs = "user_ids"
    }
}

/// `GET /api/conversations/{id}/members`
package struct MembersResponse: Codable, Hashable, Sendable {
    /// In the order of their ids, where they are not all.
    package var members: [ConversationMember]
    /// Of all members; nil from an edge of an earlier version.
    package var memberCount: Int?

    package init(members: [ConversationMember], memberCount: Int) {
        self.members = members
        self.memberCount = memberCount
    }

    private enum CodingKeys: String, CodingKey {
        case members
        case memberCount = "member_count"
    }
}

/// `PUT /api/conversations/{id}/members/{user_id}`
package struct SetRoleRequest: Codable, Hashable, Sendable {
    package var role: MemberRole

    package init(role: MemberRole) {
        self.role = role
    }
}
