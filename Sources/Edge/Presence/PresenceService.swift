// SPDX-License-Identifier: Apache-2.0

internal import ClientProtocol
internal import Mesh
internal import Messaging
internal import NIOCore
internal import Observability
internal import Placement
import Synchronization
internal import Wire

/// Presence and typing on an edge: tells the owners of the users' slots who is here and who is watched, and the
/// sessions what the owners tell. May be used from any thread.
///
/// Everything here is ephemeral: what does not fit a link, a loop or a session is dropped and put right later by itself,
/// and nothing durable waits for it. See ``PresenceReports`` and ``PresenceWatches`` for what it carries out.
final class PresenceService: Sendable {
    static let tickInterval = TimeAmount.milliseconds(50)
    /// How often the owners are told the versions of their slots, in milliseconds.
    static let digestInterval: UInt64 = 2000
    static let verificationInterval: UInt64 = 1000

    struct State {
        var reports = PresenceReports()
        var watches = PresenceWatches()
        /// Users whose sessions changed since the last turn.
        var touched: Set<UserID> = []
        var told = ToldStates()
        /// By event loop, the watched users whose newest presence it had no room for.
        var untold: [Int: Set<UserID>] = [:]
        var nextDigest: UInt64 = 0
        var nextVerification: UInt64 = 0
        var ticks: RepeatedTask?
    }

    let eventLoop: any EventLoop
    let membersMax: Int
    private let index: SessionIndex
    let loops: [SessionLoop]
    private let routing: RoutingState
    let routers: any RouterCalls
    private let links: any RouterLinks
    private let metrics: EdgeMetrics
    let state = Mutex(State())

    /// - Parameters:
    ///   - eventLoop: on which what happened is carried out, in its order.
    ///   - membersMax: of a conversation that carries presence and typing.
    init(
        eventLoop: any EventLoop,
        membersMax: Int,
        index: SessionIndex,
        loops: [SessionLoop],
        routing: RoutingState,
        routers: any RouterCalls,
        links: any RouterLinks,
        metrics: EdgeMetrics
    ) {
        self.eventLoop = eventLoop
        self.membersMax = membersMax
        self.index = index
        self.loops = loops
        self.routing = routing
        self.routers = routers
        self.links = links
        self.metrics = metrics
    }

    static func now() -> UInt64 {
        NIODeadline.now().uptimeNanoseconds / 1_000_000
    }

    private func owner(of slot: Slot) -> String? {
        self.routing.route(to: slot)?.router
    }

    // MARK: - Life

    func start() {
        let ticks = self.eventLoop.scheduleRepeatedTask(
            initialDelay: Self.tickInterval,
            delay: Self.tickInterval
        ) { _ in self.tick(now: Self.now()) }
        self.state.withLock { state in
            state.ticks?.cancel()
            state.ticks = ticks
        }
    }

    func stop() {
        self.state.withLock { state in
            state.ticks?.cancel()
            state.ticks = nil
        }
    }

    /// One turn: what is due to the routers, answers that have waited, conversations to look at again.
    func tick(now: UInt64) {
        self.reportDue(now: now)
        self.change { state in
            var changes = state.watches.tick(now: now)
            for (loop, users) in state.untold { changes = changes + state.watches.again(users, onLoop: loop) }
            state.untold = [:]
            return changes
        }
        let verifications = self.state.withLock { state -> [PresenceWatches.Verification] in
            guard state.nextVerification <= now else { return [] }
            state.nextVerification = now + Self.verificationInterval
            return state.watches.verifications(now: now)
        }
        for verification in verifications { self.verify(verification) }
    }

    private func reportDue(now: UInt64) {
        let generation = self.routing.generation
        let (reports, digests, incomplete) = self.state.withLock { state in
            for user in state.touched {
                state.reports.set(user, isAttached: self.index.contains(user))
            }
            state.touched = []
            var digests: [String: PresenceDigest] = [:]
            if state.nextDigest <= now {
                state.nextDigest = now + Self.digestInterval
                digests = state.reports.digests { self.owner(of: $0) }
            }
            let incomplete = state.told.takeIncomplete(generation: generation)
            return (state.reports.due { self.owner(of: $0) }, digests, incomplete)
        }
        for report in reports {
            guard self.notify(.presenceReport, report.body.encoded(), to: report.router) else {
                self.metrics.ephemeral.reportsDropped.increment()
                continue
            }
            // Only this turn hands reports out, and what changed meanwhile is in the next version.
            self.state.withLock { state in state.reports.sent(report) { self.owner(of: $0) } }
        }
        for (router, digest) in digests {
            _ = self.notify(.presenceDigest, digest.encoded(), to: router)
        }
        for router in incomplete where !self.notify(.presenceStatesWanted, Empty().encoded(), to: router) {
            self.state.withLock { $0.told.notAsked(router) }
        }
    }

    private func notify(_ kind: NotificationKind, _ payload: ByteBuffer, to router: String) -> Bool {
        self.links.notify(kind: kind.rawValue, payload: payload, to: router, class: .ephemeral).isQueued
    }

    // MARK: - Sessions

    /// Sessions of the user began or ended.
    func attachmentChanged(_ user: UserID) {
        self.state.withLock { _ = $0.touched.insert(user) }
    }

    func ended(_ session: SessionID, of user: UserID) {
        self.change { state in
            state.touched.insert(user)
            return state.watches.ended(session)
        }
    }

    /// A session had no room for what it was told of these users; now it may have.
    func tellAgain(_ users: Set<UserID>, to watcher: PresenceWatches.Watcher) {
        self.change { $0.watches.again(users, for: watcher) }
    }

