// SPDX-License-Identifier: Apache-2.0

import Messaging
import NIOCore

@testable import Wire

/// The bodies of requests, answers and notifications on the mesh.
///
/// Input: which type, then the body.
enum BodiesEntry {
    static func run(_ bytes: [UInt8]) throws {
        var input = FuzzInput(bytes)
        let check = Self.checks[Int(input.byte()) % Self.checks.count]
        try check(ByteBuffer(bytes: input.remainder()))
    }

    static func check(_ payload: ByteBuffer, asRequest kind: UInt16) throws {
        guard let kind = RequestKind(rawValue: kind) else { return }
        switch kind {
        case .submit: try Self.roundTrip(Submit.self)(payload)
        case .createConversation: try Self.roundTrip(CreateConversation.self)(payload)
        case .getConversation: try Self.roundTrip(GetConversation.self)(payload)
        case .updateConversation: try Self.roundTrip(UpdateConversation.self)(payload)
        case .deleteConversation: try Self.roundTrip(DeleteConversation.self)(payload)
        case .addMembers: try Self.roundTrip(AddMembers.self)(payload)
        case .setMemberRole: try Self.roundTrip(SetMemberRole.self)(payload)
        case .removeMember: try Self.roundTrip(RemoveMember.self)(payload)
        case .readMessages: try Self.roundTrip(ReadMessages.self)(payload)
        case .registerUser: try Self.roundTrip(RegisterUser.self)(payload)
        case .resolveUsername: try Self.roundTrip(ResolveUsername.self)(payload)
        case .getCredentials: try Self.roundTrip(GetCredentials.self)(payload)
        case .putDevice: try Self.roundTrip(PutDevice.self)(payload)
        case .rotateRefreshToken: try Self.roundTrip(RotateRefreshToken.self)(payload)
        case .revokeDevice: try Self.roundTrip(RevokeDevice.self)(payload)
        case .listConversations: try Self.roundTrip(ListConversations.self)(payload)
        case .getUsers: try Self.roundTrip(GetUsers.self)(payload)
        case .conversationSummaries: try Self.roundTrip(ConversationSummaries.self)(payload)
        case .applyOutbox: try Self.roundTrip(ApplyOutbox.self)(payload)
        case .displaceSession: try Self.roundTrip(DisplaceSession.self)(payload)
        case .relay: try Self.roundTrip(Relay.self)(payload)
        case .settleDeliveries: try Self.roundTrip(SettleDeliveries.self)(payload)
        case .storeReceipts: try Self.roundTrip(StoreReceipts.self)(payload)
        case .getMessageStatus: try Self.roundTrip(GetMessageStatus.self)(payload)
        case .getReceipts: try Self.roundTrip(GetReceipts.self)(payload)
        case .setPresence: try Self.roundTrip(SetPresence.self)(payload)
        case .compareHeads: try Self.roundTrip(CompareHeads.self)(payload)
        case .readReceipts: try Self.roundTrip(ReadReceipts.self)(payload)
        case .syncChanges: try Self.roundTrip(SyncChanges.self)(payload)
        case .operateNode: try Self.roundTrip(OperateNode.self)(payload)
        }
    }

    static func check(_ payload: ByteBuffer, asNotification kind: UInt16) throws {
        guard let kind = NotificationKind(rawValue: kind) else { return }
        switch kind {
        case .deliver: try Self.roundTrip(Deliver.self)(payload)
        case .conversationEvent: try Self.roundTrip(ConversationEvent.self)(payload)
        case .routing: try Self.roundTrip(RoutingNews.self)(payload)
        case .sessionDisplaced: try Self.roundTrip(DisplaceSession.self)(payload)
        case .attachment: try Self.roundTrip(Attachment.self)(payload)
        case .sessionUnknown: try Self.roundTrip(SessionUnknown.self)(payload)
        case .receipts: try Self.roundTrip(ReceiptsEvent.self)(payload)
        case .relayed: try Self.roundTrip(Relayed.self)(payload)
        case .relayReach: try Self.roundTrip(RelayReach.self)(payload)
        case .audience: try Self.roundTrip(AudienceUpdate.self)(payload)
        case .deliveryProgress: try Self.roundTrip(DeliveryProgress.self)(payload)
        case .presenceStates: try Self.roundTrip(PresenceStates.self)(payload)
        case .presenceWanted: try Self.roundTrip(PresenceWanted.self)(payload)
        case .presenceReport: try Self.roundTrip(PresenceReport.self)(payload)
        case .presenceDigest: try Self.roundTrip(PresenceDigest.self)(payload)
        case .presenceStatesWanted: try Self.roundTrip(Empty.self)(payload)
        case .typing, .typingTold: try Self.roundTrip(Typing.self)(payload)
        }
    }

