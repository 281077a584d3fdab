// SPDX-License-Identifier: Apache-2.0

import Fields
import Messaging

/// What an outbox entry does in the slot that it is addressed to. Numbers are stored; never renumber.
package enum OutboxKind: UInt8, Sendable, CaseIterable {
    /// The payload is a ``RegisterUser``: insert the user whose name was claimed.
    case createUser = 1
    /// The payload is a ``MembershipChange``: write the user's list of conversations.
    case membership = 2
}

/// Owner of the source slot → owner of the target slot: apply this entry; may come more than once and in any order.
package struct ApplyOutbox: WireMessage, Equatable {
    package var kind: OutboxKind
    package var payload: [UInt8]

    package init(kind: OutboxKind, payload: [UInt8]) {
        self.kind = kind
        self.payload = payload
    }

    package func encode(into writer: inout FieldWriter) {
        writer.integer(1, self.kind.rawValue)
        writer.bytes(2, self.payload)
    }

    package init(from reader: inout FieldReader) throws(FieldError) {
        var kind: OutboxKind?
        var payload: [UInt8] = []
        while let field = try reader.next() {
            switch field.number {
            case 1: kind = try field.value()
            case 2: payload = try field.bytes()
            default: break
            }
        }
        guard let kind else { throw .missing(field: 1) }
        self.init(kind: kind, payload: payload)
    }
}

/// A conversation came to or left a user's list. Of two, the one with the larger version holds.
package struct MembershipChange: WireMessage, Equatable {
    package var user: UserID
    package var conversation: ConversationID
    package var kind: ConversationKind
    /// The conversation's `members_version` after the change.
    package var version: UInt64
    package var removed: Bool
    package var changedAt: UnixMilliseconds

    package init(
        user: UserID,
        conversation: ConversationID,
        kind: ConversationKind,
        version: UInt64,
        removed: Bool,
        changedAt: UnixMilliseconds
    ) {
        self.user = user
        self.conversation = conversation
        self.kind = kind
        self.version = version
        self.removed = removed
        self.changedAt = changedAt
    }

    package func encode(into writer: inout FieldWriter) {
        writer.identifier(1, self.user)
        writer.identifier(2, self.conversation)
        writer.integer(3, self.kind.rawValue)
        writer.integer(4, self.version)
        writer.flag(5, self.removed)
        writer.integer(6, self.changedAt)
    }

    package init(from reader: inout FieldReader) throws(FieldError) {
        var user: UserID?
        var conversation: ConversationID?
        var kind: ConversationKind?
        var version: UInt64 = 0
        var removed = false
        var changedAt: UnixMilliseconds = 0
        while let field = try reader.next() {
            switch field.number {
            case 1: user = try field.identifier()
            case 2: conversation = try field.identifier()
            case 3: kind = try field.value()
            case 4: version = try field.integer()
            case 5: removed = try field.flag()
            case 6: changedAt = try field.integer()
            default: break
            }
        }
        guard let user else { throw .missing(field: 1) }
        guard let conversation else { throw .missing(field: 2) }
        guard let kind else { throw .missing(field: 3) }
        self.init(
            user: user,
            conversation: conversation,
            kind: kind,
            version: version,
            removed: removed,
            changedAt: changedAt
        )
    }
}
