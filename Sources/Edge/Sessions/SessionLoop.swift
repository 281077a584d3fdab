// SPDX-License-Identifier: Apache-2.0

internal import ClientProtocol
internal import Messaging
internal import NIOCore
internal import Observability
import Synchronization

/// The sessions of one event loop, and the way to them from other threads.
///
/// The handlers are confined to the event loop. What others have for them goes through a locked inbox that is emptied
/// in one go: an event loop is woken once for everything that is waiting, and each session is flushed once.
final class SessionLoop: Sendable {
    /// How often the clock is looked at for all sessions: there is no timer per session.
    static let sweepInterval = TimeAmount.seconds(1)
    /// Events that may wait for one event loop; more are dropped, and its sessions told to resync.
    static let waitingEventsMax = 65_536
    /// Bytes of the events that may wait for one event loop; the same behaviour at the bound.
    static let waitingEventBytesMax = 64 << 20

    /// An event for sessions of this loop.
    struct Delivery: Sendable {
        var frame: EventFrames
        var recipients: [UserID]
        /// Deliveries with the same mark have the same recipients.
        var audience: NumberedAudiences.Mark?
        var conversation: ConversationID
        /// Of the message; 0 for other events.
        var seq: UInt64
        var isReceipts = false
        var excluded: DeviceID?
        var messageCreatedAt: UnixMilliseconds?
    }

    /// Something for one session.
    enum Work: Sendable {
        case attemptEnded(SubmitPipeline.Ticket, AttemptOutcome)
        case opened(SessionOpener.Outcome)
        case receiptEnded(CommandID, ConversationID, Result<Watermarks, Failure>)
        case synced(SessionSync.Answer)
        case close(CloseCode)
        /// Written if the session is open.
        case send(ServerMessage)
        /// The answer to `set_status`.
        case statusEnded(ServerMessage)
        /// Presence that the session missed, as it is now.
        case presenceAgain([PresenceWatches.Frame])
    }

    private struct Inbox {
        var work: [(SessionID, Work)] = []
        var deliveries: [Delivery] = []
        var deliveryBytes = 0
        var ephemeral: [EphemeralEvent.Key: EphemeralEvent] = [:]
        var hasOverflowed = false
        var positions: RouterPositions.Snapshot?
        var isScheduled = false
    }

    private struct Table {
        var handlers: [SessionID: SessionHandler] = [:]
        var open: [UserID: [SessionHandler]] = [:]
        var sweep: RepeatedTask?
        var positions = RouterPositions.Snapshot()
    }

    /// The place among the edge's loops.
    let number: Int
    let eventLoop: any EventLoop
    private let metrics: EdgeMetrics
    private let jsonConnections = Atomic(0)
    private let binaryConnections = Atomic(0)
    private let inbox = Mutex(Inbox())
    private let table: NIOLoopBoundBox<Table>

    init(number: Int, eventLoop: any EventLoop, metrics: EdgeMetrics) {
        self.number = number
        self.eventLoop = eventLoop
        self.metrics = metrics
        self.table = NIOLoopBoundBox.makeBoxSendingValue(Table(), eventLoop: eventLoop)
    }

    // MARK: - From any thread

    /// Whether there are connections with this protocol.
    func speaks(_ subprotocol: ClientSubprotocol) -> Bool {
        switch subprotocol {
        case .json: self.jsonConnections.load(ordering: .relaxed) > 0
        case .binary: self.binaryConnections.load(ordering: .relaxed) > 0
        }
    }

    func post(_ work: Work, to session: SessionID) {
        self.put { $0.work.append((session, work)) }
    }

    /// Has events delivered, in their order.
    func deliver(_ deliveries: [Delivery]) {
        let dropped = self.put { inbox in
            for (place, delivery) in deliveries.enumerated() {
                guard inbox.deliveries.count < Self.waitingEventsMax,
                    inbox.deliveryBytes + delivery.frame.readableBytes <= Self.waitingEventBytesMax
                else {
                    inbox.hasOverflowed = true
                    return deliveries.count - place
                }
                inbox.deliveries.append(delivery)
                inbox.deliveryBytes += delivery.frame.readableBytes
            }
            return 0
        }
        if dropped > 0 { self.metrics.deliveriesDropped.increment(by: UInt64(dropped)) }
    }

