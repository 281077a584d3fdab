// SPDX-License-Identifier: Apache-2.0

import Messaging
import NIOCore
import Placement
import Storage
import Wire

/// Takes requests apart and hands them to the writer or the readers of their slot. Any thread; never blocks.
package final class RequestDispatcher: Sendable {
    private let routing: RoutingState
    private let shards: ShardRoster
    private let receiptMembersMax: Int

    /// - Parameter receiptMembersMax: members of a conversation whose receipts are listed one by one.
    init(routing: RoutingState, shards: ShardRoster, receiptMembersMax: Int) {
        self.routing = routing
        self.shards = shards
        self.receiptMembersMax = receiptMembersMax
    }

    package func dispatch(_ call: Call) {
        guard let shard = self.routing.ownShard(of: call.slot), let services = self.shards[shard] else {
            return call.moved(self.routing.news(about: call.slot))
        }
        do throws(FieldError) {
            try self.dispatch(call, services)
        } catch {
            call.fail(Failure(.internal, "A request from another node could not be read: \(error)."))
        }
    }

    private func dispatch(_ call: Call, _ services: ShardServices) throws(FieldError) {
        let writer = services.writer(of: call.slot)
        switch call.kind {
        case .submit:
            let submit = try Submit(decoding: call.payload)
            guard self.check(submit.conversation.value, call) else { return }
            writer.submit(call, submit)
        case .createConversation, .updateConversation, .deleteConversation, .addMembers, .setMemberRole, .removeMember,
            .getConversation:
            writer.perform(try ConversationOperations.operation(call))
        case .registerUser, .putDevice, .rotateRefreshToken, .revokeDevice, .setPresence, .applyOutbox:
            writer.perform(try UserOperations.operation(call))
        case .readMessages, .conversationSummaries, .compareHeads:
            try ConversationReads.perform(call, services.readers)
        case .storeReceipts:
            let receipts = try StoreReceipts(decoding: call.payload)
            guard self.check(receipts.conversation.value, call) else { return }
            writer.store(call, receipts)
        case .getMessageStatus, .getReceipts, .readReceipts:
            try ReceiptReads.perform(call, services.readers, membersMax: self.receiptMembersMax)
        case .resolveUsername, .getCredentials, .listConversations, .getUsers:
            try UserReads.perform(call, services.readers)
        case .displaceSession, .settleDeliveries, .relay, .syncChanges, .operateNode:
            call.fail(Failure(.internal, "This request is not addressed to a slot."))
        }
    }

    /// A body that names another slot than its frame would be written under the wrong owner's fence.
    private func check(_ identifier: UInt128, _ call: Call) -> Bool {
        guard Slot(of: identifier) == call.slot else {
            call.fail(Failure(.internal, "A request from another node names the wrong slot."))
            return false
        }
        return true
    }
}
