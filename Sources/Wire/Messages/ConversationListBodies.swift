// SPDX-License-Identifier: Apache-2.0

import Fields
import Messaging

/// Edge → owner: what a list shows of these conversations, all of them in slots of this owner.
/// Those of which the user is not a member are left out of the answer.
package struct ConversationSummaries: WireMessage, Equatable {
    package var user: UserID
    package var conversations: [ConversationID]

    package init(user: UserID, conversations: [ConversationID]) {
        self.user = user
        self.conversations = conversations
    }

    package func encode(into writer: inout FieldWriter) {
        writer.identifier(1, self.user)
        writer.identifiers(2, self.conversations)
    }

    package init(from reader: inout FieldReader) throws(FieldError) {
        var user: UserID?
        var conversations: [ConversationID] = []
        while let field = try reader.next() {
            switch field.number {
            case 1: user = try field.identifier()
            case 2: conversations = try field.identifiers(atMost: Limits.pageRowsMax)
            default: break
            }
        }
        guard let user else { throw .missing(field: 1) }
        self.init(user: user, conversations: conversations)
    }
}

/// One row of a list of conversations.
package struct ConversationSummary: WireMessage, Equatable {
    package var conversation: Conversation
    /// The asking user as a member.
    package var own: Member
    package var memberCount: UInt32
    /// The newest message that the user may see.
    package var lastMessage: Message?
    /// Grows with every change of the conversation that is not a message: of its title, members, roles and receipts.
    package var stateVersion: UInt64

    package init(
        conversation: Conversation,
        own: Member,
        memberCount: UInt32,
        lastMessage: Message?,
        stateVersion: UInt64 = 0
    ) {
        self.conversation = conversation
        self.own = own
        self.memberCount = memberCount
        self.lastMessage = lastMessage
        self.stateVersion = stateVersion
    }

    package func encode(into writer: inout FieldWriter) {
        writer.message(1, ConversationBody(self.conversation))
        writer.message(2, MemberBody(self.own))
        writer.integer(3, self.memberCount)
        if let lastMessage = self.lastMessage {
            writer.message(4, MessageBody(lastMessage))
        }
        writer.integer(5, self.stateVersion)
    }

    package init(from reader: inout FieldReader) throws(FieldError) {
        var conversation: Conversation?
        var own: Member?
        var memberCount: UInt32 = 0
        var lastMessage: Message?
        var stateVersion: UInt64 = 0
        while let field = try reader.next() {
            switch field.number {
            case 1: conversation = try field.message(as: ConversationBody.self).value
            case 2: own = try field.message(as: MemberBody.self).value
            case 3: memberCount = try field.integer()
            case 4: lastMessage = try field.message(as: MessageBody.self).message
            case 5: stateVersion = try field.integer()
            default: break
            }
        }
        guard let conversation else { throw .missing(field: 1) }
        guard let own else { throw .missing(field: 2) }
        self.init(
            conversation: conversation,
            own: own,
            memberCount: memberCount,
            lastMessage: lastMessage,
            stateVersion: stateVersion
        )
    }
}

/// The answer to ``ConversationSummaries``.
package struct ConversationSummaryList: WireMessage, Equatable {
    package var summaries: [ConversationSummary]

    package init(summaries: [ConversationSummary]) {
        self.summaries = summaries
    }

    package func encode(into writer: inout FieldWriter) {
        writer.messages(1, self.summaries)
    }

    package init(from reader: inout FieldReader) throws(FieldError) {
        var summaries: [ConversationSummary] = []
        while let field = try reader.next() {
            switch field.number {
            case 1: try summaries.append(field, atMost: Limits.pageRowsMax)
            default: break
            }
        }
        self.init(summaries: summaries)
    }
}

/// Edge → owner of the user's slot: a page of the user's conversations, newest id first.
package struct ListConversations: WireMessage, Equatable {
    package var user: UserID
    /// The last id of the page before.
    package var after: ConversationID?
    package var limit: UInt32

    package init(user: UserID, after: ConversationID?, limit: UInt32) {
        self.user = user
        self.after = after
        self.limit = limit
    }

    package func encode(into writer: inout FieldWriter) {
        writer.identifier(1, self.user)
        if let after = self.after {
            writer.identifier(2, after)
        }
        writer.integer(3, self.limit)
    }

    package init(from reader: inout FieldReader) throws(FieldError) {
        var user: UserID?
        var after: ConversationID?
        var limit: UInt32 = 0
        while let field = try reader.next() {
            switch field.number {
            case 1: user = try field.identifier()
            case 2: after = try field.identifier()
            case 3: limit = try field.integer()
            default: break
            }
        }
        guard let user else { throw .missing(field: 1) }
        self.init(user: user, after: after, limit: limit)
    }
}

/// The answer to ``ListConversations``.
package struct ConversationIDList: WireMessage, Equatable {
    package var conversations: [ConversationID]
    package var hasMore: Bool

    package init(conversations: [ConversationID], hasMore: Bool) {
        self.conversations = conversations
        self.hasMore = hasMore
    }

    package func encode(into writer: inout FieldWriter) {
        writer.identifiers(1, self.conversations)
        writer.flag(2, self.hasMore)
    }

    package init(from reader: inout FieldReader) throws(FieldError) {
        var conversations: [ConversationID] = []
        var hasMore = false
        while let field = try reader.next() {
            switch field.number {
            case 1: conversations = try field.identifiers(atMost: Limits.pageRowsMax)
            case 2: hasMore = try field.flag()
            default: break
            }
        }
        self.init(conversations: conversations, hasMore: hasMore)
    }
}
