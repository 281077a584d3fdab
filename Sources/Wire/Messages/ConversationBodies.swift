// SPDX-License-Identifier: Apache-2.0

import Fields
import Messaging

/// Edge → owner: make a conversation. Repeating it with the same id answers with the one that exists.
package struct CreateConversation: WireMessage, Equatable {
    package var conversation: ConversationID
    package var kind: ConversationKind
    package var title: String
    package var creator: UserID
    /// Everybody but the creator; all of them known to exist.
    package var members: [UserID]

    package init(
        conversation: ConversationID,
        kind: ConversationKind,
        title: String,
        creator: UserID,
        members: [UserID]
    ) {
        self.conversation = conversation
        self.kind = kind
        self.title = title
        self.creator = creator
        self.members = members
    }

    package func encode(into writer: inout FieldWriter) {
        writer.identifier(1, self.conversation)
        writer.integer(2, self.kind.rawValue)
        writer.text(3, self.title)
        writer.identifier(4, self.creator)
        writer.identifiers(5, self.members)
    }

    package init(from reader: inout FieldReader) throws(FieldError) {
        var conversation: ConversationID?
        var kind: ConversationKind?
        var title = ""
        var creator: UserID?
        var members: [UserID] = []
        while let field = try reader.next() {
            switch field.number {
            case 1: conversation = try field.identifier()
            case 2: kind = try field.value()
            case 3: title = try field.text()
            case 4: creator = try field.identifier()
            case 5: members = try field.identifiers(atMost: Limits.membersPerRequestMax)
            default: break
            }
        }
        guard let conversation else { throw .missing(field: 1) }
        guard let kind else { throw .missing(field: 2) }
        guard let creator else { throw .missing(field: 4) }
        self.init(conversation: conversation, kind: kind, title: title, creator: creator, members: members)
    }
}

/// Owner → edge: a conversation and its members as they are after the request.
package struct ConversationState: WireMessage, Equatable {
    package var conversation: Conversation
    /// At most ``Limits/usersPerFrameMax``.
    package var members: [Member]
    /// Of all members.
    package var memberCount: Int

    /// - Parameter memberCount: when `members` are not all.
    package init(conversation: Conversation, members: [Member], memberCount: Int? = nil) {
        self.conversation = conversation
        self.members = members
        self.memberCount = memberCount ?? members.count
    }

    package func encode(into writer: inout FieldWriter) {
        writer.message(1, ConversationBody(self.conversation))
        writer.messages(2, self.members.map(MemberBody.init))
        if self.memberCount != self.members.count { writer.integer(3, UInt64(self.memberCount)) }
    }

    package init(from reader: inout FieldReader) throws(FieldError) {
        var conversation: Conversation?
        var members: [Member] = []
        var memberCount: Int?
        while let field = try reader.next() {
            switch field.number {
            case 1: conversation = try field.message(as: ConversationBody.self).value
            case 2:
                guard members.count < Limits.usersPerFrameMax else { throw .tooMany(field: 2) }
                members.append(try field.message(as: MemberBody.self).value)
            case 3: memberCount = try field.integer()
            default: break
            }
        }
        guard let conversation else { throw .missing(field: 1) }
        self.init(conversation: conversation, members: members, memberCount: memberCount)
    }
}

/// Edge → owner: a conversation with its members; only for a member.
package struct GetConversation: WireMessage, Equatable {
    package var conversation: ConversationID
    package var actor: UserID
    /// Members with larger ids only, in the order of their ids; a router of an earlier version shows all.
    package var membersAfter: UserID?
    /// At most so many members, up to ``Limits/membersShownMax``; 0 for as many as are shown.
    package var membersMax: UInt32

    package init(conversation: ConversationID, actor: UserID, membersAfter: UserID? = nil, membersMax: UInt32 = 0) {
        self.conversation = conversation
        self.actor = actor
        self.membersAfter = membersAfter
        self.membersMax = membersMax
    }

    package func encode(into writer: inout FieldWriter) {
        writer.identifier(1, self.conversation)
        writer.identifier(2, self.actor)
        if let membersAfter = self.membersAfter { writer.identifier(3, membersAfter) }
        if self.membersMax > 0 { writer.integer(4, self.membersMax) }
    }

    package init(from reader: inout FieldReader) throws(FieldError) {
        var conversation: ConversationID?
        var actor: UserID?
        var membersAfter: UserID?
        var membersMax: UInt32 = 0
        while let field = try reader.next() {
            switch field.number {
            case 1: conversation = try field.identifier()
            case 2: actor = try field.identifier()
            case 3: membersAfter = try field.identifier()
            case 4: membersMax = try field.integer()
            default: break
            }
        }
        guard let conversation else { throw .missing(field: 1) }
        guard let actor else { throw .missing(field: 2) }
        self.init(conversation: conversation, actor: actor, membersAfter: membersAfter, membersMax: membersMax)
    }
}