    private typealias Check = @Sendable (ByteBuffer) throws -> Void

    private static let checks: [Check] = [
        Self.roundTrip(Submit.self), Self.roundTrip(Accepted.self), Self.roundTrip(MessageBody.self),
        Self.roundTrip(Deliver.self), Self.roundTrip(ReadMessages.self), Self.roundTrip(MessagePage.self),
        Self.roundTrip(CreateConversation.self), Self.roundTrip(ConversationState.self),
        Self.roundTrip(GetConversation.self), Self.roundTrip(UpdateConversation.self),
        Self.roundTrip(DeleteConversation.self), Self.roundTrip(AddMembers.self), Self.roundTrip(SetMemberRole.self),
        Self.roundTrip(RemoveMember.self), Self.roundTrip(ConversationSummaries.self),
        Self.roundTrip(ConversationSummary.self), Self.roundTrip(ConversationSummaryList.self),
        Self.roundTrip(ListConversations.self), Self.roundTrip(ConversationIDList.self),
        Self.roundTrip(ConversationEvent.self), Self.roundTrip(ApplyOutbox.self),
        Self.roundTrip(MembershipChange.self), Self.roundTrip(FailureBody.self), Self.roundTrip(Empty.self),
        Self.roundTrip(Relay.self), Self.roundTrip(RelayAnswer.self), Self.roundTrip(Relayed.self),
        Self.roundTrip(RelayReach.self),
        Self.roundTrip(RoutingNews.self), Self.roundTrip(Attachment.self), Self.roundTrip(SessionUnknown.self),
        Self.roundTrip(DisplaceSession.self), Self.roundTrip(RegisterUser.self), Self.roundTrip(ResolveUsername.self),
        Self.roundTrip(ResolvedUsername.self), Self.roundTrip(GetCredentials.self), Self.roundTrip(Credentials.self),
        Self.roundTrip(PutDevice.self), Self.roundTrip(RotateRefreshToken.self), Self.roundTrip(RevokeDevice.self),
        Self.roundTrip(GetUsers.self), Self.roundTrip(UserList.self), Self.roundTrip(MemberBody.self),
        Self.roundTrip(ConversationBody.self), Self.roundTrip(UserProfileBody.self),
        Self.roundTrip(ChangedHeads.self), Self.roundTrip(ChangesSince.self), Self.roundTrip(CompareHeads.self),
        Self.roundTrip(ConversationChanged.self), Self.roundTrip(DeliveryProgress.self),
        Self.roundTrip(OperateNode.self), Self.roundTrip(NodeReport.self),
        Self.roundTrip(GetMessageStatus.self), Self.roundTrip(GetReceipts.self),
        Self.roundTrip(MemberWatermarksBody.self), Self.roundTrip(MessageStatusBody.self),
        Self.roundTrip(PresenceDigest.self), Self.roundTrip(PresenceProfileBody.self),
        Self.roundTrip(PresenceReport.self), Self.roundTrip(PresenceStates.self), Self.roundTrip(PresenceWanted.self),
        Self.roundTrip(ReadReceipts.self), Self.roundTrip(ReceiptList.self), Self.roundTrip(ReceiptsEvent.self),
        Self.roundTrip(ReceiptsOfConversations.self), Self.roundTrip(ReceiptsStored.self),
        Self.roundTrip(SetPresence.self), Self.roundTrip(SettleDeliveries.self),
        Self.roundTrip(ShownPresenceBody.self), Self.roundTrip(SlotPresence.self),
        Self.roundTrip(StoreReceipts.self), Self.roundTrip(SyncChanges.self), Self.roundTrip(Typing.self),
    ]

    /// What can be read is written so that it reads the same, and takes no more room than a few times the input.
    private static func roundTrip<Value: WireMessage & Equatable>(_: Value.Type) -> Check {
        { body in
            let value: Value
            do throws(FieldError) {
                value = try Value(decoding: body)
            } catch {
                return
            }
            let encoded = value.encoded()
            let bound = body.readableBytes * 4 + 256
            try require(encoded.readableBytes <= bound, "\(body.readableBytes) bytes become \(encoded.readableBytes)")
            let again: Value
            do throws(FieldError) {
                again = try Value(decoding: encoded)
            } catch {
                throw PropertyViolation("\(value) cannot be read back: \(error)")
            }
            try require(again == value, "\(value) reads back as \(again)")
            try require(again.encoded() == encoded, "\(value) is written in two ways")
        }
    }
}
