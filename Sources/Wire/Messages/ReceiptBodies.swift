// SPDX-License-Identifier: Apache-2.0

import Fields
import Messaging

/// A ``MemberWatermarks`` on the mesh.
package struct MemberWatermarksBody: WireMessage, Equatable {
    package var value: MemberWatermarks

    package init(_ value: MemberWatermarks) {
        self.value = value
    }

    package func encode(into writer: inout FieldWriter) {
        writer.identifier(1, self.value.user)
        writer.integer(2, self.value.watermarks.delivered)
        writer.integer(3, self.value.watermarks.read)
    }

    package init(from reader: inout FieldReader) throws(FieldError) {
        var user: UserID?
        var delivered: UInt64 = 0
        var read: UInt64 = 0
        while let field = try reader.next() {
            switch field.number {
            case 1: user = try field.identifier()
            case 2: delivered = try field.integer()
            case 3: read = try field.integer()
            default: break
            }
        }
        guard let user else { throw .missing(field: 1) }
        self.value = MemberWatermarks(user: user, watermarks: Watermarks(delivered: delivered, read: read))
    }
}

/// Edge → owner: members' devices have come so far. May be sent again, and merged with others, without harm.
package struct StoreReceipts: WireMessage, Equatable {
    package var conversation: ConversationID
    package var entries: [MemberWatermarks]

    package init(conversation: ConversationID, entries: [MemberWatermarks]) {
        self.conversation = conversation
        self.entries = entries
    }

    package func encode(into writer: inout FieldWriter) {
        writer.identifier(1, self.conversation)
        writer.messages(2, self.entries.map(MemberWatermarksBody.init))
    }

    package init(from reader: inout FieldReader) throws(FieldError) {
        var conversation: ConversationID?
        var entries: [MemberWatermarksBody] = []
        while let field = try reader.next() {
            switch field.number {
            case 1: conversation = try field.identifier()
            case 2: try entries.append(field, atMost: Limits.receiptsPerRequestMax)
            default: break
            }
        }
        guard let conversation else { throw .missing(field: 1) }
        self.init(conversation: conversation, entries: entries.map(\.value))
    }
}

/// The answer to ``StoreReceipts``: the watermarks as they are stored now. Who was named and is absent is no member. A
/// watermark that is smaller than what was asked for: there is no message with that number.
package struct ReceiptsStored: WireMessage, Equatable {
    package var entries: [MemberWatermarks]

    package init(entries: [MemberWatermarks]) {
        self.entries = entries
    }

    package func encode(into writer: inout FieldWriter) {
        writer.messages(1, self.entries.map(MemberWatermarksBody.init))
    }

    package init(from reader: inout FieldReader) throws(FieldError) {
        var entries: [MemberWatermarksBody] = []
        while let field = try reader.next() {
            switch field.number {
            case 1: try entries.append(field, atMost: Limits.receiptsPerRequestMax)
            default: break
            }
        }
        self.init(entries: entries.map(\.value))
    }
}

/// Owner → one edge of the audience: members' watermarks that are stored.
package struct ReceiptsEvent: WireMessage, Equatable {
    package var conversation: ConversationID
    package var entries: [MemberWatermarks]
    /// Who is told, on the receiving edge. Of an ``isPrivate`` event: the members in ``entries``.
    package var recipients: [UserID]
    /// Each entry is only for the devices of the member whom it is about.
    package var isPrivate: Bool

    package init(
        conversation: ConversationID,
        entries: [MemberWatermarks],
        recipients: [UserID],
        isPrivate: Bool
    ) {
        self.conversation = conversation
        self.entries = entries
        self.recipients = recipients
        self.isPrivate = isPrivate
    }

    package func encode(into writer: inout FieldWriter) {
        writer.identifier(1, self.conversation)
        writer.messages(2, self.entries.map(MemberWatermarksBody.init))
        writer.identifiers(3, self.recipients)
        writer.flag(4, self.isPrivate)
    }

    package init(from reader: inout FieldReader) throws(FieldError) {
        var conversation: ConversationID?
        var entries: [MemberWatermarksBody] = []
        var recipients: [UserID] = []
        var isPrivate = false
        while let field = try reader.next() {
            switch field.number {
            case 1: conversation = try field.identifier()
            case 2: try entries.append(field, atMost: Limits.usersPerFrameMax)
            case 3: recipients = try field.identifiers(atMost: Limits.usersPerFrameMax)
            case 4: isPrivate = try field.flag()
            default: break
            }
        }
        guard let conversation else { throw .missing(field: 1) }
        self.init(
            conversation: conversation,
            entries: entries.map(\.value),
            recipients: recipients,
            isPrivate: isPrivate
        )
    }
}

/// Edge → owner: what has become of a message; only for a member who may see it.
package struct GetMessageStatus: WireMessage, Equatable {
    package var conversation: ConversationID
    package var seq: UInt64
    package var reader: UserID

    package init(conversation: ConversationID, seq: UInt64, reader: UserID) {
        self.conversation = conversation
        self.seq = seq
        self.reader = reader
    }

    package func encode(into writer: inout FieldWriter) {
        writer.identifier(1, self.conversation)
        writer.integer(2, self.seq)
        writer.identifier(3, self.reader)
    }

    package init(from reader: inout FieldReader) throws(FieldError) {
        var conversation: ConversationID?
        var seq: UInt64 = 0
        var user: UserID?
        while let field = try reader.next() {
            switch field.number {
            case 1: conversation = try field.identifier()
            case 2: seq = try field.integer()
            case 3: user = try field.identifier()
            default: break
            }
        }
        guard let conversation else { throw .missing(field: 1) }
        guard seq > 0 else { throw .missing(field: 2) }
        guard let user else { throw .missing(field: 3) }
        self.init(conversation: conversation, seq: seq, reader: user)
    }
}

