// SPDX-License-Identifier: Apache-2.0

internal import Messaging

extension ServerMessage {
    /// The message as the bytes of a text message.
    package func encoded() -> [UInt8] {
        var writer = JSONWriter(reservingBytes: 256 + self.textBytes)
        writer.object { self.write(into: &$0) }
        return writer.bytes
    }

    /// Bytes of the largest text in the message: a guess at its size, for one allocation instead of several.
    private var textBytes: Int {
        switch self {
        case .newMessage(let message): 256 + message.body.utf8.count
        case .conversationCreated(let conversation, _): conversation.members.count * 80
        case .memberAdded(let event), .memberRemoved(let event): event.members.count * 80
        case .error(_, let failure): failure.message.utf8.count
        case .syncMessages(let page): page.messages.reduce(0) { $0 + $1.body.utf8.count + 320 }
        case .syncReceipts(let fields): fields.receipts.count * 96
        case .synced(_, let fields):
            fields.tooFar.count * 96 + (fields.removed.count + fields.updated.count + fields.unavailable.count) * 40
                + fields.receiptsLeftOut.count * 40 + (fields.resume?.utf8.count ?? 0)
        case .presenceWatched(_, let users): users.count * 112
        case .authenticated, .messageSent, .receiptStored, .pong, .conversationUpdated, .conversationDeleted,
            .roleChanged, .messageDelivered, .messageRead, .resync, .reconnect, .statusSet, .userOnline, .userOffline,
            .typing:
            128
        }
    }

    private func write(into object: inout JSONWriter.Object) {
        switch self {
        case .authenticated(let id, _), .messageSent(let id, _), .receiptStored(let id, _), .pong(let id, _),
            .synced(let id, _), .presenceWatched(let id, _), .statusSet(let id, _), .error(.some(let id), _):
            switch id {
            case .text(let text): object.string("id", text)
            case .number(let number): object.integer("id", number)
            }
        case .error(nil, _), .newMessage, .syncMessages, .syncReceipts, .conversationCreated, .conversationUpdated,
            .conversationDeleted, .memberAdded, .memberRemoved, .roleChanged, .messageDelivered, .messageRead, .resync,
            .reconnect, .userOnline, .userOffline, .typing:
            break
        }
        object.literal("type", self.name.rawValue)
        switch self {
        case .authenticated(_, let fields): fields.write(into: &object)
        case .messageSent(_, let fields): fields.write(into: &object)
        case .receiptStored(_, let fields): fields.write(into: &object)
        case .pong(_, let resume):
            if let resume { object.string("resume", resume) }
        case .synced(_, let fields): fields.write(into: &object)
        case .syncMessages(let page): page.write(into: &object)
        case .syncReceipts(let fields): fields.write(into: &object)
        case .resync: break
        case .reconnect(let fields):
            object.integer("within_ms", UInt64(max(0, fields.withinMilliseconds)))
            if let edge = fields.edge { object.string("edge", edge) }
        case .presenceWatched(_, let users): object.array("users", users) { $1.write(into: &$0) }
        case .statusSet(_, let fields): fields.write(into: &object)
        case .userOnline(let fields): fields.write(into: &object)
        case .userOffline(let fields): fields.write(into: &object)
        case .typing(let fields): fields.write(into: &object)
        case .error(_, let failure):
            object.literal("code", failure.code.name)
            object.string("message", failure.message)
            if let retry = failure.retryAfterMilliseconds {
                object.integer("retry_after_ms", UInt64(retry))
            }
        case .newMessage(let message):
            object.object("message") { message.write(into: &$0) }
        case .conversationCreated(let conversation, let actor):
            object.object("conversation") { conversation.write(into: &$0) }
            object.identifier("actor_id", actor)
        case .conversationUpdated(let conversation, let actor):
            object.object("conversation") { conversation.write(into: &$0) }
            object.identifier("actor_id", actor)
        case .conversationDeleted(let id, let actor):
            object.identifier("conversation_id", id)
            object.identifier("actor_id", actor)
        case .memberAdded(let event), .memberRemoved(let event), .roleChanged(let event):
            object.identifier("conversation_id", event.conversationID)
            object.array("members", event.members) { $1.write(into: &$0) }
            object.identifier("actor_id", event.actorID)
        case .messageDelivered(let event), .messageRead(let event):
            object.identifier("conversation_id", event.conversationID)
            object.identifier("user_id", event.userID)
            object.integer("seq", event.seq)
        }
    }
}

extension Authenticated {
    fileprivate func write(into object: inout JSONWriter.Object) {
        object.identifier("user_id", self.userID)
        object.identifier("device_id", self.deviceID)
        object.identifier("session_id", self.sessionID)
        object.integer("heartbeat_ms", UInt64(self.heartbeatMilliseconds))
        object.object("limits") { limits in
            limits.integer("body_bytes", UInt64(self.limits.bodyBytes))
            limits.integer("frame_bytes", UInt64(self.limits.frameBytes))
            limits.integer("in_flight", UInt64(self.limits.inFlight))
        }
    }
}

extension MessageSent {
    fileprivate func write(into object: inout JSONWriter.Object) {
        object.identifier("conversation_id", self.conversationID)
        object.identifier("client_message_id", self.clientMessageID)
        object.messageID("message_id", self.messageID)
        object.integer("seq", self.seq)
        object.timestamp("created_at", self.createdAt)
        if self.isDuplicate {
            object.flag("duplicate", true)
        }
    }
}

extension ReceiptStored {
    fileprivate func write(into object: inout JSONWriter.Object) {
        object.identifier("conversation_id", self.conversationID)
        object.integer("delivered_seq", self.deliveredSeq)
        object.integer("read_seq", self.readSeq)
    }
}

extension DeliveredMessage {
    func write(into object: inout JSONWriter.Object) {
        object.messageID("message_id", self.messageID)
        object.identifier("conversation_id", self.conversationID)
        object.integer("seq", self.seq)
        object.identifier("sender_id", self.senderID)
        object.identifier("client_message_id", self.clientMessageID)
        object.literal("kind", self.kind.name)
        object.string("body", self.body)
        object.timestamp("created_at", self.createdAt)
    }
}

extension ConversationHeader {
    fileprivate func write(into object: inout JSONWriter.Object) {
        object.identifier("conversation_id", self.conversationID)
        object.literal("kind", self.kind.name)
        object.string("title", self.title)
        object.integer("head_seq", self.headSeq)
        object.timestamp("created_at", self.createdAt)
    }
}

extension ConversationResponse {
    fileprivate func write(into object: inout JSONWriter.Object) {
        object.identifier("conversation_id", self.conversationID)
        object.literal("kind", self.kind.name)
        object.string("title", self.title)
        object.array("members", self.members) { $1.write(into: &$0) }
        if let memberCount = self.memberCount { object.integer("member_count", UInt64(memberCount)) }
        object.integer("head_seq", self.headSeq)
        object.timestamp("created_at", self.createdAt)
    }
}

extension ConversationMember {
    fileprivate func write(into object: inout JSONWriter.Object) {
        object.identifier("user_id", self.userID)
        object.literal("role", self.role.name)
    }
}
