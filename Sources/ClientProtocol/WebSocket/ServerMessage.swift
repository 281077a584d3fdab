// SPDX-License-Identifier: Apache-2.0

package import Messaging

/// Everything that an edge says over a WebSocket: answers carry the id of their command, events have none.
package enum ServerMessage: Hashable, Sendable {
    case authenticated(CommandID, Authenticated)
    case messageSent(CommandID, MessageSent)
    case receiptStored(CommandID, ReceiptStored)
    /// With a fresh resume token while the session misses nothing.
    case pong(CommandID, resume: String? = nil)
    case synced(CommandID, Synced)
    case presenceWatched(CommandID, [PresenceBody])
    case statusSet(CommandID, StatusBody)
    /// Without an id when what came was not understood far enough to have one.
    case error(CommandID?, Failure)

    case newMessage(DeliveredMessage)
    /// Part of what a `sync` brings, before its `synced`.
    case syncMessages(SyncMessages)
    /// The same of how far members have come.
    case syncReceipts(SyncReceipts)
    case conversationCreated(ConversationResponse, actor: UserID)
    case conversationUpdated(ConversationHeader, actor: UserID)
    case conversationDeleted(ConversationID, actor: UserID)
    case memberAdded(MembershipEvent)
    case memberRemoved(MembershipEvent)
    case roleChanged(MembershipEvent)
    case messageDelivered(ReceiptEvent)
    case messageRead(ReceiptEvent)
    /// A watched user is connected, with this status.
    case userOnline(UserOnline)
    case userOffline(UserOffline)
    case typing(TypingEvent)
    /// Live events were left out: ask with `sync` for what came after the own cursors.
    case resync
    /// This edge is being emptied: connect again, to another one.
    case reconnect(Reconnect)

    package enum Name: String, Sendable, CaseIterable {
        case authenticated
        case messageSent = "message_sent"
        case receiptStored = "receipt_stored"
        case pong
        case synced
        case presenceWatched = "presence_watched"
        case statusSet = "status_set"
        case error
        case newMessage = "new_message"
        case syncMessages = "sync_messages"
        case syncReceipts = "sync_receipts"
        case conversationCreated = "conversation_created"
        case conversationUpdated = "conversation_updated"
        case conversationDeleted = "conversation_deleted"
        case memberAdded = "member_added"
        case memberRemoved = "member_removed"
        case roleChanged = "role_changed"
        case messageDelivered = "message_delivered"
        case messageRead = "message_read"
        case userOnline = "user_online"
        case userOffline = "user_offline"
        case typing
        case resync
        case reconnect
    }

    package var name: Name {
        switch self {
        case .authenticated: .authenticated
        case .messageSent: .messageSent
        case .receiptStored: .receiptStored
        case .pong: .pong
        case .synced: .synced
        case .presenceWatched: .presenceWatched
        case .statusSet: .statusSet
        case .error: .error
        case .newMessage: .newMessage
        case .syncMessages: .syncMessages
        case .syncReceipts: .syncReceipts
        case .conversationCreated: .conversationCreated
        case .conversationUpdated: .conversationUpdated
        case .conversationDeleted: .conversationDeleted
        case .memberAdded: .memberAdded
        case .memberRemoved: .memberRemoved
        case .roleChanged: .roleChanged
        case .messageDelivered: .messageDelivered
        case .messageRead: .messageRead
        case .userOnline: .userOnline
        case .userOffline: .userOffline
        case .typing: .typing
        case .resync: .resync
        case .reconnect: .reconnect
        }
    }
}

/// The fields of `reconnect`.
package struct Reconnect: Codable, Hashable, Sendable {
    /// The client draws a moment within this time, and connects again then. The edge closes the connection of one that
    /// has not gone some time after.
    package var withinMilliseconds: Int
    /// `HOST:PORT` of an edge to try first; nil when any will do.
    package var edge: String?

    package init(withinMilliseconds: Int, edge: String? = nil) {
        self.withinMilliseconds = withinMilliseconds
        self.edge = edge
    }

    private enum CodingKeys: String, CodingKey {
        case withinMilliseconds = "within_ms"
        case edge
    }
}

/// The fields of `authenticated`.
package struct Authenticated: Codable, Hashable, Sendable {
    /// What the client has to stay below.
    package struct Bounds: Codable, Hashable, Sendable {
        /// UTF-8 bytes of a message's body.
        package var bodyBytes: Int
        /// Bytes of one WebSocket message.
        package var frameBytes: Int
        /// Messages of the session that wait for their answer.
        package var inFlight: Int

        package init(bodyBytes: Int, frameBytes: Int, inFlight: Int) {
            self.bodyBytes = bodyBytes
            self.frameBytes = frameBytes
            self.inFlight = inFlight
        }

        private enum CodingKeys: String, CodingKey {
            case bodyBytes = "body_bytes"
            case frameBytes = "frame_bytes"
            case inFlight = "in_flight"
        }
    }

    package var userID: UserID
    package var deviceID: DeviceID
    package var sessionID: SessionID
    /// How often the client should send something, a `ping` or a pong frame at least.
    package var heartbeatMilliseconds: Int
    package var limits: Bounds

    package init(
        userID: UserID,
        deviceID: DeviceID,
        sessionID: SessionID,
        heartbeatMilliseconds: Int,
        limits: Bounds
    ) {
        self.userID = userID
        self.deviceID = deviceID
        self.sessionID = sessionID
        self.heartbeatMilliseconds = heartbeatMilliseconds
        self.limits = limits
    }

    private enum CodingKeys: String, CodingKey {
        case userID = "user_id"
        case deviceID = "device_id"
        case sessionID = "session_id"
        case heartbeatMilliseconds = "heartbeat_ms"
        case limits
    }
}

/// A conversation without its members.
package struct ConversationHeader: Codable, Hashable, Sendable {
    package var conversationID: ConversationID
    package var kind: ConversationKind
    package var title: String
    package var headSeq: UInt64
    package var createdAt: Timestamp

    package init(
        conversationID: ConversationID,
        kind: ConversationKind,
        title: String,
        headSeq: UInt64,
        createdAt: Timestamp
    ) {
        self.conversationID = conversationID
        self.kind = kind
        self.title = title
        self.headSeq = headSeq
        self.createdAt = createdAt
    }

    package init(_ conversation: Conversation) {
        self.init(
            conversationID: conversation.id,
            kind: conversation.kind,
            title: conversation.title,
            headSeq: conversation.headSeq,
            createdAt: Timestamp(conversation.createdAt)
        )
    }

    private enum CodingKeys: String, CodingKey {
        case conversationID = "conversation_id"
        case kind
        case title
        case headSeq = "head_seq"
        case createdAt = "created_at"
    }
}

/// The fields of `member_added`, `member_removed` and `role_changed`.
package struct MembershipEvent: Codable, Hashable, Sendable {
    package var conversationID: ConversationID
    /// Whom it is about, with the role after the change; of the removed, the role that they had.
    package var members: [ConversationMember]
    package var actorID: UserID

    package init(conversationID: ConversationID, members: [ConversationMember], actorID: UserID) {
        self.conversationID = conversationID
        self.members = members
        self.actorID = actorID
    }

    private enum CodingKeys: String, CodingKey {
        case conversationID = "conversation_id"
        case members
        case actorID = "actor_id"
    }
}