/// Edge → owner: a new title; only by an admin or owner of a group or channel.
package struct UpdateConversation: WireMessage, Equatable {
    package var conversation: ConversationID
    package var actor: UserID
    package var title: String

    package init(conversation: ConversationID, actor: UserID, title: String) {
        self.conversation = conversation
        self.actor = actor
        self.title = title
    }

    package func encode(into writer: inout FieldWriter) {
        writer.identifier(1, self.conversation)
        writer.identifier(2, self.actor)
        writer.text(3, self.title)
    }

    package init(from reader: inout FieldReader) throws(FieldError) {
        var conversation: ConversationID?
        var actor: UserID?
        var title = ""
        while let field = try reader.next() {
            switch field.number {
            case 1: conversation = try field.identifier()
            case 2: actor = try field.identifier()
            case 3: title = try field.text()
            default: break
            }
        }
        guard let conversation else { throw .missing(field: 1) }
        guard let actor else { throw .missing(field: 2) }
        self.init(conversation: conversation, actor: actor, title: title)
    }
}

/// Edge → owner: delete for everybody; only by an owner of a group or channel.
package struct DeleteConversation: WireMessage, Equatable {
    package var conversation: ConversationID
    package var actor: UserID

    package init(conversation: ConversationID, actor: UserID) {
        self.conversation = conversation
        self.actor = actor
    }

    package func encode(into writer: inout FieldWriter) {
        writer.identifier(1, self.conversation)
        writer.identifier(2, self.actor)
    }

    package init(from reader: inout FieldReader) throws(FieldError) {
        var conversation: ConversationID?
        var actor: UserID?
        while let field = try reader.next() {
            switch field.number {
            case 1: conversation = try field.identifier()
            case 2: actor = try field.identifier()
            default: break
            }
        }
        guard let conversation else { throw .missing(field: 1) }
        guard let actor else { throw .missing(field: 2) }
        self.init(conversation: conversation, actor: actor)
    }
}

/// Edge → owner: add users, all of them known to exist; who is a member stays as is.
package struct AddMembers: WireMessage, Equatable {
    package var conversation: ConversationID
    package var actor: UserID
    package var users: [UserID]

    package init(conversation: ConversationID, actor: UserID, users: [UserID]) {
        self.conversation = conversation
        self.actor = actor
        self.users = users
    }

    package func encode(into writer: inout FieldWriter) {
        writer.identifier(1, self.conversation)
        writer.identifier(2, self.actor)
        writer.identifiers(3, self.users)
    }

    package init(from reader: inout FieldReader) throws(FieldError) {
        var conversation: ConversationID?
        var actor: UserID?
        var users: [UserID] = []
        while let field = try reader.next() {
            switch field.number {
            case 1: conversation = try field.identifier()
            case 2: actor = try field.identifier()
            case 3: users = try field.identifiers(atMost: Limits.membersPerRequestMax)
            default: break
            }
        }
        guard let conversation else { throw .missing(field: 1) }
        guard let actor else { throw .missing(field: 2) }
        self.init(conversation: conversation, actor: actor, users: users)
    }
}

/// Edge → owner: change a role; only by an owner.
package struct SetMemberRole: WireMessage, Equatable {
    package var conversation: ConversationID
    package var actor: UserID
    package var user: UserID
    package var role: MemberRole

    package init(conversation: ConversationID, actor: UserID, user: UserID, role: MemberRole) {
        self.conversation = conversation
        self.actor = actor
        self.user = user
        self.role = role
    }

    package func encode(into writer: inout FieldWriter) {
        writer.identifier(1, self.conversation)
        writer.identifier(2, self.actor)
        writer.identifier(3, self.user)
        writer.integer(4, self.role.rawValue)
    }

    package init(from reader: inout FieldReader) throws(FieldError) {
        var conversation: ConversationID?
        var actor: UserID?
        var user: UserID?
        var role: MemberRole?
        while let field = try reader.next() {
            switch field.number {
            case 1: conversation = try field.identifier()
            case 2: actor = try field.identifier()
            case 3: user = try field.identifier()
            case 4: role = try field.value()
            default: break
            }
        }
        guard let conversation else { throw .missing(field: 1) }
        guard let actor else { throw .missing(field: 2) }
        guard let user else { throw .missing(field: 3) }
        guard let role else { throw .missing(field: 4) }
        self.init(conversation: conversation, actor: actor, user: user, role: role)
    }
}

/// Edge → owner: remove a member, or leave when the user is the actor.
package struct RemoveMember: WireMessage, Equatable {
    package var conversation: ConversationID
    package var actor: UserID
    package var user: UserID

    package init(conversation: ConversationID, actor: UserID, user: UserID) {
        self.conversation = conversation
        self.actor = actor
        self.user = user
    }

    package func encode(into writer: inout FieldWriter) {
        writer.identifier(1, self.conversation)
        writer.identifier(2, self.actor)
        writer.identifier(3, self.user)
    }

    package init(from reader: inout FieldReader) throws(FieldError) {
        var conversation: ConversationID?
        var actor: UserID?
        var user: UserID?
        while let field = try reader.next() {
            switch field.number {
            case 1: conversation = try field.identifier()
            case 2: actor = try field.identifier()
            case 3: user = try field.identifier()
            default: break
            }
        }
        guard let conversation else { throw .missing(field: 1) }
        guard let actor else { throw .missing(field: 2) }
        guard let user else { throw .missing(field: 3) }
        self.init(conversation: conversation, actor: actor, user: user)
    }
}