/// The answer to ``GetMessageStatus``: a ``MessageStatusReport`` on the mesh.
package struct MessageStatusBody: WireMessage, Equatable {
    package var value: MessageStatusReport

    package init(_ value: MessageStatusReport) {
        self.value = value
    }

    package func encode(into writer: inout FieldWriter) {
        writer.integer(1, self.value.recipientCount)
        writer.integer(2, self.value.deliveredCount)
        writer.integer(3, self.value.readCount)
        writer.flag(4, self.value.recipients != nil)
        writer.messages(5, (self.value.recipients ?? []).map(MemberWatermarksBody.init))
    }

    package init(from reader: inout FieldReader) throws(FieldError) {
        var (recipients, delivered, read) = (UInt32(0), UInt32(0), UInt32(0))
        var isListed = false
        var entries: [MemberWatermarksBody] = []
        while let field = try reader.next() {
            switch field.number {
            case 1: recipients = try field.integer()
            case 2: delivered = try field.integer()
            case 3: read = try field.integer()
            case 4: isListed = try field.flag()
            case 5: try entries.append(field, atMost: Limits.usersPerFrameMax)
            default: break
            }
        }
        self.value = MessageStatusReport(
            recipientCount: Int(recipients),
            deliveredCount: Int(delivered),
            readCount: Int(read),
            recipients: isListed ? entries.map(\.value) : nil
        )
    }
}

/// Edge → owner: how far the members have come; only for a member.
package struct GetReceipts: WireMessage, Equatable {
    package var conversation: ConversationID
    package var reader: UserID

    package init(conversation: ConversationID, reader: UserID) {
        self.conversation = conversation
        self.reader = reader
    }

    package func encode(into writer: inout FieldWriter) {
        writer.identifier(1, self.conversation)
        writer.identifier(2, self.reader)
    }

    package init(from reader: inout FieldReader) throws(FieldError) {
        var conversation: ConversationID?
        var user: UserID?
        while let field = try reader.next() {
            switch field.number {
            case 1: conversation = try field.identifier()
            case 2: user = try field.identifier()
            default: break
            }
        }
        guard let conversation else { throw .missing(field: 1) }
        guard let user else { throw .missing(field: 2) }
        self.init(conversation: conversation, reader: user)
    }
}

/// The answer to ``GetReceipts``.
package struct ReceiptList: WireMessage, Equatable {
    /// Of every member, in the order of their ids; in a conversation that is too large for it, only of the one who asked.
    package var entries: [MemberWatermarks]

    package init(entries: [MemberWatermarks]) {
        self.entries = entries
    }

    package func encode(into writer: inout FieldWriter) {
        writer.messages(1, self.entries.map(MemberWatermarksBody.init))
    }

    package init(from reader: inout FieldReader) throws(FieldError) {
        var entries: [MemberWatermarksBody] = []
        while let field = try reader.next() {
            switch field.number {
            case 1: try entries.append(field, atMost: Limits.usersPerFrameMax)
            default: break
            }
        }
        self.init(entries: entries.map(\.value))
    }
}

/// Edge → owner of several slots: how far the members of these conversations have come, as far as the user is told.
package struct ReadReceipts: WireMessage, Equatable {
    /// Conversations of one request: with those whose members are all told of, the answer is a few hundred kilobytes.
    package static let conversationsMax = 100

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
            case 2: conversations = try field.identifiers(atMost: Self.conversationsMax)
            default: break
            }
        }
        guard let user else { throw .missing(field: 1) }
        self.init(user: user, conversations: conversations)
    }
}

/// The answer to ``ReadReceipts``. Conversations that the user is not a member of are absent.
package struct ReceiptsOfConversations: WireMessage, Equatable {
    package var receipts: [ConversationReceipts]

    package init(receipts: [ConversationReceipts]) {
        self.receipts = receipts
    }

    package func encode(into writer: inout FieldWriter) {
        writer.messages(1, self.receipts.map(ConversationReceiptsBody.init))
    }

    package init(from reader: inout FieldReader) throws(FieldError) {
        var receipts: [ConversationReceiptsBody] = []
        while let field = try reader.next() {
            switch field.number {
            case 1: try receipts.append(field, atMost: ReadReceipts.conversationsMax)
            default: break
            }
        }
        self.init(receipts: receipts.map(\.value))
    }
}

/// A ``ConversationReceipts`` on the mesh.
private struct ConversationReceiptsBody: WireMessage {
    var value: ConversationReceipts

    init(_ value: ConversationReceipts) {
        self.value = value
    }

    func encode(into writer: inout FieldWriter) {
        writer.identifier(1, self.value.conversation)
        writer.integer(2, self.value.stateVersion)
        writer.messages(3, self.value.entries.map(MemberWatermarksBody.init))
    }

    init(from reader: inout FieldReader) throws(FieldError) {
        var conversation: ConversationID?
        var stateVersion: UInt64 = 0
        var entries: [MemberWatermarksBody] = []
        while let field = try reader.next() {
            switch field.number {
            case 1: conversation = try field.identifier()
            case 2: stateVersion = try field.integer()
            case 3: try entries.append(field, atMost: Limits.usersPerFrameMax)
            default: break
            }
        }
        guard let conversation else { throw .missing(field: 1) }
        self.value = ConversationReceipts(
            conversation: conversation,
            stateVersion: stateVersion,
            entries: entries.map(\.value)
        )
    }
}
