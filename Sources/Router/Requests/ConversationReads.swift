// SPDX-License-Identifier: Apache-2.0

import Messaging
import Storage
import Wire

/// Requests that only read conversations and messages.
enum ConversationReads {
    /// Bytes of the bodies of one page: what is over it goes into the next, so that an answer always fits a block.
    static let pageBytesMax = 512 * 1024

    static func perform(_ call: Call, _ readers: ShardReaders) throws(FieldError) {
        switch call.kind {
        case .readMessages:
            let request = try ReadMessages(decoding: call.payload)
            readers.answer(call) { (session) throws(StorageError) in try Self.page(request, session) }
        case .conversationSummaries:
            let request = try ConversationSummaries(decoding: call.payload)
            readers.answer(call) { (session) throws(StorageError) in try Self.summaries(request, session) }
        case .compareHeads:
            let request = try CompareHeads(decoding: call.payload)
            readers.answer(call) { (session) throws(StorageError) in
                func byConversation(_ numbers: [UInt64]) -> [ConversationID: UInt64] {
                    Dictionary(zip(request.conversations, numbers), uniquingKeysWith: { first, _ in first })
                }
                let changed = try session.changedHeads(
                    user: request.user,
                    cursors: byConversation(request.cursors),
                    states: request.states.isEmpty ? nil : byConversation(request.states)
                )
                return .ok(ChangedHeads(changed: changed.map(ConversationChanged.init)))
            }
        default:
            preconditionFailure("\(call.kind) is not a read of a conversation")
        }
    }

    private static func page(_ request: ReadMessages, _ session: ShardSession) throws(StorageError) -> Reply {
        let heads = try session.conversationHeads(user: request.reader, conversations: [request.conversation])
        guard let head = heads.first else { return .failed(.noSuchConversation) }
        let (after, before): (UInt64?, UInt64?) =
            switch request.position {
            case .after(let seq): (seq, nil)
            case .before(let seq): (nil, seq)
            }
        let messages = try session.readMessages(
            request.conversation,
            after: after,
            before: before,
            limit: Int(request.limit),
            notBefore: head.member.joinedSeq
        )
        let kept = after == nil ? Self.fitting(messages.reversed()).reversed() : Self.fitting(messages)
        return .ok(
            MessagePage(
                messages: kept,
                headSeq: head.conversation.headSeq,
                hasMore: Self.hasMore(kept, head, upwards: after != nil)
            )
        )
    }

    /// Numbers have no gaps, so the ends of a page tell whether there is more.
    private static func hasMore(_ page: [Message], _ head: ConversationHead, upwards: Bool) -> Bool {
        if upwards { return page.last.map { $0.seq < head.conversation.headSeq } ?? false }
        return page.first.map { $0.seq > head.member.joinedSeq + 1 } ?? false
    }

    /// As many from the start as fit a page, but at least one.
    private static func fitting(_ messages: some Collection<Message>) -> [Message] {
        var bytes = 0
        return Array(
            messages.prefix { message in
                let isFirst = bytes == 0
                bytes += message.body.utf8.count + 128
                return isFirst || bytes <= Self.pageBytesMax
            }
        )
    }

    private static func summaries(
        _ request: ConversationSummaries,
        _ session: ShardSession
    ) throws(StorageError) -> Reply {
        let heads = try session.conversationHeads(user: request.user, conversations: request.conversations)
        var bytes = 0
        let summaries = heads.map { head in
            // A list shows previews: where whole bodies would not fit, the client reads the message itself.
            bytes += head.lastMessage?.body.utf8.count ?? 0
            return ConversationSummary(
                conversation: head.conversation,
                own: head.member,
                memberCount: UInt32(clamping: head.memberCount),
                lastMessage: bytes <= Self.pageBytesMax ? head.lastMessage : nil,
                stateVersion: head.stateVersion
            )
        }
        return .ok(ConversationSummaryList(summaries: summaries))
    }
}

extension ConversationChanged {
    init(_ head: ChangedHead) {
        self.init(
            conversation: head.conversation,
            headSeq: head.headSeq,
            joinedSeq: head.joinedSeq,
            membersVersion: head.membersVersion,
            isRemoved: head.isRemoved,
            hasReceipts: head.hasReceipts
        )
    }
}

extension ShardReaders {
    /// Runs a read and answers the call with what it comes to.
    func answer(_ call: Call, _ body: @escaping @Sendable (ShardSession) throws(StorageError) -> Reply) {
        self.read(body) { result in
            switch result {
            case .success(let reply): call.answer(reply)
            case .failure(let error): call.fail(Failure(error))
            }
        }
    }
}
