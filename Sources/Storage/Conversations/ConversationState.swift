// SPDX-License-Identifier: Apache-2.0

import Messaging

/// A conversation with all that a router keeps of it in memory.
package struct ConversationState: Hashable, Sendable {
    package var conversation: Conversation
    /// In the order of their ids.
    package var members: [Member]
    /// Grows by one with every change of the members or their roles. A larger one is true, so that news of changes may
    /// arrive in any order.
    package var membersVersion: UInt64
    /// Grows with every change that is not a message: of the title, the members, their roles and their receipts. Of what
    /// was read a moment ago, a lower bound.
    package var stateVersion: UInt64

    package init(
        conversation: Conversation,
        members: [Member],
        membersVersion: UInt64,
        stateVersion: UInt64 = 0
    ) {
        self.conversation = conversation
        self.members = members
        self.membersVersion = membersVersion
        self.stateVersion = stateVersion
    }
}

/// What a transaction is about to change; its outbox entries are made from it.
package struct MembershipChange: Hashable, Sendable {
    /// The version that the change leads to.
    package var membersVersion: UInt64
    /// The users who come, go, or get another role. Of a deleted conversation all its members.
    package var users: [UserID]

    package init(membersVersion: UInt64, users: [UserID]) {
        self.membersVersion = membersVersion
        self.users = users
    }
}

/// Makes the entries that tell the users' own slots. Called inside of the transaction: it must not block.
package typealias OutboxBuilder = (MembershipChange) -> [OutboxEntry]

/// What became of the creation of a conversation.
package enum ConversationCreation: Hashable, Sendable {
    /// Stored now. `outbox` holds the ids of the new entries, in the order they were given.
    case created(ConversationState, outbox: [Int64])
    /// It was there already, perhaps with other members or another title; nothing was changed.
    case existed(ConversationState)
    /// There was one with this id, and it was deleted. Only direct conversations come back, with their numbers going on.
    case deleted
}

/// What became of a change to a conversation.
package enum ConversationChange: Hashable, Sendable {
    /// Stored now. `users` are those whom it concerns, `outbox` the ids of the new entries.
    case changed(ConversationState, users: [UserID], outbox: [Int64])
    /// It was so already.
    case unchanged(ConversationState)
    /// It does not exist, or no longer.
    case noSuchConversation
    /// The change would lead to more members than are allowed; nothing was changed.
    case tooManyMembers
}

/// A conversation as one member sees it in a list.
package struct ConversationHead: Hashable, Sendable {
    package var conversation: Conversation
    package var member: Member
    package var memberCount: Int
    /// The newest message, if the member may see it.
    package var lastMessage: Message?
    /// As in ``ConversationState``.
    package var stateVersion: UInt64

    package init(
        conversation: Conversation,
        member: Member,
        memberCount: Int,
        lastMessage: Message?,
        stateVersion: UInt64
    ) {
        self.conversation = conversation
        self.member = member
        self.memberCount = memberCount
        self.lastMessage = lastMessage
        self.stateVersion = stateVersion
    }
}
