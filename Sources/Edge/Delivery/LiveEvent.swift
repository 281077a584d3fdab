// SPDX-License-Identifier: Apache-2.0

internal import ClientProtocol
internal import Messaging
internal import NIOCore
internal import Wire

/// Something that happened, encoded once, and who is to see it.
struct LiveEvent: Sendable {
    var frame: EventFrames
    var recipients: [UserID]
    /// Those recipients, if the router named them by a number; nil when there are others.
    var audience: NumberedAudiences.Mark?
    /// What it is about.
    var conversation: ConversationID
    /// Of the message; 0 for other events.
    var seq: UInt64
    /// How far members have come.
    var isReceipts = false
    /// The device that caused it and was answered already.
    var excluded: DeviceID?
    /// Whether the router should hear of recipients who have no session here.
    var absenceIsNews: Bool
    /// When the message was made; nil for other events.
    var messageCreatedAt: UnixMilliseconds?

    /// - Parameter audience: the recipients, where the message names them by a number.
    init(
        _ deliver: Deliver,
        audience: (mark: NumberedAudiences.Mark, users: [UserID])? = nil,
        in spoken: SpokenSubprotocols
    ) {
        self.frame = EventFrames(.newMessage(DeliveredMessage(deliver.message)), in: spoken)
        self.recipients = audience?.users ?? deliver.recipients
        self.audience = audience?.mark
        self.conversation = deliver.message.conversation
        self.seq = deliver.message.seq
        self.excluded = deliver.message.senderDevice
        self.absenceIsNews = !deliver.isBroadcast
        self.messageCreatedAt = deliver.message.createdAt
    }

    /// Recipients of such an event need not be looked up anew: it is sent to those of a message, or to all.
    init(_ event: ConversationEvent, in spoken: SpokenSubprotocols) {
        self.frame = EventFrames(Self.message(event), in: spoken)
        self.recipients = event.recipients
        self.conversation = event.conversation.id
        self.seq = 0
        self.absenceIsNews = false
    }

    /// Members whose receipts go into one buffer; more become further ones, so that a slow session can be noticed in
    /// between.
    private static let joinedReceiptsMax = 128

    /// Several frames in one buffer, where all recipients get the same: receipts are many and small.
    static func receipts(_ event: ReceiptsEvent, in spoken: SpokenSubprotocols) -> [LiveEvent] {
        let entries = event.entries.filter { $0.watermarks.delivered > 0 }
        guard !event.isPrivate else {
            return entries.map {
                LiveEvent(
                    frame: EventFrames(joining: Self.messages($0, event.conversation), in: spoken),
                    recipients: [$0.user],
                    conversation: event.conversation
                )
            }
        }
        return stride(from: 0, to: entries.count, by: Self.joinedReceiptsMax).map { start in
            let part = entries[start..<min(start + Self.joinedReceiptsMax, entries.count)]
            let messages = part.flatMap { Self.messages($0, event.conversation) }
            return LiveEvent(
                frame: EventFrames(joining: messages, in: spoken),
                recipients: event.recipients,
                conversation: event.conversation
            )
        }
    }

    private init(frame: EventFrames, recipients: [UserID], conversation: ConversationID) {
        self.frame = frame
        self.recipients = recipients
        self.conversation = conversation
        self.seq = 0
        self.isReceipts = true
        self.absenceIsNews = false
    }

    private static func messages(_ entry: MemberWatermarks, _ conversation: ConversationID) -> [ServerMessage] {
        func event(_ seq: UInt64) -> ReceiptEvent {
            ReceiptEvent(conversationID: conversation, userID: entry.user, seq: seq)
        }
        var messages: [ServerMessage] = []
        // Read implies delivered, so what is both is told once.
        if entry.watermarks.delivered > entry.watermarks.read {
            messages.append(.messageDelivered(event(entry.watermarks.delivered)))
        }
        if entry.watermarks.read > 0 {
            messages.append(.messageRead(event(entry.watermarks.read)))
        }
        return messages
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
