// SPDX-License-Identifier: Apache-2.0

import Logging
import Messaging
import NIOCore
import Synchronization
import Wire

/// Two lanes to one peer, and everything that is under way over them.
///
/// Lives on the event loop of its bulk lane: there the delegate is called and requests are completed. Sending works from
/// any thread: it appends to the outbox, and of everybody who appends only the one that finds no drain under way asks
/// the event loop for one.
///
///     forming --> up --> leaving --> down
final class Link: Sendable {
    typealias Completion = @Sendable (Result<MeshResponse, MeshError>) -> Void

    enum Phase {
        case forming
        case up(since: UnixMilliseconds)
        /// Goodbye is said; what arrives is not handed over any more, and the peer is about to close.
        case leaving(reason: String)
        case down
    }

    struct State {
        var phase = Phase.forming
        var outbox: Outbox<Completion>
    }

    /// Where a link reports to.
    struct Reports: Sendable {
        /// Makes the link the one to send over. False when another has taken its place.
        var publish: @Sendable (Link) -> Bool
        var unpublish: @Sendable (Link) -> Void
        var failed: @Sendable (PeerIdentity, WireError) -> Void
    }

    let peer: PeerIdentity
    /// Of the protocol, as both sides agreed.
    let version: UInt16
    let eventLoop: any EventLoop
    private let control: Lane
    let bulk: Lane
    let delegate: any MeshDelegate
    let counters: MeshCounters
    private let logger: Logger
    let reports: Reports
    let state: Mutex<State>
    private let roundTrip = Atomic<Int>(-1)
    /// When the newest heartbeat was sent that the peer answered; nanoseconds of ``NIODeadline``.
    private let inTouchAt: Atomic<UInt64>
    private let silenceLimit: TimeAmount
    private let downPromise: EventLoopPromise<Void>

    init(
        control: Lane,
        bulk: Lane,
        session: LaneSession,
        settings: MeshSettings,
        delegate: any MeshDelegate,
        counters: MeshCounters,
        logger: Logger,
        reports: Reports
    ) {
        self.peer = session.peer
        self.version = session.version
        self.eventLoop = bulk.eventLoop
        self.control = control
        self.bulk = bulk
        self.delegate = delegate
        self.counters = counters
        self.logger = logger
        self.reports = reports
        // The handshake is an answer too, to what this side sent when it was connected.
        self.inTouchAt = Atomic(bulk.connectedAt.uptimeNanoseconds)
        self.silenceLimit = settings.silenceLimit
        self.downPromise = bulk.eventLoop.makePromise()
        let outbox = Outbox<Completion>(
            bounds: Outbox.Bounds(
                queuedBytesMax: settings.outboundQueueBytesMax,
                queuedFramesMax: settings.outboundQueueFramesMax,
                pendingRequestsMax: settings.pendingRequestsMax
            ),
            creditItems: session.creditItems,
            creditBytes: session.creditBytes,
            ledger: CreditLedger(itemsMax: settings.creditItems, bytesMax: settings.creditBytes)
        )
        self.state = Mutex(State(outbox: outbox))
    }

    /// Completes when the link is down and so is every older link to the same peer.
    var downFuture: EventLoopFuture<Void> { self.downPromise.futureResult }
}

// MARK: - Life

extension Link {
    /// Comes up as soon as the link that it replaces is down.
    func start(after predecessor: EventLoopFuture<Void>?) {
        let begun = predecessor ?? self.eventLoop.makeSucceededVoidFuture()
        begun.hop(to: self.eventLoop).whenComplete { _ in self.activate() }
    }

    private func activate() {
        let isForming = self.state.withLock { state in
            guard case .forming = state.phase else { return false }
            state.phase = .up(since: WallClock.now())
            return true
        }
        guard isForming else {
            self.downPromise.succeed()
            return
        }
        guard self.reports.publish(self) else {
            // Nobody has heard of it yet.
            self.state.withLock { $0.phase = .forming }
            self.down(reason: "replaced by a newer link")
            self.downPromise.succeed()
            return
        }
        self.counters.update {
            $0.linkUps += 1
            $0.linksUp += 1
        }
        self.logger.info("Link up", metadata: .mesh([.peer: "\(self.peer)", .version: "\(self.version)"]))
        self.delegate.meshLinkUp(self.peer)
        self.control.perform { $0.attach(to: self, as: .control) }
        self.bulk.perform { $0.attach(to: self, as: .bulk) }
    }

