// SPDX-License-Identifier: Apache-2.0

package import Messaging
package import NIOCore
package import Placement
package import Wire

/// Asks the routers that own slots, across routers that come and go. May be used from any thread.
///
/// Every request may be sent again, so an attempt that failed on the way is repeated, at the owner that is known by then,
/// until the time of the request is up.
package final class RouterClient: RouterCalls {
    package let routing: RoutingState
    /// Requests that wait before another attempt.
    package let waits: RetryWaits
    let links: any RouterLinks
    let requestTimeout: Duration
    private let submitTimeout: Duration

    /// - Parameters:
    ///   - waits: woken by whoever learns of a new owner or link.
    ///   - requestTimeout: the whole time of a request for which none is given.
    ///   - submitTimeout: the whole time of one message.
    package init(
        routing: RoutingState,
        links: any RouterLinks,
        waits: RetryWaits = RetryWaits(),
        requestTimeout: Duration,
        submitTimeout: Duration
    ) {
        self.routing = routing
        self.links = links
        self.waits = waits
        self.requestTimeout = requestTimeout
        self.submitTimeout = submitTimeout
    }

    // MARK: - One attempt

    /// Sends a request to the owner of a slot once.
    ///
    /// - Parameter completion: called exactly once, on any thread, perhaps before this returns; must not block.
    package func attempt(
        _ kind: RequestKind,
        slot: Slot,
        body: ByteBuffer,
        deadline: NIODeadline,
        completion: @escaping @Sendable (AttemptOutcome) -> Void
    ) {
        guard let route = self.routing.route(to: slot) else {
            completion(.retry(mayHaveArrived: false))
            return
        }
        self.attempt(kind, slot: slot, route: route, body: body, deadline: deadline, completion: completion)
    }

    private func attempt(
        _ kind: RequestKind,
        slot: Slot,
        route: RoutingTable.Route,
        body: ByteBuffer,
        deadline: NIODeadline,
        completion: @escaping @Sendable (AttemptOutcome) -> Void
    ) {
        self.links.request(
            kind: kind.rawValue,
            slot: slot.number,
            epoch: route.epoch,
            payload: body,
            to: route.router,
            deadline: deadline
        ) { [routing] result in
            completion(AttemptOutcome(result) { routing.adopt($0) })
        }
    }

    // MARK: - Requests

    package func call<Response: WireMessage>(
        _ kind: RequestKind,
        slot: Slot,
        body: some WireMessage,
        timeout: Duration?
    ) async throws(Failure) -> Response {
        let deadline = NIODeadline.now() + TimeAmount(timeout ?? self.requestTimeout)
        let payload = body.encoded()
        var schedule = RetrySchedule()
        var mayHaveArrived = false
        while true {
            let outcome = await withCheckedContinuation { continuation in
                self.attempt(kind, slot: slot, body: payload, deadline: deadline) {
                    continuation.resume(returning: $0)
                }
            }
            switch outcome {
            case .answered(let answer):
                return try Self.decode(answer)
            case .failed(let failure):
                throw failure.after(mayHaveArrived: mayHaveArrived)
            case .expired(let arrived):
                throw .outOfTime(mayHaveArrived: mayHaveArrived || arrived)
            case .retry(let arrived):
                mayHaveArrived = mayHaveArrived || arrived
                guard await self.pause(schedule.next(), before: deadline) else {
                    throw .outOfTime(mayHaveArrived: mayHaveArrived)
                }
            }
        }
    }

    package func submit(_ submit: Submit) async throws(Failure) -> Accepted {
        let slot = Slot(of: submit.conversation.value)
        return try await self.call(.submit, slot: slot, body: submit, timeout: self.submitTimeout)
    }

    package func users(_ users: [UserID]) async throws(Failure) -> [UserProfile] {
        let lists: [UserList] = try await self.callGrouped(.getUsers, users, atMost: Limits.membersPerRequestMax) {
            GetUsers(users: $0).encoded()
        }
        return lists.flatMap(\.users)
    }

    package func conversationSummaries(
        _ conversations: [ConversationID],
        of user: UserID
    ) async throws(Failure) -> [ConversationSummary] {
        let lists: [ConversationSummaryList] = try await self.callGrouped(
            .conversationSummaries,
            conversations,
            atMost: Limits.pageRowsMax
        ) { ConversationSummaries(user: user, conversations: $0).encoded() }
        return lists.flatMap(\.summaries)
    }

    // MARK: - Requests to any router

    /// Has some router carry out a request that no slot is concerned with: one after the other until one answers.
    /// Nobody is told how it went.
    package func tellAnyRouter(_ kind: RequestKind, _ body: ByteBuffer) {
        self.tell(kind, body, routers: self.links.linkedRouters.shuffled()[...])
    }

    private func tell(_ kind: RequestKind, _ body: ByteBuffer, routers: ArraySlice<String>) {
        guard let router = routers.first else { return }
        self.links.request(
            kind: kind.rawValue,
            slot: 0,
            epoch: 0,
            payload: body,
            to: router,
            deadline: .now() + TimeAmount(self.requestTimeout)
        ) { result in
            switch AttemptOutcome(result, adopting: { _ in }) {
            case .answered, .failed: break
            case .retry, .expired: self.tell(kind, body, routers: routers.dropFirst())
            }
        }
    }

    // MARK: - Requests about slots of several owners

    /// Asks every owner for its share of the ids, all at once, and repeats what did not succeed with the shares as they
    /// are by then. Ids of one request are in one shard, so that one epoch holds for them all.
    func callGrouped<Kind, Response: WireMessage>(
        _ kind: RequestKind,
        _ ids: [Identifier<Kind>],
        atMost idsMax: Int,
        _ body: @escaping @Sendable ([Identifier<Kind>]) -> ByteBuffer
    ) async throws(Failure) -> [Response] {
        let deadline = NIODeadline.now() + TimeAmount(self.requestTimeout)
        var remaining = ids
        var answers: [Response] = []
        var schedule = RetrySchedule()
        while !remaining.isEmpty {
            let (shares, unrouted) = self.shares(remaining, atMost: idsMax)
            remaining = unrouted
            for (share, outcome) in await self.ask(kind, shares, deadline: deadline, body) {
                switch outcome {
                case .answered(let answer): answers.append(try Self.decode(answer))
                case .failed(let failure): throw failure
                // These requests change nothing, so what may have arrived does not matter.
                case .expired: throw .outOfTime(mayHaveArrived: false)
                case .retry: remaining += share
                }
            }
            guard !remaining.isEmpty else { break }
            guard await self.pause(schedule.next(), before: deadline) else { throw .outOfTime(mayHaveArrived: false) }
        }
        return answers
    }

    private struct Share<Kind>: Sendable {
        var route: RoutingTable.Route
        var slot: Slot
        var ids: [Identifier<Kind>]
    }

    private func shares<Kind>(
        _ ids: [Identifier<Kind>],
        atMost idsMax: Int
    ) -> (shares: [Share<Kind>], unrouted: [Identifier<Kind>]) {
        let slots = ids.map { Slot(of: $0.value) }
        var open: [String: Share<Kind>] = [:]
        var full: [Share<Kind>] = []
        var unrouted: [Identifier<Kind>] = []
        for ((id, slot), route) in zip(zip(ids, slots), self.routing.routes(to: slots)) {
            guard let route else {
                unrouted.append(id)
                continue
            }
            // The owner and the shard: names hold no line breaks.
            let key = "\(route.router)\n\(route.shard)"
            open[key, default: Share(route: route, slot: slot, ids: [])].ids.append(id)
            if let share = open[key], share.ids.count == idsMax {
                full.append(share)
                open[key] = nil
            }
        }
        return (full + open.values, unrouted)
    }

    private func ask<Kind>(
        _ kind: RequestKind,
        _ shares: [Share<Kind>],
        deadline: NIODeadline,
        _ body: @escaping @Sendable ([Identifier<Kind>]) -> ByteBuffer
    ) async -> [([Identifier<Kind>], AttemptOutcome)] {
        await withTaskGroup(of: ([Identifier<Kind>], AttemptOutcome).self) { group in
            for share in shares {
                group.addTask {
                    let outcome = await withCheckedContinuation { continuation in
                        self.attempt(
                            kind,
                            slot: share.slot,
                            route: share.route,
                            body: body(share.ids),
                            deadline: deadline
                        ) { continuation.resume(returning: $0) }
                    }
                    return (share.ids, outcome)
                }
            }
            return await group.reduce(into: []) { $0.append($1) }
        }
    }

    // MARK: - Private

    private static func decode<Response: WireMessage>(_ payload: ByteBuffer) throws(Failure) -> Response {
        do {
            return try Response(decoding: payload)
        } catch {
            throw .notUnderstood
        }
    }

    /// Returns false when the time is up first, or the task was cancelled.
    func pause(_ milliseconds: Int, before deadline: NIODeadline) async -> Bool {
        guard NIODeadline.now() + .milliseconds(Int64(milliseconds)) < deadline else { return false }
        await self.waits.wait(milliseconds: milliseconds)
        return !Task.isCancelled
    }
}
