// SPDX-License-Identifier: Apache-2.0

import Fields
import Messaging

/// What happened to a conversation or its members.
package enum ConversationEventKind: UInt8, Sendable, CaseIterable {
    case created = 1
    case updated = 2
    case deleted = 3
    case memberAdded = 4
    case memberRemoved = 5
    case roleChanged = 6
}

/// Owner → one edge of the audience: tell these users of a change.
package struct ConversationEvent: WireMessage, Equatable {
    package var kind: ConversationEventKind
    package var conversation: Conversation
    package var actor: UserID
    /// Whom the change is about: all members of a new conversation, the added, the removed, the one with another role.
    package var members: [Member]
    /// Who is told, on the receiving edge.
    package var recipients: [UserID]

    package init(
        kind: ConversationEventKind,
        conversation: Conversation,
        actor: UserID,
        members: [Member],
        recipients: [UserID]
    ) {
        self.kind = kind
        self.conversation = conversation
        self.actor = actor
        self.members = members
        self.recipients = recipients
    }

    package func encode(into writer: inout FieldWriter) {
        writer.integer(1, self.kind.rawValue)
        writer.message(2, ConversationBody(self.conversation))
        writer.identifier(3, self.actor)
        writer.messages(4, self.members.map(MemberBody.init))
        writer.identifiers(5, self.recipients)
    }

    package init(from reader: inout FieldReader) throws(FieldError) {
        var kind: ConversationEventKind?
        var conversation: Conversation?
        var actor: UserID?
        var members: [Member] = []
        var recipients: [UserID] = []
        while let field = try reader.next() {
            switch field.number {
            case 1: kind = try field.value()
            case 2: conversation = try field.message(as: ConversationBody.self).value
            case 3: actor = try field.identifier()
            case 4:
                guard members.count < Limits.membersPerRequestMax else { throw .tooMany(field: 4) }
                members.append(try field.message(as: MemberBody.self).value)
            case 5: recipients = try field.identifiers(atMost: Limits.usersPerFrameMax)
            default: break
            }
        }
        guard let kind else { throw .missing(field: 1) }
        guard let conversation else { throw .missing(field: 2) }
        guard let actor else { throw .missing(field: 3) }
        self.init(kind: kind, conversation: conversation, actor: actor, members: members, recipients: recipients)
    }
}