    /// Ends the link; from any thread. Only the first reason counts.
    func down(reason: String) {
        guard self.eventLoop.inEventLoop else {
            self.eventLoop.execute { self.down(reason: reason) }
            return
        }
        let (phase, leftovers) = self.state.withLock { state in
            let phase = state.phase
            state.phase = .down
            if case .down = phase { return (phase, Outbox<Completion>.Leftovers()) }
            return (phase, state.outbox.close())
        }
        let wasUp: Bool
        let finalReason: String
        switch phase {
        case .down: return
        case .forming: (wasUp, finalReason) = (false, reason)
        case .up: (wasUp, finalReason) = (true, reason)
        case .leaving(let ownReason): (wasUp, finalReason) = (true, ownReason)
        }
        self.reports.unpublish(self)
        self.fail(leftovers, reason: finalReason, isLeaving: false)
        self.control.perform { $0.close(reason: finalReason) }
        self.bulk.perform { $0.close(reason: finalReason) }
        // A link that never came up is reported by `activate`, which waits for the older one.
        guard wasUp else { return }
        self.counters.update {
            $0.linkDowns += 1
            $0.linksUp -= 1
        }
        self.logger.info("Link down", metadata: .mesh([.peer: "\(self.peer)", .reason: finalReason]))
        self.delegate.meshLinkDown(self.peer, reason: finalReason)
        self.downPromise.succeed()
    }

    /// Sends what the socket takes, says goodbye, fails what is left, and goes down when the peer closes, at the latest
    /// after ``MeshLimits/goodbyeTimeout``. From any thread.
    func leave(reason: String) {
        guard self.eventLoop.inEventLoop else {
            self.eventLoop.execute { self.leave(reason: reason) }
            return
        }
        let isUp = self.state.withLock { state in
            guard case .up = state.phase else { return false }
            state.phase = .leaving(reason: reason)
            return true
        }
        guard isUp else { return self.down(reason: reason) }
        self.reports.unpublish(self)
        self.eventLoop.scheduleTask(in: MeshLimits.goodbyeTimeout) { self.down(reason: reason) }
        self.bulk.perform { $0.sayGoodbye(reason: reason, self) }
        let leftovers = self.state.withLock { $0.outbox.close() }
        self.fail(leftovers, reason: reason, isLeaving: true)
    }

    private func fail(_ leftovers: Outbox<Completion>.Leftovers, reason: String, isLeaving: Bool) {
        if leftovers.notifications > 0 || leftovers.responses > 0 {
            self.counters.update {
                $0.droppedNotConnected += leftovers.notifications
                $0.droppedResponses += leftovers.responses
            }
        }
        self.counters.requestsPending.subtract(leftovers.requests.count, ordering: .relaxed)
        let message = "the link to \(self.peer.name) ended: \(reason)"
        for request in leftovers.requests {
            let code: MeshError.Code =
                if isLeaving { .shuttingDown } else if request.isSent { .linkLost } else { .notConnected }
            request.completion(.failure(MeshError(code, mayHaveArrived: request.isSent, message)))
        }
    }

    /// The peer answered a heartbeat. From any thread.
    func answered(sentAt: NIODeadline, roundTrip: TimeAmount) {
        self.roundTrip.store(Int(roundTrip.nanoseconds / 1000), ordering: .relaxed)
        self.inTouchAt.max(sentAt.uptimeNanoseconds, ordering: .relaxed)
    }

    /// For how long the peer has answered nothing, when that is longer than the silence limit.
    ///
    /// A peer that has heard nothing for the limit acts as if this node had gone. What it answered last was sent before
    /// that; so a node that does not take up what arrives beyond the limit takes up nothing after it was given up
    /// (C. Gray and D. Cheriton, "Leases", 1989), even when it was stopped meanwhile and finds old bytes in its socket.
    func outOfTouch(now: NIODeadline) -> TimeAmount? {
        let silence = now - .uptimeNanoseconds(self.inTouchAt.load(ordering: .relaxed))
        return silence > self.silenceLimit ? silence : nil
    }

    /// Nil unless the link is up.
    var status: LinkState? {
        let roundTrip = self.roundTrip.load(ordering: .relaxed)
        return self.state.withLock { state in
            guard case .up(let since) = state.phase else { return nil }
            return LinkState(
                peer: self.peer,
                version: self.version,
                upSince: since,
                roundTripMicroseconds: roundTrip < 0 ? nil : roundTrip,
                queuedFrames: state.outbox.queuedFrames,
                queuedBytes: state.outbox.queuedBytes + state.outbox.ephemeralBytes,
                queuedResponses: state.outbox.queuedResponses,
                pendingRequests: state.outbox.pendingRequests,
                creditItems: state.outbox.creditItems,
                creditBytes: state.outbox.creditBytes,
                heldItems: state.outbox.ledger.heldItems,
                heldBytes: state.outbox.ledger.heldBytes
            )
        }
    }
}
