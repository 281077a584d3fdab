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

    /// What is delivered at once.
    struct Round {
        var deliveries: [Delivery] = []
        var deliveryBytes = 0
        var hasOverflowed = false
        var positions: RouterPositions.Snapshot?
    }

    struct Inbox {
        var round = Round()
        var work: [(SessionID, Work)] = []
        var ephemeral: [EphemeralEvent.Key: EphemeralEvent] = [:]
        var isScheduled = false
    }

    struct Table {
        var handlers: [SessionID: SessionHandler] = [:]
        var open: [UserID: [SessionHandler]] = [:]
        /// Grows whenever one of them comes or goes.
        var generation: UInt64 = 0
        var receivers = AudienceCache<[SessionHandler]>()
        var pace: DeliveryPace
        /// Since when deliveries wait for others.
        var waitsSince: NIODeadline?
        var sweep: RepeatedTask?
        var positions = RouterPositions.Snapshot()
    }

    /// The place among the edge's loops.
    let number: Int
    let eventLoop: any EventLoop
    let metrics: EdgeMetrics
    private let jsonConnections = Atomic(0)
    private let binaryConnections = Atomic(0)
    let inbox = Mutex(Inbox())
    let table: NIOLoopBoundBox<Table>

    /// - Parameter deliveryWaitMax: how long events may wait for others while the loop is busy.
    init(number: Int, eventLoop: any EventLoop, metrics: EdgeMetrics, deliveryWaitMax: TimeAmount = .zero) {
        self.number = number
        self.eventLoop = eventLoop
        self.metrics = metrics
        let table = Table(pace: DeliveryPace(waitMax: deliveryWaitMax))
        self.table = NIOLoopBoundBox.makeBoxSendingValue(table, eventLoop: eventLoop)
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
                guard inbox.round.deliveries.count < Self.waitingEventsMax,
                    inbox.round.deliveryBytes + delivery.frame.readableBytes <= Self.waitingEventBytesMax
                else {
                    inbox.round.hasOverflowed = true
                    return deliveries.count - place
                }
                inbox.round.deliveries.append(delivery)
                inbox.round.deliveryBytes += delivery.frame.readableBytes
            }
            return 0
        }
        if dropped > 0 { self.metrics.deliveriesDropped.increment(by: UInt64(dropped)) }
    }

    /// Something for sessions of this edge could not be delivered: they are told to resync.
    func eventsWereLost() {
        self.put { $0.round.hasOverflowed = true }
    }

    /// How far the edge has come; takes effect behind the events that were delivered before.
    func post(_ positions: RouterPositions.Snapshot) {
        self.put { inbox in
            guard positions.version > inbox.round.positions?.version ?? 0 else { return }
            inbox.round.positions = positions
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
        self.eventLoop.flatSubmit {
            self.deliverWaiting(isDue: true)
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
        self.table.value.generation += 1
        self.metrics.sessionsOpened.increment()
    }

    func remove(_ handler: SessionHandler, of user: UserID?) {
        guard self.table.value.handlers.removeValue(forKey: handler.id) != nil else { return }
        self.count(handler.subprotocol, -1)
        self.metrics.sessions.add(-1)
        guard let user, var handlers = self.table.value.open[user] else { return }
        handlers.removeAll { $0 === handler }
        self.table.value.open[user] = handlers.isEmpty ? nil : handlers
        self.table.value.generation += 1
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
            // The deliveries may have to wait.
            inbox = Inbox(round: taken.round)
            return taken
        }
        var touched: [SessionHandler] = []
        for (session, work) in taken.work {
            guard let handler = self.table.value.handlers[session] else { continue }
            handler.perform(work)
            touched.append(handler)
        }
        self.deliverWaiting()
        self.offer(taken.ephemeral.values, touched: &touched)
        for handler in touched {
            handler.flushIfNeeded()
        }
    }
}
