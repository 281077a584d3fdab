// SPDX-License-Identifier: Apache-2.0

package import Messaging

/// A message as every device sees it: in `new_message` and in pages of messages.
package struct DeliveredMessage: Codable, Hashable, Sendable {
    package var messageID: MessageID
    package var conversationID: ConversationID
    package var seq: UInt64
    package var senderID: UserID
    package var clientMessageID: ClientMessageID
    package var kind: MessageKind
    package var body: String
    package var createdAt: Timestamp

    package init(
        messageID: MessageID,
        conversationID: ConversationID,
        seq: UInt64,
        senderID: UserID,
        clientMessageID: ClientMessageID,
        kind: MessageKind,
        body: String,
        createdAt: Timestamp
    ) {
        self.messageID = messageID
        self.conversationID = conversationID
        self.seq = seq
        self.senderID = senderID
        self.clientMessageID = clientMessageID
        self.kind = kind
        self.body = body
        self.createdAt = createdAt
    }

    package init(_ message: Message) {
        self.init(
            messageID: message.id,
            conversationID: message.conversation,
            seq: message.seq,
            senderID: message.sender,
            clientMessageID: message.clientMessageID,
            kind: message.kind,
            body: message.body,
            createdAt: Timestamp(message.createdAt)
        )
    }

    private enum CodingKeys: String, CodingKey {
        case messageID = "message_id"
        case conversationID = "conversation_id"
        case seq
        case senderID = "sender_id"
        case clientMessageID = "client_message_id"
        case kind
        case body
        case createdAt = "created_at"
    }
}

/// `GET /api/conversations/{id}/messages`
package struct MessagesResponse: Codable, Hashable, Sendable {
    /// In ascending order of `seq`.
    package var messages: [DeliveredMessage]
    package var headSeq: UInt64
    /// Whether there is more in the direction that was asked for.
    package var hasMore: Bool

    package init(messages: [DeliveredMessage], headSeq: UInt64, hasMore: Bool) {
        self.messages = messages
        self.headSeq = headSeq
        self.hasMore = hasMore
    }

    private enum CodingKeys: String, CodingKey {
        case messages
        case headSeq = "head_seq"
        case hasMore = "has_more"
    }
}

/// `POST /api/messages`, and the fields of the command `send_message`.
package struct SendMessageRequest: Codable, Hashable, Sendable {
    package var conversationID: ConversationID
    package var clientMessageID: ClientMessageID
    package var kind: MessageKind
    package var body: String

    package init(conversationID: ConversationID, clientMessageID: ClientMessageID, kind: MessageKind, body: String) {
        self.conversationID = conversationID
        self.clientMessageID = clientMessageID
        self.kind = kind
        self.body = body
    }

    /// Checks what the types cannot: the version of the client message id, the size and the text of the body.
    ///
    /// - Throws: `invalid_field` or `too_large`.
    package func validate() throws(Failure) {
        guard self.clientMessageID.timestamp != nil else {
            throw Failure(.invalidField, "The field `client_message_id` must be a UUID of version 7.")
        }
        guard self.body.utf8.count <= Limits.messageBodyBytesMax else {
            throw Failure(.tooLarge, "The field `body` has more than \(Limits.messageBodyBytesMax) bytes of UTF-8.")
        }
        // Postgres stores every character in text but this one.
        let text = self.body.utf8
        guard !(text.withContiguousStorageIfAvailable { $0.contains(0) } ?? text.contains(0)) else {
            throw Failure(.invalidField, "The field `body` must not contain U+0000.")
        }
    }

    private enum CodingKeys: String, CodingKey {
        case conversationID = "conversation_id"
        case clientMessageID = "client_message_id"
        case kind
        case body
    }
}

/// The answer to a message that is stored: of `POST /api/messages`, and the fields of `message_sent`.
package struct MessageSent: Codable, Hashable, Sendable {
    package var conversationID: ConversationID
    package var clientMessageID: ClientMessageID
    package var messageID: MessageID
    package var seq: UInt64
    package var createdAt: Timestamp
    /// Present, and then true, when the same client message id was stored before.
    package var duplicate: Bool?

    package var isDuplicate: Bool { self.duplicate ?? false }

    package init(
        conversationID: ConversationID,
        clientMessageID: ClientMessageID,
        seq: UInt64,
        createdAt: Timestamp,
        isDuplicate: Bool
    ) {
        self.conversationID = conversationID
        self.clientMessageID = clientMessageID
        self.messageID = MessageID(conversation: conversationID, seq: seq)
        self.seq = seq
        self.createdAt = createdAt
        self.duplicate = isDuplicate ? true : nil
    }

    private enum CodingKeys: String, CodingKey {
        case conversationID = "conversation_id"
        case clientMessageID = "client_message_id"
        case messageID = "message_id"
        case seq
        case createdAt = "created_at"
        case duplicate
    }
}
