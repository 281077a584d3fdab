// SPDX-License-Identifier: Apache-2.0

import Messaging
import Placement
import Postgres

extension Identifier {
    /// The `slot` column of everything that belongs to this id.
    var slotColumn: Int16 {
        Slot(of: self.value).column
    }
}

extension Slot {
    var column: Int16 { Int16(self.number) }
}

extension PostgresValue {
    static func id<Kind>(_ identifier: Identifier<Kind>) -> PostgresValue {
        .uuid(identifier.value)
    }

    static func ids<Kind>(_ identifiers: some Sequence<Identifier<Kind>>) -> PostgresValue {
        .uuidArray(identifiers.map(\.value))
    }

    /// Sequence numbers, versions and times are unsigned in the program and `bigint` in the database; what is beyond
    /// its range is no number that was ever stored, and clamping keeps it so.
    static func number(_ value: UInt64) -> PostgresValue {
        .int8(Int64(clamping: value))
    }
}

extension PostgresRow {
    mutating func id<Kind>() throws(PostgresError) -> Identifier<Kind> {
        try Identifier(value: self.uuid())
    }

    mutating func number() throws(PostgresError) -> UInt64 {
        try UInt64(clamping: self.int8())
    }

    mutating func slot() throws(PostgresError) -> Slot {
        guard let slot = try Slot(self.int2()) else {
            throw PostgresError(.unexpectedAnswer, "a stored slot is out of range")
        }
        return slot
    }

    mutating func conversationKind() throws(PostgresError) -> ConversationKind {
        guard let kind = try ConversationKind(rawValue: UInt8(clamping: self.int2())) else {
            throw PostgresError(.unexpectedAnswer, "a stored kind of conversation is not known")
        }
        return kind
    }

    mutating func memberRole() throws(PostgresError) -> MemberRole {
        guard let role = try MemberRole(rawValue: UInt8(clamping: self.int2())) else {
            throw PostgresError(.unexpectedAnswer, "a stored role is not known")
        }
        return role
    }

    mutating func messageKind() throws(PostgresError) -> MessageKind {
        guard let kind = try MessageKind(rawValue: UInt8(clamping: self.int2())) else {
            throw PostgresError(.unexpectedAnswer, "a stored kind of message is not known")
        }
        return kind
    }

    /// The columns of ``Conversation/columns``.
    mutating func conversation() throws(PostgresError) -> Conversation {
        try Conversation(
            id: self.id(),
            kind: self.conversationKind(),
            title: self.text(),
            createdBy: self.id(),
            createdAt: self.number(),
            headSeq: self.number()
        )
    }

    /// The columns of ``Message/columns``.
    mutating func message() throws(PostgresError) -> Message {
        try Message(
            conversation: self.id(),
            seq: self.number(),
            sender: self.id(),
            senderDevice: self.id(),
            clientMessageID: self.id(),
            kind: self.messageKind(),
            body: self.text(),
            createdAt: self.number()
        )
    }
}

extension Conversation {
    /// In the order of ``PostgresRow/conversation()``; the table's alias is `c`.
    static let columns = "c.conversation_id, c.kind, c.title, c.created_by, c.created_at, c.head_seq"
}

extension Message {
    /// In the order of ``PostgresRow/message()``; the table's alias is `m`.
    static let columns = """
        m.conversation_id, m.seq, m.sender_id, m.sender_device, m.client_message_id, m.kind, m.body, m.created_at
        """
}

/// Text as Postgres can store it.
package enum StorableText {
    /// False for text with U+0000, which Postgres refuses, together with everything else in the same statement. To be
    /// asked before a message is taken into a batch, so that one client's text cannot fail the messages of others.
    package static func accepts(_ text: String) -> Bool {
        !text.utf8.contains(0)
    }
}
