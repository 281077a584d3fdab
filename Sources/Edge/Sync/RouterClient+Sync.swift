// SPDX-License-Identifier: Apache-2.0

internal import ClientProtocol
internal import Mesh
internal import Messaging
internal import NIOCore
internal import Placement
internal import Wire

extension RouterClient {
    /// Asks every linked router what changed for a user. Every router that is linked when this returns, and was when it
    /// began, has answered; one whose link ended meanwhile is left out.
    func changes(for user: UserID, since token: ResumeToken?) async throws(Failure) -> [ChangesSince] {
        let deadline = NIODeadline.now() + TimeAmount(self.requestTimeout)
        var answers: [String: ChangesSince] = [:]
        var schedule = RetrySchedule()
        while true {
            let lives = self.links.linkedLives
            let asked = lives.filter { answers[$0.key]?.life != $0.value }
            if asked.isEmpty, !lives.isEmpty { return lives.keys.sorted().compactMap { answers[$0] } }
            for (router, answer) in await self.ask(asked, user, token, deadline: deadline) {
                answers[router] = answer
            }
            let now = self.links.linkedLives
            if !now.isEmpty, now.allSatisfy({ answers[$0.key]?.life == $0.value }) { continue }
            guard await self.pause(schedule.next(), before: deadline) else { throw .outOfTime(mayHaveArrived: false) }
        }
    }

    private func ask(
        _ routers: [String: Incarnation],
        _ user: UserID,
        _ token: ResumeToken?,
        deadline: NIODeadline
    ) async -> [(String, ChangesSince)] {
        await withTaskGroup(of: (String, ChangesSince?).self) { group in
            for (router, life) in routers {
                let since = token?.positions[life]
                let question = SyncChanges(user: user, life: since == nil ? nil : life, since: since ?? 0)
                group.addTask {
                    let outcome = await withCheckedContinuation { continuation in
                        self.links.request(
                            kind: RequestKind.syncChanges.rawValue,
                            slot: 0,
                            epoch: 0,
                            payload: question.encoded(),
                            to: router,
                            deadline: deadline
                        ) { continuation.resume(returning: AttemptOutcome($0, adopting: { _ in })) }
                    }
                    switch outcome {
                    case .answered(let body): return (router, try? ChangesSince(decoding: body))
                    // A router of an earlier version refuses what it does not know, behind the announcement all the same.
                    case .failed: return (router, .unknown(life))
                    case .retry, .expired: return (router, nil)
                    }
                }
            }
            return await group.reduce(into: []) { answers, next in
                if let answer = next.1 { answers.append((next.0, answer)) }
            }
        }
    }

    struct Comparison: Sendable {
        var changed: [ConversationChanged] = []
        /// Conversations that were asked about.
        var compared = 0
        /// Those of them whose shard did not answer.
        var unavailable: [ConversationID] = []
    }

    /// Compares with what the device has, in the slots that are not in `vouched`: all conversations in the user's list, and
    /// all that the device named.
    func compare(
        _ user: UserID,
        _ request: SyncRequest,
        except vouched: SlotSet
    ) async throws(Failure) -> Comparison {
        var wanted = Set(request.cursors.keys)
        var last: ConversationID?
        repeat {
            let page: ConversationIDList = try await self.call(
                .listConversations,
                slot: Slot(of: user.value),
                body: ListConversations(user: user, after: last, limit: UInt32(Limits.pageRowsMax)),
                timeout: nil
            )
            wanted.formUnion(page.conversations)
            last = page.hasMore ? page.conversations.last : nil
        } while last != nil
        let conversations = wanted.filter { !vouched.contains(Slot(of: $0.value)) }
        var comparison = Comparison(compared: conversations.count)
        // Shard by shard: one that is away takes only its own conversations with it.
        let shards = Dictionary(grouping: conversations) { self.routing.route(to: Slot(of: $0.value))?.shard ?? "" }
        await withTaskGroup(of: ([ConversationID], Result<[ChangedHeads], Failure>).self) { group in
            for share in shards.values {
                group.addTask { (share, await self.heads(of: share, user, request)) }
            }
            for await (share, result) in group {
                switch result {
                case .success(let heads): comparison.changed += heads.flatMap(\.changed)
                case .failure: comparison.unavailable += share
                }
            }
        }
        return comparison
    }

    private func heads(
        of conversations: [ConversationID],
        _ user: UserID,
        _ request: SyncRequest
    ) async -> Result<[ChangedHeads], Failure> {
        do throws(Failure) {
            return .success(
                try await self.callGrouped(.compareHeads, conversations, atMost: CompareHeads.conversationsMax) {
                    share in
                    CompareHeads(
                        user: user,
                        conversations: share,
                        cursors: share.map { request.cursors[$0] ?? 0 },
                        states: request.wantsReceipts ? share.map { request.states[$0] ?? 0 } : []
                    ).encoded()
                }
            )
        } catch {
            return .failure(error)
        }
    }

    /// How far the members of some conversations have come; nil when not all of it could be read.
    func receipts(of conversations: [ConversationID], for user: UserID) async -> [ConversationReceipts]? {
        let answers: [ReceiptsOfConversations]? = try? await self.callGrouped(
            .readReceipts,
            conversations,
            atMost: ReadReceipts.conversationsMax
        ) { ReadReceipts(user: user, conversations: $0).encoded() }
        return answers?.flatMap(\.receipts)
    }

    /// One page of messages after a number.
    func page(of conversation: ConversationID, after seq: UInt64, for user: UserID) async -> SyncMachine.Page {
        do throws(Failure) {
            let page: MessagePage = try await self.call(
                .readMessages,
                slot: Slot(of: conversation.value),
                body: ReadMessages(
                    conversation: conversation,
                    reader: user,
                    position: .after(seq),
                    limit: UInt32(Limits.pageRowsMax)
                ),
                timeout: nil
            )
            return .messages(page.messages, hasMore: page.hasMore)
        } catch {
            return error.code == .notFound ? .gone : .failed(error)
        }
    }
}

extension ChangesSince {
    /// Of a router that remembers nothing.
    fileprivate static func unknown(_ life: Incarnation) -> ChangesSince {
        ChangesSince(life: life, position: 0, routing: 0, complete: SlotSet(), hasForgotten: true, changed: [])
    }
}
