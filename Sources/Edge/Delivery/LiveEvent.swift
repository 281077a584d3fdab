// SPDX-License-Identifier: Apache-2.0

internal import ClientProtocol
internal import Messaging
internal import NIOCore
internal import Wire

/// Something that happened, encoded once, and who is to see it.
struct LiveEvent: Sendable {
    /// The whole WebSocket frame; the same bytes go to every session.
    var frame: ByteBuffer
    var recipients: [UserID]
    /// What it is about.
    var conversation: ConversationID
    /// Of the message; 0 for other events.
    var seq: UInt64
    /// The device that caused it and was answered already.
    var excluded: DeviceID?
    /// Whether the router should hear of recipients who have no session here.
    var absenceIsNews: Bool
    /// When the message was made; nil for other events.
    var messageCreatedAt: UnixMilliseconds?

    init(_ deliver: Deliver) {
        self.frame = ServerFrame.text(.newMessage(DeliveredMessage(deliver.message)))
        self.recipients = deliver.recipients
        self.conversation = deliver.message.conversation
        self.seq = deliver.message.seq
        self.excluded = deliver.message.senderDevice
        self.absenceIsNews = !deliver.isBroadcast
        self.messageCreatedAt = deliver.message.createdAt
    }

    /// Recipients of such an event need not be looked up anew: it is sent to those of a message, or to all.
    init(_ event: ConversationEvent) {
        self.frame = ServerFrame.text(Self.message(event))
        self.recipients = event.recipients
        self.conversation = event.conversation.id
        self.seq = 0
        self.absenceIsNews = false
    }

    private static func message(_ event: ConversationEvent) -> ServerMessage {
        let membership = MembershipEvent(
            conversationID: event.conversation.id,
            members: event.members.map(ConversationMember.init),
            actorID: event.actor
        )
        return switch event.kind {
        case .created:
            .conversationCreated(ConversationResponse(event.conversation, members: event.members), actor: event.actor)
        case .updated: .conversationUpdated(ConversationHeader(event.conversation), actor: event.actor)
        case .deleted: .conversationDeleted(event.conversation.id, actor: event.actor)
        case .memberAdded: .memberAdded(membership)
        case .memberRemoved: .memberRemoved(membership)
        case .roleChanged: .roleChanged(membership)
        }
    }
}