    /// Something for sessions of this edge could not be delivered: they are told to resync.
    func eventsWereLost() {
        self.put { $0.hasOverflowed = true }
    }

    /// How far the edge has come; takes effect behind the events that were delivered before.
    func post(_ positions: RouterPositions.Snapshot) {
        self.put { inbox in
            guard positions.version > inbox.positions?.version ?? 0 else { return }
            inbox.positions = positions
        }
    }

    /// Has events delivered that may be dropped; of two with the same key the older one is. Returns the keys of those for
    /// which there was no room.
    @discardableResult
    func deliver(_ events: [EphemeralEvent]) -> [EphemeralEvent.Key] {
        let (merged, dropped) = self.put { inbox in
            var merged = 0
            var dropped: [EphemeralEvent.Key] = []
            for event in events {
                if inbox.ephemeral[event.key] == nil, inbox.ephemeral.count >= EphemeralEvent.waitingMax {
                    dropped.append(event.key)
                } else if inbox.ephemeral.updateValue(event, forKey: event.key) != nil {
                    merged += 1
                }
            }
            return (merged, dropped)
        }
        if merged > 0 { self.metrics.ephemeral.merged.increment(by: UInt64(merged)) }
        if !dropped.isEmpty { self.metrics.ephemeral.droppedFullLoop.increment(by: UInt64(dropped.count)) }
        return dropped
    }

    /// How long a session's socket may take to accept what was delivered before somebody waits for it no more.
    static let settleTimeout = TimeAmount.seconds(1)

    /// Completes when everything that was delivered here before has left this process, as far as these users are
    /// concerned. A session whose socket does not take it in time is cut off, and what it had not taken is gone.
    func settle(_ users: [UserID]) -> EventLoopFuture<Void> {
        // The inbox is drained by a task that was scheduled before this one.
        self.eventLoop.flatSubmit {
            let handlers = users.flatMap { self.table.value.open[$0] ?? [] }
            return .andAllComplete(handlers.map { $0.settle(within: Self.settleTimeout) }, on: self.eventLoop)
        }
    }

    private func put<Result>(_ change: (inout Inbox) -> Result) -> Result {
        let (result, schedules) = self.inbox.withLock { inbox in
            let result = change(&inbox)
            defer { inbox.isScheduled = true }
            return (result, !inbox.isScheduled)
        }
        if schedules {
            self.eventLoop.execute { self.drain() }
        }
        return result
    }

    /// Begins to look at the clock; ``stop()`` ends it.
    func start() {
        self.eventLoop.execute {
            guard self.table.value.sweep == nil else { return }
            self.table.value.sweep = self.eventLoop.scheduleRepeatedTask(
                initialDelay: Self.sweepInterval,
                delay: Self.sweepInterval
            ) { _ in self.sweep(now: self.eventLoop.now) }
        }
    }

    func stop() {
        self.eventLoop.execute {
            self.table.value.sweep?.cancel()
            self.table.value.sweep = nil
        }
    }

    /// The sessions here that are not closing: those that have no message in flight, or all.
    func openSessions(withoutSubmits: Bool) -> EventLoopFuture<[SessionID]> {
        self.eventLoop.submit {
            self.table.value.handlers.values
                .filter { !$0.isClosing && !(withoutSubmits && $0.hasSubmits) }
                .map(\.id)
        }
    }

    /// Ends all connections without a word.
    func cutOff() {
        self.eventLoop.execute {
            for handler in Array(self.table.value.handlers.values) {
                handler.cutOff()
            }
        }
    }

    // MARK: - On the event loop

    /// How far the edge has come with what the routers send it.
    var positions: RouterPositions.Snapshot { self.table.value.positions }

    func add(_ handler: SessionHandler) {
        self.table.value.handlers[handler.id] = handler
        self.count(handler.subprotocol, 1)
        self.metrics.sessions.add(1)
    }

    func opened(_ handler: SessionHandler, for user: UserID) {
        self.table.value.open[user, default: []].append(handler)
        self.metrics.sessionsOpened.increment()
    }

