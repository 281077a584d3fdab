// SPDX-License-Identifier: Apache-2.0

internal import Fields
internal import Messaging

// Reading the fields of events.

extension SyncMessages {
    init(from reader: inout FieldReader) throws(FieldError) {
        var conversation: ConversationID?
        var messages: [DeliveredMessage] = []
        var headSeq: UInt64 = 0
        var hasMore = false
        while let field = try reader.next() {
            switch field.number {
            case 1: conversation = try field.identifier()
            case 2: messages.append(try field.group())
            case 3: headSeq = try field.number64()
            case 4: hasMore = try field.flag()
            default: break
            }
        }
        self.init(
            conversationID: try conversation.required(1),
            messages: messages,
            headSeq: headSeq,
            hasMore: hasMore
        )
    }
}

extension SyncReceipts {
    init(from reader: inout FieldReader) throws(FieldError) {
        var conversation: ConversationID?
        var state: UInt64 = 0
        var receipts: [ReceiptsResponse.Row] = []
        while let field = try reader.next() {
            switch field.number {
            case 1: conversation = try field.identifier()
            case 2: state = try field.number64()
            case 3: receipts.append(try field.group())
            default: break
            }
        }
        let id = try conversation.required(1)
        self.init(ConversationReceipts(conversation: id, stateVersion: state, entries: []))
        self.receipts = receipts
    }
}

/// The fields of `conversation_created` and `conversation_updated`.
struct ConversationEventFields {
    var header: ConversationHeader
    var members: [ConversationMember]
    var actor: UserID

    var response: ConversationResponse {
        ConversationResponse(
            conversationID: self.header.conversationID,
            kind: self.header.kind,
            title: self.header.title,
            members: self.members,
            headSeq: self.header.headSeq,
            createdAt: self.header.createdAt
        )
    }

    init(from reader: inout FieldReader) throws(FieldError) {
        var conversation: ConversationID?
        var kind: ConversationKind?
        var title = ""
        var headSeq: UInt64 = 0
        var createdAt = Timestamp(0)
        var members: [ConversationMember] = []
        var actor: UserID?
        while let field = try reader.next() {
            switch field.number {
            case 1: conversation = try field.identifier()
            case 2: kind = try field.choice()
            case 3: title = try field.anyText()
            case 4: headSeq = try field.number64()
            case 5: createdAt = try field.time()
            case 6: members.append(try field.group())
            case 7: actor = try field.identifier()
            default: break
            }
        }
        self.header = ConversationHeader(
            conversationID: try conversation.required(1),
            kind: try kind.required(2),
            title: title,
            headSeq: headSeq,
            createdAt: createdAt
        )
        self.members = members
        self.actor = try actor.required(7)
    }
}

extension MembershipEvent {
    init(from reader: inout FieldReader) throws(FieldError) {
        var conversation: ConversationID?
        var members: [ConversationMember] = []
        var actor: UserID?
        while let field = try reader.next() {
            switch field.number {
            case 1: conversation = try field.identifier()
            case 2: members.append(try field.group())
            case 3: actor = try field.identifier()
            default: break
            }
        }
        self.init(
            conversationID: try conversation.required(1),
            members: members,
            actorID: try actor.required(3)
        )
    }
}

extension ReceiptEvent {
    init(from reader: inout FieldReader) throws(FieldError) {
        var conversation: ConversationID?
        var user: UserID?
        var seq: UInt64 = 0
        while let field = try reader.next() {
            switch field.number {
            case 1: conversation = try field.identifier()
            case 2: user = try field.identifier()
            case 3: seq = try field.number64()
            default: break
            }
        }
        self.init(conversationID: try conversation.required(1), userID: try user.required(2), seq: seq)
    }
}

extension UserOffline {
    init(from reader: inout FieldReader) throws(FieldError) {
        var user: UserID?
        var lastSeenAt: Timestamp?
        while let field = try reader.next() {
            switch field.number {
            case 1: user = try field.identifier()
            case 2: lastSeenAt = try field.time()
            default: break
            }
        }
        self.init(userID: try user.required(1), lastSeenAt: lastSeenAt)
    }
}

extension TypingEvent {
    init(from reader: inout FieldReader) throws(FieldError) {
        var conversation: ConversationID?
        var user: UserID?
        var isTyping = false
        var expiresIn = 0
        while let field = try reader.next() {
            switch field.number {
            case 1: conversation = try field.identifier()
            case 2: user = try field.identifier()
            case 3: isTyping = try field.flag()
            case 4: expiresIn = try field.integer()
            default: break
            }
        }
        self.init(
            conversationID: try conversation.required(1),
            userID: try user.required(2),
            isTyping: isTyping,
            expiresInMilliseconds: expiresIn
        )
    }
}

extension Reconnect {
    init(from reader: inout FieldReader) throws(FieldError) {
        self.init(withinMilliseconds: 0)
        while let field = try reader.next() {
            switch field.number {
            case 1: self.withinMilliseconds = try field.integer()
            case 2: self.edge = try field.anyText()
            default: break
            }
        }
    }
}
