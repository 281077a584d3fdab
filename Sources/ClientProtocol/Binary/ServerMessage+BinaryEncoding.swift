// SPDX-License-Identifier: Apache-2.0

package import Fields
internal import Messaging
package import NIOCore

extension ServerMessage {
    /// The message as a binary message with nothing else in it.
    package func encodedBinary() -> ByteBuffer {
        var writer = FieldWriter(buffer: ByteBufferAllocator().buffer(capacity: self.binaryBytes))
        self.writeBinary(into: &writer)
        return writer.buffer
    }

    /// Appends the message: several may stand in one binary message.
    package func writeBinary(into writer: inout FieldWriter) {
        writer.message(type: self.name.binaryType, id: self.commandID) { self.write(into: &$0) }
    }

    /// A guess at its size, for one allocation instead of several.
    private var binaryBytes: Int {
        switch self {
        case .newMessage(let message): 96 + message.body.utf8.count
        case .syncMessages(let page): page.messages.reduce(64) { $0 + $1.body.utf8.count + 96 }
        default: 128
        }
    }

    private var commandID: CommandID? {
        switch self {
        case .authenticated(let id, _), .messageSent(let id, _), .receiptStored(let id, _), .pong(let id, _),
            .synced(let id, _), .presenceWatched(let id, _), .statusSet(let id, _), .error(.some(let id), _):
            id
        case .error(nil, _), .newMessage, .syncMessages, .syncReceipts, .conversationCreated, .conversationUpdated,
            .conversationDeleted, .memberAdded, .memberRemoved, .roleChanged, .messageDelivered, .messageRead, .resync,
            .reconnect, .userOnline, .userOffline, .typing:
            nil
        }
    }

    private func write(into writer: inout FieldWriter) {
        switch self {
        case .authenticated(_, let fields): fields.write(into: &writer)
        case .messageSent(_, let fields): fields.write(into: &writer)
        case .receiptStored(_, let fields):
            writer.identifier(2, fields.conversationID)
            writer.integer(3, fields.deliveredSeq)
            writer.integer(4, fields.readSeq)
        case .pong(_, let resume): writer.optional(2, resume)
        case .synced(_, let fields): fields.write(into: &writer)
        case .presenceWatched(_, let users): writer.groups(2, users)
        case .statusSet(_, let fields):
            writer.choice(2, fields.status)
            writer.choice(3, fields.visibleTo)
        case .error(_, let failure):
            writer.choice(2, failure.code)
            writer.text(3, failure.message)
            writer.optional(4, failure.retryAfterMilliseconds)
        case .newMessage(let message): message.write(into: &writer)
        case .syncMessages(let page):
            writer.identifier(1, page.conversationID)
            writer.groups(2, page.messages)
            writer.integer(3, page.headSeq)
            writer.flag(4, page.hasMore)
        case .syncReceipts(let fields):
            writer.identifier(1, fields.conversationID)
            writer.integer(2, fields.state)
            writer.groups(3, fields.receipts)
        case .conversationCreated(let conversation, let actor):
            ConversationHeader(conversation).write(into: &writer)
            writer.groups(6, conversation.members)
            writer.identifier(7, actor)
        case .conversationUpdated(let conversation, let actor):
            conversation.write(into: &writer)
            writer.identifier(7, actor)
        case .conversationDeleted(let id, let actor):
            writer.identifier(1, id)
            writer.identifier(2, actor)
        case .memberAdded(let event), .memberRemoved(let event), .roleChanged(let event):
            writer.identifier(1, event.conversationID)
            writer.groups(2, event.members)
            writer.identifier(3, event.actorID)
        case .messageDelivered(let event), .messageRead(let event):
            writer.identifier(1, event.conversationID)
            writer.identifier(2, event.userID)
            writer.integer(3, event.seq)
        case .userOnline(let fields):
            writer.identifier(1, fields.userID)
            writer.choice(2, fields.status)
        case .userOffline(let fields):
            writer.identifier(1, fields.userID)
            writer.optional(2, fields.lastSeenAt?.milliseconds)
        case .typing(let fields):
            writer.identifier(1, fields.conversationID)
            writer.identifier(2, fields.userID)
            writer.flag(3, fields.isTyping)
            writer.integer(4, fields.expiresInMilliseconds)
        case .resync: break
        case .reconnect(let fields):
            writer.integer(1, fields.withinMilliseconds)
            writer.optional(2, fields.edge)
        }
    }
}

extension Authenticated {
    fileprivate func write(into writer: inout FieldWriter) {
        writer.identifier(2, self.userID)
        writer.identifier(3, self.deviceID)
        writer.identifier(4, self.sessionID)
        writer.integer(5, self.heartbeatMilliseconds)
        writer.integer(6, self.limits.bodyBytes)
        writer.integer(7, self.limits.frameBytes)
        writer.integer(8, self.limits.inFlight)
    }
}

extension MessageSent {
    fileprivate func write(into writer: inout FieldWriter) {
        writer.identifier(2, self.conversationID)
        writer.identifier(3, self.clientMessageID)
        writer.integer(4, self.seq)
        writer.time(5, self.createdAt)
        writer.flag(6, self.isDuplicate)
    }
}

extension Synced {
    fileprivate func write(into writer: inout FieldWriter) {
        writer.integer(2, self.changed)
        writer.groups(3, self.tooFar)
        writer.identifiers(4, self.removed)
        writer.identifiers(5, self.updated)
        writer.identifiers(6, self.unavailable)
        writer.identifiers(7, self.receiptsLeftOut)
        writer.flag(8, self.isFull)
        writer.optional(9, self.resume)
    }
}

extension ConversationHeader {
    init(_ conversation: ConversationResponse) {
        self.init(
            conversationID: conversation.conversationID,
            kind: conversation.kind,
            title: conversation.title,
            headSeq: conversation.headSeq,
            createdAt: conversation.createdAt
        )
    }

    fileprivate func write(into writer: inout FieldWriter) {
        writer.identifier(1, self.conversationID)
        writer.choice(2, self.kind)
        writer.text(3, self.title)
        writer.integer(4, self.headSeq)
        writer.time(5, self.createdAt)
    }
}
