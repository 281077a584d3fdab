// SPDX-License-Identifier: Apache-2.0

package import Messaging

extension ServerMessage {
    /// Reads what an edge sent. Returns nil for a type that this version does not know, which a client passes over.
    ///
    /// - Throws: `malformed`, `missing_field` or `invalid_field`: the edge is at fault.
    package static func decode(json: some Collection<UInt8>) throws(Failure) -> ServerMessage? {
        try JSONBody.decode(DecodedMessage.self, from: json).message
    }
}

private struct DecodedMessage: Decodable {
    let message: ServerMessage?

    private enum CodingKeys: String, CodingKey {
        case id
        case type
        case code
        case message
        case resume
        case retryAfterMilliseconds = "retry_after_ms"
        case conversation
        case conversationID = "conversation_id"
        case users
        case actorID = "actor_id"
    }

    init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        guard let name = ServerMessage.Name(rawValue: try container.decode(String.self, forKey: .type)) else {
            self.message = nil
            return
        }
        func id() throws -> CommandID { try container.decode(CommandID.self, forKey: .id) }
        func actor() throws -> UserID { try container.decode(UserID.self, forKey: .actorID) }
        switch name {
        case .authenticated: self.message = .authenticated(try id(), try Authenticated(from: decoder))
        case .messageSent: self.message = .messageSent(try id(), try MessageSent(from: decoder))
        case .receiptStored: self.message = .receiptStored(try id(), try ReceiptStored(from: decoder))
        case .pong:
            self.message = .pong(try id(), resume: try container.decodeIfPresent(String.self, forKey: .resume))
        case .synced: self.message = .synced(try id(), try Synced(from: decoder))
        case .presenceWatched:
            self.message = .presenceWatched(try id(), try container.decode([PresenceBody].self, forKey: .users))
        case .statusSet: self.message = .statusSet(try id(), try StatusBody(from: decoder))
        case .error:
            let failure = Failure(
                try container.decode(ErrorCode.self, forKey: .code),
                try container.decode(String.self, forKey: .message),
                retryAfterMilliseconds: try container.decodeIfPresent(UInt32.self, forKey: .retryAfterMilliseconds)
            )
            self.message = .error(try container.decodeIfPresent(CommandID.self, forKey: .id), failure)
        case .newMessage:
            self.message = .newMessage(try container.decode(DeliveredMessage.self, forKey: .message))
        case .syncMessages: self.message = .syncMessages(try SyncMessages(from: decoder))
        case .syncReceipts: self.message = .syncReceipts(try SyncReceipts(from: decoder))
        case .conversationCreated:
            let conversation = try container.decode(ConversationResponse.self, forKey: .conversation)
            self.message = .conversationCreated(conversation, actor: try actor())
        case .conversationUpdated:
            let conversation = try container.decode(ConversationHeader.self, forKey: .conversation)
            self.message = .conversationUpdated(conversation, actor: try actor())
        case .conversationDeleted:
            let id = try container.decode(ConversationID.self, forKey: .conversationID)
            self.message = .conversationDeleted(id, actor: try actor())
        case .memberAdded: self.message = .memberAdded(try MembershipEvent(from: decoder))
        case .memberRemoved: self.message = .memberRemoved(try MembershipEvent(from: decoder))
        case .roleChanged: self.message = .roleChanged(try MembershipEvent(from: decoder))
        case .messageDelivered: self.message = .messageDelivered(try ReceiptEvent(from: decoder))
        case .messageRead: self.message = .messageRead(try ReceiptEvent(from: decoder))
        case .userOnline: self.message = .userOnline(try UserOnline(from: decoder))
        case .userOffline: self.message = .userOffline(try UserOffline(from: decoder))
        case .typing: self.message = .typing(try TypingEvent(from: decoder))
        case .resync: self.message = .resync
        case .reconnect: self.message = .reconnect(try Reconnect(from: decoder))
        }
    }
}
