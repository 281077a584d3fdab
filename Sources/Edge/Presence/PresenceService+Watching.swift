// SPDX-License-Identifier: Apache-2.0

internal import ClientProtocol
internal import Messaging
internal import NIOCore
internal import Placement
import Synchronization
internal import Wire

/// Who may be watched: the members of conversations, as the owners of those tell them to their members.
extension PresenceService {
    /// Conversations of one command whose members are asked for at the same time.
    static let conversationsAtOnce = 8

    /// Replaces the session's list; it is told how that ended.
    func watch(_ conversations: [ConversationID], for watcher: PresenceWatches.Watcher, id: CommandID) {
        let loop = self.loops[watcher.loop]
        guard self.state.withLock({ $0.watches.begin(watcher) }) else {
            return loop.post(.send(.error(id, .watchUnderWay)), to: watcher.session)
        }
        let wanted = Set(conversations)
        let now = Self.now()
        let (known, unknown) = self.state.withLock { state in
            var known: [ConversationID: Set<UserID>] = [:]
            for conversation in wanted {
                known[conversation] = state.watches.members(of: conversation, for: watcher.user, now: now)
            }
            let unknown = wanted.filter { known[$0] == nil }
            for conversation in unknown { state.watches.askingBegan(conversation) }
            return (known, Array(unknown))
        }
        guard !unknown.isEmpty else {
            return self.watchAnswered(watcher, id, known, asked: [])
        }
        loop.eventLoop.makeFutureWithLoopTask {
            await self.ask(unknown, for: watcher, id, known)
        }.whenComplete { _ in }
    }

    private func ask(
        _ unknown: [ConversationID],
        for watcher: PresenceWatches.Watcher,
        _ id: CommandID,
        _ known: [ConversationID: Set<UserID>]
    ) async {
        var lists = known
        var rest = unknown[...]
        while !rest.isEmpty {
            let some = rest.prefix(Self.conversationsAtOnce)
            rest = rest.dropFirst(some.count)
            let results = await withTaskGroup(
                of: (ConversationID, Result<Set<UserID>, Failure>).self
            ) { group in
                for conversation in some {
                    group.addTask { (conversation, await self.members(of: conversation, for: watcher.user)) }
                }
                return await group.reduce(into: []) { $0.append($1) }
            }
            for (conversation, result) in results {
                switch result {
                case .success(let members):
                    lists[conversation] = members
                case .failure(var failure):
                    failure.message = "The conversation \(conversation): \(failure.message)"
                    return self.watchRefused(watcher, id, failure, asked: unknown)
                }
            }
        }
        self.watchAnswered(watcher, id, lists, asked: unknown)
    }

    /// As the owner of the conversation tells it to a member; for others there is no such conversation.
    private func members(of conversation: ConversationID, for user: UserID) async -> Result<Set<UserID>, Failure> {
        do throws(Failure) {
            let state: ConversationState = try await self.routers.call(
                .getConversation,
                slot: Slot(of: conversation.value),
                body: GetConversation(conversation: conversation, actor: user),
                timeout: nil
            )
            guard state.memberCount <= self.membersMax else {
                throw Failure(
                    .tooLarge,
                    "It has more than \(self.membersMax) members, so no presence is carried in it: leave it out."
                )
            }
            return .success(Set(state.members.map(\.user)))
        } catch {
            return .failure(error)
        }
    }

    private func watchRefused(
        _ watcher: PresenceWatches.Watcher,
        _ id: CommandID,
        _ failure: Failure,
        asked: [ConversationID]
    ) {
        self.state.withLock { $0.watches.refused(watcher.session, asked: asked) }
        self.loops[watcher.loop].post(.send(.error(id, failure)), to: watcher.session)
    }

    private func watchAnswered(
        _ watcher: PresenceWatches.Watcher,
        _ id: CommandID,
        _ lists: [ConversationID: Set<UserID>],
        asked: [ConversationID]
    ) {
        let count = lists.values.reduce(0) { $0 + $1.count }
        guard count <= Limits.watchedUsersMax else {
            let failure = Failure(
                .tooLarge,
                "The conversations have \(count) members together; at most \(Limits.watchedUsersMax) are watched."
            )
            return self.watchRefused(watcher, id, failure, asked: asked)
        }
        self.change { $0.watches.replace(watcher, id: id, lists, asked: asked, now: Self.now()) }
    }

    func verify(_ verification: PresenceWatches.Verification) {
        self.eventLoop.makeFutureWithLoopTask {
            let verdict: PresenceWatches.Verdict =
                switch await self.members(of: verification.conversation, for: verification.actor) {
                case .success(let members): .members(members)
                case .failure(let failure) where failure.code == .tooLarge: .members([])
                case .failure(let failure): failure == .noSuchConversation ? .refused : .failed
                }
            self.change { $0.watches.verified(verification, verdict, now: Self.now()) }
        }.whenComplete { _ in }
    }
}

extension Failure {
    fileprivate static let watchUnderWay = Failure(
        .overloaded,
        "The former `watch_presence` has no answer yet: wait for it.",
        retryAfterMilliseconds: 500
    )
}
