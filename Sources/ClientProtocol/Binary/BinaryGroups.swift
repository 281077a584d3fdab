// SPDX-License-Identifier: Apache-2.0

internal import Fields
internal import Messaging

// The records that stand inside of messages.

extension DeliveredMessage: BinaryFields {
    /// Its id is not written: conversation and `seq` are that.
    func write(into writer: inout FieldWriter) {
        writer.identifier(1, self.conversationID)
        writer.integer(2, self.seq)
        writer.identifier(3, self.senderID)
        writer.identifier(4, self.clientMessageID)
        writer.choice(5, self.kind)
        writer.text(6, self.body)
        writer.time(7, self.createdAt)
    }

    init(from reader: inout FieldReader) throws(FieldError) {
        var conversation: ConversationID?
        var seq: UInt64 = 0
        var sender: UserID?
        var clientMessage: ClientMessageID?
        var kind: MessageKind?
        var body = ""
        var createdAt = Timestamp(0)
        while let field = try reader.next() {
            switch field.number {
            case 1: conversation = try field.identifier()
            case 2: seq = try field.number64()
            case 3: sender = try field.identifier()
            case 4: clientMessage = try field.identifier()
            case 5: kind = try field.choice()
            case 6: body = try field.anyText()
            case 7: createdAt = try field.time()
            default: break
            }
        }
        let id = try conversation.required(1)
        guard seq > 0 else { throw .missing(field: 2) }
        self.init(
            messageID: MessageID(conversation: id, seq: seq),
            conversationID: id,
            seq: seq,
            senderID: try sender.required(3),
            clientMessageID: try clientMessage.required(4),
            kind: try kind.required(5),
            body: body,
            createdAt: createdAt
        )
    }
}

extension ConversationMember: BinaryFields {
    func write(into writer: inout FieldWriter) {
        writer.identifier(1, self.userID)
        writer.choice(2, self.role)
    }

    init(from reader: inout FieldReader) throws(FieldError) {
        var user: UserID?
        var role: MemberRole?
        while let field = try reader.next() {
            switch field.number {
            case 1: user = try field.identifier()
            case 2: role = try field.choice()
            default: break
            }
        }
        self.init(userID: try user.required(1), role: try role.required(2))
    }
}

extension ReceiptsResponse.Row: BinaryFields {
    func write(into writer: inout FieldWriter) {
        writer.identifier(1, self.userID)
        writer.integer(2, self.deliveredSeq)
        writer.integer(3, self.readSeq)
    }

    init(from reader: inout FieldReader) throws(FieldError) {
        var user: UserID?
        var delivered: UInt64 = 0
        var read: UInt64 = 0
        while let field = try reader.next() {
            switch field.number {
            case 1: user = try field.identifier()
            case 2: delivered = try field.number64()
            case 3: read = try field.number64()
            default: break
            }
        }
        self.init(MemberWatermarks(user: try user.required(1), watermarks: .zero))
        self.deliveredSeq = delivered
        self.readSeq = read
    }
}

extension Synced.TooFar: BinaryFields {
    func write(into writer: inout FieldWriter) {
        writer.identifier(1, self.conversationID)
        writer.integer(2, self.headSeq)
        writer.integer(3, self.after)
    }

    init(from reader: inout FieldReader) throws(FieldError) {
        var conversation: ConversationID?
        var headSeq: UInt64 = 0
        var after: UInt64 = 0
        while let field = try reader.next() {
            switch field.number {
            case 1: conversation = try field.identifier()
            case 2: headSeq = try field.number64()
            case 3: after = try field.number64()
            default: break
            }
        }
        self.init(conversationID: try conversation.required(1), headSeq: headSeq, after: after)
    }
}

extension PresenceBody: BinaryFields {
    func write(into writer: inout FieldWriter) {
        writer.identifier(1, self.userID)
        writer.choice(2, self.status)
        writer.optional(3, self.lastSeenAt?.milliseconds)
    }

    init(from reader: inout FieldReader) throws(FieldError) {
        var user: UserID?
        var status: ShownStatus?
        var lastSeenAt: Timestamp?
        while let field = try reader.next() {
            switch field.number {
            case 1: user = try field.identifier()
            case 2: status = try field.choice()
            case 3: lastSeenAt = try field.time()
            default: break
            }
        }
        self.init(userID: try user.required(1), status: try status.required(2), lastSeenAt: lastSeenAt)
    }
}
