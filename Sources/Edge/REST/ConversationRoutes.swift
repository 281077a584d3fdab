// SPDX-License-Identifier: Apache-2.0

internal import ClientProtocol
import HTTPTypes
internal import Messaging
internal import Placement
internal import Wire

/// `/api/conversations`, without members and messages.
enum ConversationRoutes {
    static func routes(_ routers: any RouterCalls) -> [Route] {
        [
            Route(.post, "/api/conversations", .bearer) { (request) throws(Failure) in
                let creation = try Self.creation(try request.json(), by: try request.authenticated().user)
                try await MemberRoutes.checkExistence(of: creation.members, field: "member_ids", routers)
                let created = try await Self.change(.createConversation, creation.conversation, creation, routers)
                return try .json(created, status: 201)
            },
            Route(.get, "/api/conversations", .bearer) { (request) throws(Failure) in
                try .json(try await Self.list(request, routers))
            },
            Route(.get, "/api/conversations/{conversation_id}", .bearer) { (request) throws(Failure) in
                let get = GetConversation(
                    conversation: try request.conversation(),
                    actor: try request.authenticated().user
                )
                return try .json(try await Self.change(.getConversation, get.conversation, get, routers))
            },
            Route(.put, "/api/conversations/{conversation_id}", .bearer) { (request) throws(Failure) in
                let body = try request.json(as: UpdateConversationRequest.self)
                let update = UpdateConversation(
                    conversation: try request.conversation(),
                    actor: try request.authenticated().user,
                    title: try AccountRules.title(body.title)
                )
                return try .json(try await Self.change(.updateConversation, update.conversation, update, routers))
            },
            Route(.delete, "/api/conversations/{conversation_id}", .bearer) { (request) throws(Failure) in
                let conversation = try request.conversation()
                let _: Empty = try await routers.call(
                    .deleteConversation,
                    slot: Slot(of: conversation.value),
                    body: DeleteConversation(conversation: conversation, actor: try request.authenticated().user),
                    timeout: nil
                )
                return .noContent
            },
        ]
    }

    /// Asks the conversation's owner for something that is answered with the conversation as it is afterwards.
    static func change(
        _ kind: RequestKind,
        _ conversation: ConversationID,
        _ body: some WireMessage,
        _ routers: any RouterCalls
    ) async throws(Failure) -> ConversationResponse {
        let state: ConversationState = try await routers.call(
            kind,
            slot: Slot(of: conversation.value),
            body: body,
            timeout: nil
        )
        return ConversationResponse(state.conversation, members: state.members, memberCount: state.memberCount)
    }

    /// What is asked of the owner, checked but for the members' existence.
    static func creation(
        _ request: CreateConversationRequest,
        by creator: UserID
    ) throws(Failure) -> CreateConversation {
        let others = Set(request.memberIDs).subtracting([creator])
        guard others.count < Limits.membersPerRequestMax else {
            throw Failure(
                .tooLarge,
                "The field `member_ids` may name at most \(Limits.membersPerRequestMax - 1) others; add further ones afterwards."
            )
        }
        let title = try AccountRules.title(request.title ?? "")
        let id: ConversationID
        switch request.kind {
        case .direct:
            guard let other = others.first, others.count == 1 else {
                throw Failure(
                    .invalidField,
                    "The field `member_ids` of a direct conversation must name one other user."
                )
            }
            guard title.isEmpty else {
                throw Failure(.invalidField, "The field `title` must be absent: a direct conversation has none.")
            }
            id = .direct(creator, other)
        case .group, .channel:
            id = .generate()
        }
        return CreateConversation(
            conversation: id,
            kind: request.kind,
            title: title,
            creator: creator,
            members: others.sorted()
        )
    }

    // MARK: - The list

    private static func list(
        _ request: RESTRequest,
        _ routers: any RouterCalls
    ) async throws(Failure) -> ConversationListResponse {
        let user = try request.authenticated().user
        let page: ConversationIDList = try await routers.call(
            .listConversations,
            slot: Slot(of: user.value),
            body: ListConversations(user: user, after: try Self.cursor(request), limit: try request.limit()),
            timeout: nil
        )
        guard let last = page.conversations.last else {
            return ConversationListResponse(conversations: [], nextCursor: nil)
        }
        var summaries: [ConversationID: ConversationSummary] = [:]
        for summary in try await routers.conversationSummaries(page.conversations, of: user) {
            summaries[summary.conversation.id] = summary
        }
        // In the order of the page; one that was left or deleted a moment ago is not there any more.
        return ConversationListResponse(
            conversations: page.conversations.compactMap { summaries[$0] }.map(ConversationListItem.init),
            nextCursor: page.hasMore ? Base64.encode(last.bytes, .url) : nil
        )
    }

    /// Opaque to clients: the last id of the page before.
    private static func cursor(_ request: RESTRequest) throws(Failure) -> ConversationID? {
        guard let text = request.query["cursor"] else { return nil }
        guard let id = Base64.decode(text.utf8, .url).flatMap({ ConversationID(bytes: $0) }) else {
            throw Failure(.invalidField, "The parameter `cursor` must be the `next_cursor` of the page before.")
        }
        return id
    }
}

extension ConversationListItem {
    fileprivate init(_ summary: ConversationSummary) {
        self.init(
            conversationID: summary.conversation.id,
            kind: summary.conversation.kind,
            title: summary.conversation.title,
            memberCount: Int(summary.memberCount),
            headSeq: summary.conversation.headSeq,
            readSeq: summary.own.readSeq,
            unreadCount: summary.conversation.headSeq - min(summary.own.readSeq, summary.conversation.headSeq),
            lastMessage: summary.lastMessage.map(DeliveredMessage.init),
            createdAt: Timestamp(summary.conversation.createdAt)
        )
    }
}
