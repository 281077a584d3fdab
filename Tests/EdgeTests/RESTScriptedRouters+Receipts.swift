// SPDX-License-Identifier: Apache-2.0

import Messaging
import NIOCore
import Placement
import Wire

@testable import Edge

extension ScriptedRouters {
    static func answerReceipt(
        _ kind: RequestKind,
        slot: Slot,
        _ payload: ByteBuffer,
        _ state: inout State
    ) throws -> ByteBuffer {
        switch kind {
        case .storeReceipts:
            let request = try StoreReceipts(decoding: payload)
            var stored: [MemberWatermarks] = []
            for entry in request.entries {
                guard let found = try? Self.conversation(request.conversation, for: entry.user, slot, state) else {
                    continue
                }
                let known = state.watermarks[request.conversation]?[entry.user] ?? .zero
                let after = known.union(entry.watermarks.within(head: found.conversation.headSeq))
                state.watermarks[request.conversation, default: [:]][entry.user] = after
                stored.append(MemberWatermarks(user: entry.user, watermarks: after))
            }
            return ReceiptsStored(entries: stored).encoded()
        case .getReceipts:
            let request = try GetReceipts(decoding: payload)
            let found = try Self.conversation(request.conversation, for: request.reader, slot, state)
            return ReceiptList(entries: Self.watermarks(found, state)).encoded()
        default:
            let request = try GetMessageStatus(decoding: payload)
            let found = try Self.conversation(request.conversation, for: request.reader, slot, state)
            let messages = state.messages[request.conversation, default: []]
            guard let message = messages.first(where: { $0.seq == request.seq }) else { throw Failure.noSuchMessage }
            let recipients = Self.watermarks(found, state).filter { $0.user != message.sender }
            return MessageStatusBody(
                MessageStatusReport(
                    recipientCount: recipients.count,
                    deliveredCount: recipients.count { $0.watermarks.delivered >= request.seq },
                    readCount: recipients.count { $0.watermarks.read >= request.seq },
                    recipients: state.countsOnly ? nil : recipients
                )
            ).encoded()
        }
    }

    private static func watermarks(_ found: ConversationState, _ state: State) -> [MemberWatermarks] {
        found.members.map { member in
            let known = state.watermarks[found.conversation.id]?[member.user] ?? .zero
            return MemberWatermarks(user: member.user, watermarks: known)
        }
    }
}
