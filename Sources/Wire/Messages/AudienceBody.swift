// SPDX-License-Identifier: Apache-2.0

import Fields
import Messaging

/// Router → edge: who of a conversation has a session there, said once and not with every message.
///
/// What the router sends behind it on the same link names the audience by its number, see ``Deliver/audience``.
package struct AudienceUpdate: WireMessage, Equatable {
    package enum Kind: UInt8, Sendable {
        /// These are all. What the router said of the conversation before is void.
        case all = 1
        /// These came to the edge.
        case attached = 2
        /// These left it.
        case detached = 3
    }

    package var conversation: ConversationID
    /// Of one router and one of its lives, never used again; from 1.
    package var number: UInt64
    package var kind: Kind
    package var users: [UserID]

    package init(conversation: ConversationID, number: UInt64, kind: Kind, users: [UserID]) {
        self.conversation = conversation
        self.number = number
        self.kind = kind
        self.users = users
    }

    package var expectedBytes: Int { 64 + 16 * self.users.count }

    package func encode(into writer: inout FieldWriter) {
        writer.identifier(1, self.conversation)
        writer.integer(2, self.number)
        writer.integer(3, self.kind.rawValue)
        writer.identifiers(4, self.users)
    }

    package init(from reader: inout FieldReader) throws(FieldError) {
        var conversation: ConversationID?
        var number: UInt64 = 0
        var kind: Kind?
        var users: [UserID] = []
        while let field = try reader.next() {
            switch field.number {
            case 1: conversation = try field.identifier()
            case 2: number = try field.integer()
            case 3: kind = try field.value()
            case 4: users = try field.identifiers(atMost: Limits.usersPerFrameMax)
            default: break
            }
        }
        guard let conversation else { throw .missing(field: 1) }
        guard let kind else { throw .missing(field: 3) }
        self.init(conversation: conversation, number: number, kind: kind, users: users)
    }
}