    /// - Parameter completion: called once, on any thread.
    func setStatus(
        of user: UserID,
        _ fields: ClientCommand.SetStatus,
        completion: @escaping @Sendable (Result<StatusBody, Failure>) -> Void
    ) {
        self.eventLoop.makeFutureWithLoopTask {
            do throws(Failure) {
                completion(.success(try await self.routers.setStatus(of: user, fields)))
            } catch {
                completion(.failure(error))
            }
        }.whenComplete { _ in }
    }

    // MARK: - Typing

    /// A user here types: told to the owner of the conversation, if there is room.
    func types(_ typing: Typing) {
        guard let router = self.owner(of: Slot(of: typing.conversation.value)) else { return }
        _ = self.notify(.typing, typing.encoded(), to: router)
    }

    /// Somebody types: told to the recipients who are here.
    func typed(_ typing: Typing) {
        let frame = EventFrames(typing.event, in: SpokenSubprotocols(self.loops))
        let key = EphemeralEvent.Key.typing(typing.conversation, typing.user)
        for loops in self.index.place([(typing.recipients, false)]).byLoop {
            for (loop, users) in loops {
                let receivers = EphemeralEvent.Receivers.users(users, excluding: typing.device)
                self.loops[loop].deliver([EphemeralEvent(key: key, frame: frame, receivers: receivers)])
            }
        }
    }

    // MARK: - From routers

    func linkUp(_ router: String) {
        self.state.withLock { $0.told.linkUp(router) }
    }

    func linkDown(_ router: String) {
        self.state.withLock { state in
            state.reports.linkDown(router)
            state.told.linkDown(router)
        }
    }

    func wanted(_ wanted: PresenceWanted, by router: String) {
        self.state.withLock { $0.reports.wanted(wanted.slots, by: router) }
    }

    func told(_ states: PresenceStates, by router: String) {
        let slots = states.states.map { Slot(of: $0.user.value) }
        // Before the owners, so that a table that is adopted in between counts as newer.
        let generation = self.routing.generation
        let owners = self.routing.routes(to: slots).map { $0?.router }
        self.change { state in
            let known = state.told.told(states, by: router, owners: owners, generation: generation)
            return state.watches.told(known)
        }
    }

    /// A link was interrupted: what happened to conversations may not have been told, so their members are asked for.
    func eventsMayBeLost() {
        self.change { state in
            state.watches.distrust()
            return PresenceWatches.Changes()
        }
    }

    func conversationChanged(_ event: ConversationEvent) {
        let id = event.conversation.id
        let users = event.members.map(\.user)
        switch event.kind {
        case .memberAdded:
            self.change { $0.watches.membersAdded(users, to: id, atMost: self.membersMax) }
        case .memberRemoved:
            self.change { $0.watches.membersRemoved(users, from: id) }
        case .deleted:
            self.change { $0.watches.deleted(id) }
        case .created, .updated, .roleChanged:
            break
        }
    }

    // MARK: - Private

    /// All changes are made on one event loop, so that what they come to reaches the sessions in their order.
    func change(_ body: @escaping @Sendable (inout State) -> PresenceWatches.Changes) {
        self.eventLoop.execute {
            let changes = self.state.withLock { state in
                let changes = body(&state)
                Self.adopt(changes, &state)
                self.metrics.ephemeral.watchedUsers.set(Int64(state.watches.userCount))
                return changes
            }
            self.carryOut(changes)
        }
    }

    private static func adopt(_ changes: PresenceWatches.Changes, _ state: inout State) {
        for user in changes.unwatched { state.reports.set(user, isWatched: state.watches.isWatched(user)) }
        for user in changes.watched { state.reports.set(user, isWatched: state.watches.isWatched(user)) }
    }

    private func carryOut(_ changes: PresenceWatches.Changes) {
        let spoken = SpokenSubprotocols(self.loops)
        for answer in changes.answers {
            let message = ServerMessage.presenceWatched(answer.id, answer.users.map(PresenceBody.init))
            self.loops[answer.watcher.loop].post(.send(message), to: answer.watcher.session)
        }
        var byLoop: [Int: [EphemeralEvent]] = [:]
        for event in changes.events {
            let frame = EventFrames(ServerMessage(event.shown), in: spoken)
            for (loop, watchers) in Dictionary(grouping: event.watchers, by: \.loop) {
                byLoop[loop, default: []].append(
                    EphemeralEvent(
                        key: .presence(event.shown.user),
                        frame: frame,
                        receivers: .sessions(watchers.map(\.session))
                    )
                )
            }
        }
        for (loop, events) in byLoop { self.deliver(events, to: loop) }
        for again in changes.repeats {
            let frames = again.users.map {
                PresenceWatches.Frame(user: $0.user, frames: EventFrames(ServerMessage($0), in: spoken))
            }
            self.loops[again.watcher.loop].post(.presenceAgain(frames), to: again.watcher.session)
        }
    }

    private func deliver(_ events: [EphemeralEvent], to loop: Int) {
        let dropped = self.loops[loop].deliver(events)
        guard !dropped.isEmpty else { return }
        self.state.withLock { state in
            for case .presence(let user) in dropped { state.untold[loop, default: []].insert(user) }
        }
    }
}

extension RouterCalls {
    /// Stores what a user has chosen.
    func setStatus(of user: UserID, _ fields: ClientCommand.SetStatus) async throws(Failure) -> StatusBody {
        let stored: PresenceProfileBody = try await self.call(
            .setPresence,
            slot: Slot(of: user.value),
            body: SetPresence(user: user, status: fields.status, visibility: fields.visibleTo),
            timeout: nil
        )
        return StatusBody(stored.value.settings)
    }
}
