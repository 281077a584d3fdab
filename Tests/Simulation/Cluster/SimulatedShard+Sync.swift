// SPDX-License-Identifier: Apache-2.0

import Messaging
import Storage
import Wire

/// What a shard's readers are asked for syncs.
extension SimulatedShard {
    /// As ``ShardSession/changedHeads(user:cursors:states:)``.
    func changedHeads(_ request: CompareHeads) -> ChangedHeads {
        let states = request.states.isEmpty ? request.cursors.map { _ in UInt64.max } : request.states
        let wanted = zip(request.conversations, zip(request.cursors, states))
        return ChangedHeads(
            changed: wanted.compactMap { conversation, known in
                let (cursor, version) = known
                let state = self.rows[conversation].flatMap { $0.isDeleted ? nil : $0.state }
                let member = state?.members.first { $0.user == request.user }
                guard let state, let member else {
                    return ConversationChanged(
                        conversation: conversation,
                        headSeq: state?.conversation.headSeq ?? 0,
                        joinedSeq: 0,
                        membersVersion: state?.membersVersion ?? 0,
                        isRemoved: true
                    )
                }
                guard state.conversation.headSeq > cursor || state.stateVersion > version else { return nil }
                return ConversationChanged(
                    conversation: conversation,
                    headSeq: state.conversation.headSeq,
                    joinedSeq: member.joinedSeq,
                    membersVersion: state.membersVersion,
                    isRemoved: false,
                    hasReceipts: state.stateVersion > version
                )
            }
        )
    }

    /// As ``ShardSession/receipts(of:for:membersMax:)``.
    func receipts(_ request: ReadReceipts) -> ReceiptsOfConversations {
        ReceiptsOfConversations(
            receipts: request.conversations.compactMap { conversation in
                guard let row = self.rows[conversation], !row.isDeleted,
                    row.state.members.contains(where: { $0.user == request.user })
                else { return nil }
                return ConversationReceipts(
                    conversation: conversation,
                    stateVersion: row.state.stateVersion,
                    entries: row.state.members.map { MemberWatermarks(user: $0.user, watermarks: $0.watermarks) }
                )
            }
        )
    }
}
