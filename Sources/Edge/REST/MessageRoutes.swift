// SPDX-License-Identifier: Apache-2.0

internal import ClientProtocol
import HTTPTypes
internal import Messaging
internal import Placement
internal import Wire

/// Reading and sending messages.
enum MessageRoutes {
    static func routes(
        _ routers: any RouterCalls,
        now: @escaping @Sendable () -> UnixMilliseconds
    ) -> [Route] {
        [
            Route(.get, "/api/conversations/{conversation_id}/messages", .bearer) { (request) throws(Failure) in
                let read = ReadMessages(
                    conversation: try request.conversation(),
                    reader: try request.authenticated().user,
                    position: try Self.position(request),
                    limit: try request.limit()
                )
                let page: MessagePage = try await routers.call(
                    .readMessages,
                    slot: Slot(of: read.conversation.value),
                    body: read,
                    timeout: nil
                )
                return try .json(
                    MessagesResponse(
                        messages: page.messages.map(DeliveredMessage.init),
                        headSeq: page.headSeq,
                        hasMore: page.hasMore
                    )
                )
            },
            Route(.post, "/api/messages", .bearer, .send) { (request) throws(Failure) in
                let submit = try Submit(try request.json(), from: try request.authenticated(), now: now())
                let accepted = try await routers.submit(submit)
                return try .json(
                    MessageSent(
                        conversationID: submit.conversation,
                        clientMessageID: submit.clientMessageID,
                        seq: accepted.seq,
                        createdAt: Timestamp(accepted.createdAt),
                        isDuplicate: accepted.duplicate
                    ),
                    status: accepted.duplicate ? 200 : 201
                )
            },
        ]
    }

    /// Without `after` and `before`: the newest messages.
    private static func position(_ request: RESTRequest) throws(Failure) -> ReadMessages.Position {
        switch (try request.seq("after"), try request.seq("before")) {
        case (.some, .some): throw Failure(.invalidField, "Only one of `after` and `before` may be given.")
        case (.some(let seq), nil): return .after(seq)
        case (nil, .some(0)): throw Failure(.invalidField, "The parameter `before` must be at least 1.")
        case (nil, let seq): return .before(seq)
        }
    }
}
