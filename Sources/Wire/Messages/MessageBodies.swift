// SPDX-License-Identifier: Apache-2.0

import Fields
import Messaging

/// Edge → owner: store this message.
package struct Submit: WireMessage, Equatable {
    package var conversation: ConversationID
    package var sender: UserID
    package var senderDevice: DeviceID
    package var clientMessageID: ClientMessageID
    package var kind: MessageKind
    package var body: String
    /// The message that the same session sent to the conversation before this one and has no answer to yet. The owner
    /// stores this one only when it knows that one as stored, so that a client's messages keep their order even where a
    /// view changes between the two.
    package var previous: ClientMessageID?

    package init(
        conversation: ConversationID,
        sender: UserID,
        senderDevice: DeviceID,
        clientMessageID: ClientMessageID,
        kind: MessageKind,
        body: String,
        previous: ClientMessageID? = nil
    ) {
        self.previous = previous
        self.conversation = conversation
        self.sender = sender
        self.senderDevice = senderDevice
        self.clientMessageID = clientMessageID
        self.kind = kind
        self.body = body
    }

    package func encode(into writer: inout FieldWriter) {
        writer.identifier(1, self.conversation)
        writer.identifier(2, self.sender)
        writer.identifier(3, self.senderDevice)
        writer.identifier(4, self.clientMessageID)
        writer.integer(5, self.kind.rawValue)
        writer.text(6, self.body)
        Self.encode(previous: self.previous, into: &writer)
    }

    /// Five identifiers and a little besides the text.
    package var expectedBytes: Int { 104 + self.body.utf8.count }

    /// Field 7 by itself: it may be put behind an encoded submit, since the last of several equal fields counts.
    package static func encode(previous: ClientMessageID?, into writer: inout FieldWriter) {
        if let previous { writer.identifier(7, previous) }
    }

    package init(from reader: inout FieldReader) throws(FieldError) {
        var conversation: ConversationID?
        var sender: UserID?
        var device: DeviceID?
        var client: ClientMessageID?
        var kind = MessageKind.text
        var body = ""
        var previous: ClientMessageID?
        while let field = try reader.next() {
            switch field.number {
            case 1: conversation = try field.identifier()
            case 2: sender = try field.identifier()
            case 3: device = try field.identifier()
            case 4: client = try field.identifier()
            case 5: kind = try field.value()
            case 6: body = try field.text()
            case 7: previous = try field.identifier()
            default: break
            }
        }
        guard let conversation else { throw .missing(field: 1) }
        guard let sender else { throw .missing(field: 2) }
        guard let device else { throw .missing(field: 3) }
        guard let client else { throw .missing(field: 4) }
        guard body.utf8.count <= Limits.messageBodyBytesMax else { throw .invalidValue(field: 6) }
        self.init(
            conversation: conversation,
            sender: sender,
            senderDevice: device,
            clientMessageID: client,
            kind: kind,
            body: body,
            previous: previous
        )
    }
}

/// Owner → edge: the message is durable under this number.
package struct Accepted: WireMessage, Equatable {
    package var seq: UInt64
    package var createdAt: UnixMilliseconds
    /// The client message id was stored before; `seq` and `createdAt` are the first one's (contract C2).
    package var duplicate: Bool

    package init(seq: UInt64, createdAt: UnixMilliseconds, duplicate: Bool) {
        self.seq = seq
        self.createdAt = createdAt
        self.duplicate = duplicate
    }

    package func encode(into writer: inout FieldWriter) {
        writer.integer(1, self.seq)
        writer.integer(2, self.createdAt)
        writer.flag(3, self.duplicate)
    }

    package init(from reader: inout FieldReader) throws(FieldError) {
        self.init(seq: 0, createdAt: 0, duplicate: false)
        while let field = try reader.next() {
            switch field.number {
            case 1: self.seq = try field.integer()
            case 2: self.createdAt = try field.integer()
            case 3: self.duplicate = try field.flag()
            default: break
            }
        }
        guard self.seq > 0 else { throw .missing(field: 1) }
    }
}

/// A stored message on the mesh.
package struct MessageBody: WireMessage, Equatable {
    package var message: Message

    package init(_ message: Message) {
        self.message = message
    }

    /// Four identifiers, two numbers and a little besides the text.
    package var expectedBytes: Int { 104 + self.message.body.utf8.count }

    package func encode(into writer: inout FieldWriter) {
        writer.identifier(1, self.message.conversation)
        writer.integer(2, self.message.seq)
        writer.identifier(3, self.message.sender)
        writer.identifier(4, self.message.senderDevice)
        writer.identifier(5, self.message.clientMessageID)
        writer.integer(6, self.message.kind.rawValue)
        writer.text(7, self.message.body)
        writer.integer(8, self.message.createdAt)
    }

    package init(from reader: inout FieldReader) throws(FieldError) {
        var conversation: ConversationID?
        var seq: UInt64 = 0
        var sender: UserID?
        var device: DeviceID?
        var client: ClientMessageID?
        var kind = MessageKind.text
        var body = ""
        var createdAt: UnixMilliseconds = 0
        while let field = try reader.next() {
            switch field.number {
            case 1: conversation = try field.identifier()
            case 2: seq = try field.integer()
            case 3: sender = try field.identifier()
            case 4: device = try field.identifier()
            case 5: client = try field.identifier()
            case 6: kind = try field.value()
            case 7: body = try field.text()
            case 8: createdAt = try field.integer()
            default: break
            }
        }
        guard let conversation else { throw .missing(field: 1) }
        guard seq > 0 else { throw .missing(field: 2) }
        guard let sender else { throw .missing(field: 3) }
        guard let device else { throw .missing(field: 4) }
        guard let client else { throw .missing(field: 5) }
        self.message = Message(
            conversation: conversation,
            seq: seq,
            sender: sender,
            senderDevice: device,
            clientMessageID: client,
            kind: kind,
            body: body,
            createdAt: createdAt
        )
    }
}

