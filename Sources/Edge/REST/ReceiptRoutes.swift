// SPDX-License-Identifier: Apache-2.0

internal import ClientProtocol
import HTTPTypes
internal import Messaging
internal import Placement
internal import Wire

/// How far the members of a conversation have come, and what has become of one message.
enum ReceiptRoutes {
    static func routes(_ routers: any RouterCalls) -> [Route] {
        [
            Route(.get, "/api/conversations/{conversation_id}/receipts", .bearer) { (request) throws(Failure) in
                let get = GetReceipts(
                    conversation: try request.conversation(),
                    reader: try request.authenticated().user
                )
                let list: ReceiptList = try await routers.call(
                    .getReceipts,
                    slot: Slot(of: get.conversation.value),
                    body: get,
                    timeout: nil
                )
                return try .json(ReceiptsResponse(receipts: list.entries.map(ReceiptsResponse.Row.init)))
            },
            Route(.get, "/api/messages/{message_id}/status", .bearer) { (request) throws(Failure) in
                let message = try request.message()
                let status: MessageStatusBody = try await routers.call(
                    .getMessageStatus,
                    slot: Slot(of: message.conversation.value),
                    body: GetMessageStatus(
                        conversation: message.conversation,
                        seq: message.seq,
                        reader: try request.authenticated().user
                    ),
                    timeout: nil
                )
                return try .json(MessageStatusResponse(status.value, of: message))
            },
            Route(.put, "/api/messages/{message_id}/status", .bearer) { (request) throws(Failure) in
                let message = try request.message()
                let user = try request.authenticated().user
                let asked = try request.json(as: SetMessageStatusRequest.self).watermarks(at: message.seq)
                let stored: ReceiptsStored = try await routers.call(
                    .storeReceipts,
                    slot: Slot(of: message.conversation.value),
                    body: StoreReceipts(
                        conversation: message.conversation,
                        entries: [MemberWatermarks(user: user, watermarks: asked)]
                    ),
                    timeout: nil
                )
                guard let own = stored.entries.first(where: { $0.user == user }), own.watermarks.covers(asked) else {
                    throw .noSuchMessage
                }
                return try .json(ReceiptStored(conversationID: message.conversation, watermarks: own.watermarks))
            },
        ]
    }
}