    func remove(_ handler: SessionHandler, of user: UserID?) {
        guard self.table.value.handlers.removeValue(forKey: handler.id) != nil else { return }
        self.count(handler.subprotocol, -1)
        self.metrics.sessions.add(-1)
        guard let user, var handlers = self.table.value.open[user] else { return }
        handlers.removeAll { $0 === handler }
        self.table.value.open[user] = handlers.isEmpty ? nil : handlers
    }

    private func count(_ subprotocol: ClientSubprotocol, _ change: Int) {
        switch subprotocol {
        case .json: self.jsonConnections.wrappingAdd(change, ordering: .relaxed)
        case .binary: self.binaryConnections.wrappingAdd(change, ordering: .relaxed)
        }
    }

    func sweep(now: NIODeadline) {
        // A copy: what a session does may take it out of the table.
        for handler in Array(self.table.value.handlers.values) {
            handler.tick(now: now)
        }
    }

    private func drain() {
        let taken = self.inbox.withLock { inbox in
            let taken = inbox
            inbox = Inbox()
            return taken
        }
        var touched: [SessionHandler] = []
        for (session, work) in taken.work {
            guard let handler = self.table.value.handlers[session] else { continue }
            handler.perform(work)
            touched.append(handler)
        }
        self.offer(taken.deliveries)
        self.offer(taken.ephemeral.values, touched: &touched)
        for handler in touched {
            handler.flushIfNeeded()
        }
        if self.take(taken.positions) || taken.hasOverflowed {
            for handlers in Array(self.table.value.open.values) {
                for handler in handlers { handler.eventsWereDropped() }
            }
        }
    }

    /// Returns whether something was lost for the sessions.
    private func take(_ positions: RouterPositions.Snapshot?) -> Bool {
        guard let positions, positions.version > self.table.value.positions.version else { return false }
        defer { self.table.value.positions = positions }
        return positions.losses > self.table.value.positions.losses
    }

    private func offer(_ events: some Collection<EphemeralEvent>, touched: inout [SessionHandler]) {
        guard !events.isEmpty else { return }
        var written = 0
        var dropped = 0
        for event in events {
            for handler in self.receivers(of: event) {
                if handler.writeEphemeral(event.frame) {
                    written += 1
                    touched.append(handler)
                } else {
                    dropped += 1
                    if case .presence(let user) = event.key { handler.presenceMissed(user) }
                }
            }
        }
        self.metrics.ephemeral.deliveries.increment(by: UInt64(written))
        self.metrics.ephemeral.droppedSlowSession.increment(by: UInt64(dropped))
    }

    private func receivers(
        of group: DeliveryGroup,
        _ deliveries: [Delivery],
        _ body: (SessionHandler, [Int]) -> Void
    ) {
        let open = self.table.value.open
        for user in group.recipients {
            guard let handlers = open[user] else { continue }
            for handler in handlers {
                let places = group.places(for: handler.device, deliveries)
                if !places.isEmpty { body(handler, places) }
            }
        }
    }

    private func receivers(of event: EphemeralEvent) -> [SessionHandler] {
        switch event.receivers {
        case .sessions(let sessions):
            sessions.compactMap { self.table.value.handlers[$0] }
        case .users(let users, let excluded):
            users.flatMap { (self.table.value.open[$0] ?? []).filter { $0.device != excluded } }
        }
    }

    private func offer(_ deliveries: [Delivery]) {
        guard !deliveries.isEmpty else { return }
        var frames = RoundFrames(deliveries.map(\.frame))
        let groups = DeliveryGroup.groups(of: deliveries)
        var written = 0
        // What a session needs in memory is cold after some hundred others: each is written to and flushed at one go.
        if groups.count == 1 {
            self.receivers(of: groups[0], deliveries) { handler, places in
                written += handler.writeAndFlush(places, &frames, deliveries)
            }
        } else {
            var receivers: [SessionHandler] = []
            for group in groups {
                self.receivers(of: group, deliveries) { handler, places in
                    if handler.offered.isEmpty { receivers.append(handler) }
                    handler.offer(places)
                }
            }
            for handler in receivers {
                written += handler.writeAndFlush(handler.takeOffered(), &frames, deliveries)
            }
        }
        self.metrics.deliveries.increment(by: UInt64(written))
        let now = WallClock.now()
        for created in deliveries.compactMap(\.messageCreatedAt) {
            self.metrics.deliveryDelay.observe(.milliseconds(now > created ? now - created : 0))
        }
    }
}