/// Owner → one edge of the audience: a message and whom it is for there.
package struct Deliver: WireMessage, Equatable {
    package var message: Message
    /// The members who are believed to have a session on the receiving edge; it delivers to those that do.
    /// The sender is among them when another of the sender's devices may be there.
    package var recipients: [UserID]
    /// All members are named because the registry could not tell who is where; absent ones are no news.
    package var isBroadcast: Bool
    /// The ``AudienceUpdate/number`` of the recipients, which are not named then; 0 when they are. Only for edges that
    /// said that they understand it.
    package var audience: UInt64

    package init(message: Message, recipients: [UserID], isBroadcast: Bool, audience: UInt64 = 0) {
        self.message = message
        self.recipients = recipients
        self.isBroadcast = isBroadcast
        self.audience = audience
    }

    package var expectedBytes: Int { 128 + self.message.body.utf8.count + 16 * self.recipients.count }

    package func encode(into writer: inout FieldWriter) {
        writer.message(1, MessageBody(self.message))
        self.encodeRecipients(into: &writer)
    }

    /// Fields 2 to 4 by themselves: put behind the message, they say who on one edge gets it.
    package func encodeRecipients(into writer: inout FieldWriter) {
        writer.identifiers(2, self.recipients)
        writer.flag(3, self.isBroadcast)
        writer.integer(4, self.audience)
    }

    package init(from reader: inout FieldReader) throws(FieldError) {
        var message: Message?
        var recipients: [UserID] = []
        var isBroadcast = false
        var audience: UInt64 = 0
        while let field = try reader.next() {
            switch field.number {
            case 1: message = try field.message(as: MessageBody.self).message
            case 2: recipients = try field.identifiers(atMost: Limits.usersPerFrameMax)
            case 3: isBroadcast = try field.flag()
            case 4: audience = try field.integer()
            default: break
            }
        }
        guard let message else { throw .missing(field: 1) }
        self.init(message: message, recipients: recipients, isBroadcast: isBroadcast, audience: audience)
    }
}

/// Edge → owner: a page of a conversation's messages.
package struct ReadMessages: WireMessage, Equatable {
    package enum Position: Equatable, Sendable {
        /// The oldest messages with a larger `seq`.
        case after(UInt64)
        /// The newest messages with a smaller `seq`; nil for the newest of all.
        case before(UInt64?)
    }

    package var conversation: ConversationID
    package var reader: UserID
    package var position: Position
    package var limit: UInt32

    package init(conversation: ConversationID, reader: UserID, position: Position, limit: UInt32) {
        self.conversation = conversation
        self.reader = reader
        self.position = position
        self.limit = limit
    }

    package func encode(into writer: inout FieldWriter) {
        writer.identifier(1, self.conversation)
        writer.identifier(2, self.reader)
        switch self.position {
        case .after(let seq): writer.integer(3, seq + 1)
        case .before(let seq): writer.integer(4, seq ?? 0)
        }
        writer.integer(5, self.limit)
    }

    package init(from reader: inout FieldReader) throws(FieldError) {
        var conversation: ConversationID?
        var user: UserID?
        var position = Position.before(nil)
        var limit: UInt32 = 0
        while let field = try reader.next() {
            switch field.number {
            case 1: conversation = try field.identifier()
            case 2: user = try field.identifier()
            case 3: position = .after(try field.integer(as: UInt64.self) &- 1)
            case 4: position = .before(try field.integer())
            case 5: limit = try field.integer()
            default: break
            }
        }
        guard let conversation else { throw .missing(field: 1) }
        guard let user else { throw .missing(field: 2) }
        guard limit > 0, limit <= Limits.pageRowsMax else { throw .invalidValue(field: 5) }
        self.init(conversation: conversation, reader: user, position: position, limit: limit)
    }
}

/// The answer to ``ReadMessages``.
package struct MessagePage: WireMessage, Equatable {
    /// In ascending order of `seq`.
    package var messages: [Message]
    /// The `seq` of the conversation's newest message.
    package var headSeq: UInt64
    /// Whether there is more in the direction that was asked for.
    package var hasMore: Bool

    package init(messages: [Message], headSeq: UInt64, hasMore: Bool) {
        self.messages = messages
        self.headSeq = headSeq
        self.hasMore = hasMore
    }

    package func encode(into writer: inout FieldWriter) {
        writer.messages(1, self.messages.map(MessageBody.init))
        writer.integer(2, self.headSeq)
        writer.flag(3, self.hasMore)
    }

    package init(from reader: inout FieldReader) throws(FieldError) {
        self.init(messages: [], headSeq: 0, hasMore: false)
        while let field = try reader.next() {
            switch field.number {
            case 1:
                guard self.messages.count < Limits.pageRowsMax else { throw .tooMany(field: 1) }
                self.messages.append(try field.message(as: MessageBody.self).message)
            case 2: self.headSeq = try field.integer()
            case 3: self.hasMore = try field.flag()
            default: break
            }
        }
    }
}
