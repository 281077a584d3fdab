// SPDX-License-Identifier: Apache-2.0

import Messaging
import NIOCore
import Placement
import Storage
import Synchronization
import Wire

/// Carries typing from the edge of who writes to the edges of the others. May be used from any thread; nobody waits for
/// it and nobody is told how it went.
///
/// What the audience of the conversation has in memory is enough: its members and the edges to tell. In a conversation
/// in which nothing was sent since this router has it, the writer looks once (one read by the primary key if it does not
/// have the conversation itself) and the audience is resolved once; how often that happens is bounded
/// (``TypingGate/looksPerSecondMax``), beyond it typing is dropped and counted.
final class TypingCarrier: Sendable {
    struct Counts: Sendable {
        var carried: UInt64 = 0
        var looked: UInt64 = 0
        var dropped: UInt64 = 0
    }

    private struct State {
        var gate = TypingGate()
        var counts = Counts()
    }

    private static let lookTimeout = TimeAmount.seconds(2)

    private let membersMax: Int
    private let routing: RoutingState
    private let shards: ShardRoster
    private let dispatchers: [AudienceDispatcher]
    private let notify: @Sendable (NotificationKind, ByteBuffer, String) -> Void
    private let state = Mutex(State())

    /// - Parameters:
    ///   - membersMax: of a conversation that carries typing.
    ///   - notify: puts an ephemeral notification on the link to an edge.
    init(
        membersMax: Int,
        routing: RoutingState,
        shards: ShardRoster,
        dispatchers: [AudienceDispatcher],
        notify: @escaping @Sendable (NotificationKind, ByteBuffer, String) -> Void
    ) {
        self.membersMax = membersMax
        self.routing = routing
        self.shards = shards
        self.dispatchers = dispatchers
        self.notify = notify
    }

    var currentCounts: Counts { self.state.withLock { $0.counts } }

    func received(_ typing: Typing) {
        let slot = Slot(of: typing.conversation.value)
        guard let shard = self.routing.ownShard(of: slot), let services = self.shards[shard] else { return self.drop() }
        guard let kind = self.state.withLock({ $0.gate.kind(of: typing.conversation) }) else {
            return self.look(typing, slot, services)
        }
        self.dispatchers[Int(slot.number) % self.dispatchers.count].withKnown(typing.conversation) { known in
            guard let known else { return self.look(typing, slot, services) }
            guard self.isAllowed(typing, kind, known.members) else { return self.drop() }
            for (edge, users) in known.recipients {
                var told = typing
                told.recipients = users
                self.notify(.typingTold, told.encoded(), edge)
            }
            self.state.withLock { $0.counts.carried += 1 }
        }
    }

    private func isAllowed(_ typing: Typing, _ kind: ConversationKind, _ members: MemberList) -> Bool {
        members.users.count <= self.membersMax
            && Permissions.refusal(of: .post, by: typing.user, in: kind, members: members) == nil
    }

    /// Has the writer look, and the audience be resolved.
    private func look(_ typing: Typing, _ slot: Slot, _ services: ShardServices) {
        let second = NIODeadline.now().uptimeNanoseconds / 1_000_000_000
        guard self.state.withLock({ $0.gate.mayLook(second: second) }) else { return self.drop() }
        self.state.withLock { $0.counts.looked += 1 }
        let call = Call(
            kind: .getConversation,
            slot: slot,
            deadline: .now() + Self.lookTimeout,
            payload: ByteBuffer()
        ) { status, _ in
            if status != .ok { self.drop() }
        }
        services.writer(of: slot).perform(
            WriterOperation(call) { (scope) throws(StorageError) in
                guard let entry = try scope.conversation(typing.conversation) else {
                    return .failed(.noSuchConversation)
                }
                self.state.withLock { $0.gate.learned(entry.conversation.kind, of: typing.conversation) }
                guard self.isAllowed(typing, entry.conversation.kind, entry.members) else {
                    return .failed(.noSuchConversation)
                }
                let parcel = Parcel(
                    conversation: typing.conversation,
                    content: .typing(typing),
                    members: entry.members
                )
                return OperationOutcome(.ok(Empty()), parcels: [parcel])
            }
        )
    }

    private func drop() {
        self.state.withLock { $0.counts.dropped += 1 }
    }
}
