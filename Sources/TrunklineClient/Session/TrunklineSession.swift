// SPDX-License-Identifier: Apache-2.0

package import ClientProtocol
package import Messaging
package import NIOCore

/// One device that stays connected: over one WebSocket at a time, to any of the edges, for as long as it may.
///
///     waiting ──▶ refreshing ──▶ opening ──authenticated──▶ open ──closed──▶ waiting … or ended
///
/// After each connection it sends again what has no answer, and asks for what came meanwhile; so what is
/// handed over is, per conversation, every message once and in the order of `seq`, the own ones included.
///
/// Belongs to one event loop: every method is called there, every event arrives there.
package final class TrunklineSession {
    package struct Settings: Sendable {
        /// After attempts in a row that took longer than ``TrunklineSocket/Settings/openTimeout`` the next one may take
        /// twice as long, four times, and at most eight times.
        package var socket = TrunklineSocket.Settings()
        /// Own messages without a final answer; ``TrunklineSession/send(_:)`` refuses more.
        package var outboxMessagesMax = 10_000
        /// How long an own message is tried.
        package var sendTimeLimit = TimeAmount.seconds(30)
        /// How long a missing message may still come by itself before a page is asked for.
        package var gapPatience = TimeAmount.milliseconds(200)
        /// Without an answer to an own message for this long the connection is taken for broken.
        package var answerTimeout = TimeAmount.seconds(15)
        /// Without a byte from the edge for this long it is asked for one, after twice as long it is taken for dead.
        package var silence = TimeAmount.seconds(15)
        /// Pages that are asked for at once.
        package var pagesUnderWayMax = 4
        /// Whether the cluster is told by itself that messages were handed over.
        package var acknowledgesDelivery = true
        package var reconnect = BackOff()
        package var retry = BackOff(first: .milliseconds(100), longest: .seconds(2))

        package init() {}
    }

    package enum Event: Sendable {
        /// Connected, to the edge with this index.
        case connected(edge: Int)
        /// Everything that came before this connection was handed over: once after each `connected`, unless the
        /// connection is lost before.
        case caughtUp
        /// Something that the session does by itself was refused for now, or failed, and is done again after a pause: to
        /// begin on this connection, to ask for what was missed.
        case delayed(TrunklineError)
        /// Not connected any more, or not yet; it is tried again after the pause.
        case disconnected(TrunklineError, pause: TimeAmount)
        case message(DeliveredMessage, ArrivedMessage.Arrival)
        /// An own message is stored. `attempts` is 0 when the answer came after the session gave the message up.
        case acknowledged(MessageSent, attempts: Int)
        /// An own message was refused for now; it is sent again after a pause.
        case refused(SendMessageRequest, TrunklineError)
        /// An own message is given up. Unless the error had no effect it may be stored all the same.
        case failed(SendMessageRequest, TrunklineError)
        /// These messages do not exist for this device.
        case skipped(ConversationID, ClosedRange<UInt64>)
        /// A member, the own user included, has come so far. For each member the numbers only grow.
        case receipt(ConversationID, UserID, Watermarks)
        /// An own receipt is given up.
        case receiptFailed(ConversationID, TrunklineError)
        /// How watched users are seen now.
        case presence([PresenceBody])
        case typing(TypingEvent)
        /// Among them the answers to ``TrunklineSession/setStatus(_:visibleTo:)`` and errors about presence, but for
        /// those that asked to try again ``TrunklineSession/watchPresence(in:)``.
        case other(ServerMessage)
        /// The last event: it would not help to try again, or ``TrunklineSession/close()`` was called.
        case ended(TrunklineError)
    }

    package struct Statistics: Sendable {
        package var connections = 0
        package var disconnections = 0
        /// Own messages that were sent again on a new connection or after an error.
        package var repeatedSends = 0
        /// Answers that asked to try again.
        package var retryableErrors: [String: Int] = [:]
        package var resyncs = 0
        package var pagesFetched = 0
        package var pagesFailed = 0
        package var syncs = 0
        /// Parts of what syncs brought.
        package var syncPages = 0
        /// Times a fresh token was shown on an open connection.
        package var renewals = 0
        /// Times an edge asked to connect elsewhere and the session did.
        package var moves = 0

        package init() {}
    }

    enum Phase {
        case idle
        case waiting
        case refreshing
        case opening(TrunklineSocket)
        case open(TrunklineSocket)
        case ended
    }

    package let eventLoop: any EventLoop
    let settings: Settings
    let http: TrunklineHTTP
    private let seenFrames: SeenFrames?
    let onSeen: ((SeenFrames.Frame, Int) -> Void)?
    private let onEvent: (Event) -> Void
    package internal(set) var credentials: SessionCredentials
    /// The edge that is used now or was used last.
    package private(set) var edge: Int
    var phase = Phase.idle
    /// Where the next connection goes, once.
    var nextEdge: EdgeAddress?
    private var failures = 0
    /// Attempts in a row that took too long, up to ``doublingsMax``.
    private var slowAttempts = 0
    private static let doublingsMax = 3
    private var tick: RepeatedTask?
    private var refreshUnderWay: EventLoopFuture<Void>?
    var outbox: Outbox
    var renewal = TokenRenewal()
    var cursors: [ConversationID: ConversationCursor] = [:]
    var pagesUnderWay = 0
    /// Conversations that ask for their page again after a pause.
    var pagesPausing = 0
    /// Conversations that wait for a page to be asked for, each at most once.
    var pageQueue: [ConversationID] = []
    var receipts = ReceiptTracker()
    var receiptsAreScheduled = false
    /// The command that asks for what was missed and has no answer yet.
    var syncUnderWay: UInt64?
    /// Something may have been missed that no sync was asked for yet.
    var needsSync = false
    /// Of what was missed before this connection something is not there yet.
    var isBehind = false
    /// Of the conversations whose receipts a sync brought: how new those were.
    var states: [ConversationID: UInt64] = [:]
    /// From the last sync, or a ping since: with it the next one is cheap.
    var resume: String?
    var gapCheckIsScheduled = false
    /// Watched on every connection.
    var watchedConversations: [ConversationID] = []
    /// The `watch_presence` that has no answer yet, and how often in a row it was refused for the time being.
    var watchCommand: UInt64?
    var watchRefusals = 0
    var gaps: [ConversationID: NIODeadline] = [:]
    var generator = SystemRandomNumberGenerator()
    package internal(set) var statistics = Statistics()

    /// - Parameters:
    ///   - http: Names the edges; those of the WebSocket are the same.
    ///   - edge: The index of the edge to connect to first.
    ///   - seenFrames: Of the sessions of this event loop, when there are so many that decoding the same messages again and
    ///     again counts.
    ///   - onSeen: Gets those live messages, in place of ``Event/message(_:_:)``, that other sessions were brought before:
    ///     the first, and how many there are, each the `next` of the one before. Without it they come as events.
    package init(
        credentials: SessionCredentials,
        http: TrunklineHTTP,
        edge: Int,
        eventLoop: any EventLoop,
        settings: Settings,
        seenFrames: SeenFrames? = nil,
        onSeen: ((SeenFrames.Frame, Int) -> Void)? = nil,
        onEvent: @escaping (Event) -> Void
    ) {
        self.seenFrames = seenFrames
        self.onSeen = onSeen
        self.credentials = credentials
        self.http = http
        self.edge = edge % http.edges.count
        self.eventLoop = eventLoop
        self.settings = settings
        self.onEvent = onEvent
        self.outbox = Outbox(messagesMax: settings.outboxMessagesMax, timeLimit: settings.sendTimeLimit)
    }

    /// Those that are known beforehand.
    package var edgeAddresses: [EdgeAddress] { self.http.edges }

    package var isOpen: Bool {
        if case .open = self.phase { true } else { false }
    }

    /// Own messages without a final answer.
    package var unansweredCount: Int { self.outbox.count }

    // MARK: - Life

    /// Connects; call once.
    package func start() {
        self.eventLoop.preconditionInEventLoop()
        guard case .idle = self.phase else { return }
        self.tick = self.eventLoop.scheduleTicks(of: self)
        self.connect()
    }

    /// Ends the session. Own messages without an answer are given up.
    package func close() {
        self.end(TrunklineError(.sessionEnded, "This client closed the session."))
    }

    /// Cuts the connection, or the attempt at one, as a network would: without a close frame. It goes on as after any
    /// loss. Without a connection nothing happens.
    package func drop() {
        self.eventLoop.preconditionInEventLoop()
        switch self.phase {
        case .opening(let socket), .open(let socket):
            socket.abandon(.connectionLost, "This client cut the connection.")
        case .idle, .waiting, .refreshing, .ended:
            break
        }
    }

    func connect() {
        guard !self.hasEnded else { return }
        if self.credentials.needsRefresh(now: .now()) {
            self.phase = .refreshing
            self.refresh().assumeIsolated().whenComplete { result in
                guard case .refreshing = self.phase else { return }
                switch result {
                case .success: self.openSocket()
                case .failure(let error): self.refreshFailed(TrunklineError(requestFailure: error))
                }
            }
        } else {
            self.openSocket()
        }
    }

    private func openSocket() {
        // The socket's events name the socket, so that those of one that was left do not count.
        var own: TrunklineSocket?
        var settings = self.settings.socket
        // What is given up shortly before its answer was work for nothing. Many clients that all do so keep an edge, once
        // it is behind, from ever catching up.
        for _ in 0..<self.slowAttempts { settings.openTimeout = settings.openTimeout + settings.openTimeout }
        let target = self.nextEdge ?? self.http.edges[self.edge]
        self.nextEdge = nil
        let socket = TrunklineSocket(
            edge: target,
            eventLoop: self.eventLoop,
            settings: settings,
            seenFrames: self.seenFrames,
            onSeen: { [weak self] first, count in
                if let self, case .open(let socket) = self.phase, socket === own { self.receivedSeen(first, count) }
            }
        ) { [weak self] event in
            if let self, let socket = own { self.received(event, from: socket) }
            if case .closed = event { own = nil }
        }
        own = socket
        self.phase = .opening(socket)
        self.renewal = TokenRenewal()
        socket.open(token: self.credentials.accessToken, device: self.credentials.device, sync: true)
    }

    /// The next connection goes to this edge, or to the next one that is known.
    func leave(for edge: EdgeAddress?) {
        if let edge {
            if let known = self.http.edges.firstIndex(of: edge) { self.edge = known } else { self.nextEdge = edge }
        } else {
            self.edge = (self.edge + 1) % self.http.edges.count
        }
    }

    private func refreshFailed(_ error: TrunklineError) {
        if error.isRetryable, error.hadNoEffect {
            self.pauseAndConnect(error)
        } else {
            self.end(error)
        }
    }

    /// A fresh access token; one request at a time.
    func refresh() -> EventLoopFuture<Void> {
        if let running = self.refreshUnderWay { return running }
        let promise = self.eventLoop.makePromise(of: Void.self)
        self.refreshUnderWay = promise.futureResult
        self.http.refresh(self.credentials.refreshToken, edge: self.edge, on: self.eventLoop)
            .assumeIsolated()
            .whenComplete { result in
                self.refreshUnderWay = nil
                switch result {
                case .success(let tokens):
                    self.credentials = SessionCredentials(tokens, now: .now())
                    promise.succeed()
                case .failure(let error):
                    promise.fail(error)
                }
            }
        return promise.futureResult
    }

    private func pauseAndConnect(_ error: TrunklineError) {
        guard !self.hasEnded else { return }
        self.failures += 1
        self.edge = (self.edge + 1) % self.http.edges.count
        var pause = self.settings.reconnect.pause(attempt: self.failures, using: &self.generator)
        if let asked = error.retryAfterMilliseconds { pause = pause + .milliseconds(Int64(asked)) }
        self.phase = .waiting
        self.eventLoop.assumeIsolated().scheduleTask(in: pause) {
            guard case .waiting = self.phase else { return }
            self.connect()
        }
        self.emit(.disconnected(error, pause: pause))
    }

    /// Whether it has ended, for good.
    package var hasEnded: Bool {
        if case .ended = self.phase { true } else { false }
    }

    private func end(_ error: TrunklineError) {
        self.eventLoop.preconditionInEventLoop()
        guard !self.hasEnded else { return }
        let before = self.phase
        self.phase = .ended
        self.tick?.cancel()
        self.tick = nil
        switch before {
        case .opening(let socket), .open(let socket): socket.close()
        case .idle, .waiting, .refreshing, .ended: break
        }
        for entry in self.outbox.removeAll() {
            let cause = entry.attempts == 0 ? error : entry.lastError ?? TrunklineError(.connectionLost, error.message)
            self.emit(.failed(entry.request, entry.final(cause)))
        }
        self.emit(.ended(error))
    }

    func emit(_ event: Event) {
        self.onEvent(event)
    }

    // MARK: - What comes

    private func received(_ event: TrunklineSocket.Event, from socket: TrunklineSocket) {
        switch self.phase {
        case .opening(let current), .open(let current): guard current === socket else { return }
        case .idle, .waiting, .refreshing, .ended: return
        }
        switch event {
        case .turnGiven(let error): self.emit(.delayed(error))
        case .authenticated: self.opened(socket)
        case .message(let message): self.receivedLive(message)
        case .sent(let command, let fields): self.receivedAnswer(command, fields)
        case .receiptStored(let command, let fields): self.receivedReceiptAnswer(command, fields)
        case .syncMessages(let page): self.receivedSyncMessages(page)
        case .syncReceipts(let fields): self.receivedSyncReceipts(fields)
        case .synced(let command, let fields): self.receivedSynced(command, fields)
        case .resume(let token): if self.syncUnderWay == nil, !self.needsSync { self.resume = token }
        case .prolonged(let result): self.receivedRenewal(result)
        case .refused(let command, let failure):
            let error = TrunklineError(failure)
            if self.receivedReceiptRefusal(command, error) || self.receivedSyncRefusal(command, error) { return }
            self.receivedRefusal(command, error)
        case .other(let message): self.receivedOther(message)
        case .closed(let closure): self.closed(closure)
        }
    }

    private func opened(_ socket: TrunklineSocket) {
        self.phase = .open(socket)
        self.failures = 0
        self.slowAttempts = 0
        self.renewal.shown(endsAt: self.credentials.accessTokenEndsAt, now: .now())
        self.statistics.connections += 1
        self.isBehind = true
        self.emit(.connected(edge: self.edge))
        self.syncAll(isNewConnection: true)
        self.sendWaiting()
        self.sendReceipts()
        self.watchCommand = nil
        if !self.watchedConversations.isEmpty { self.sendWatch() }
    }

    private func closed(_ closure: SocketClosure) {
        if case .open = self.phase {
            self.statistics.disconnections += 1
        } else if closure.error.code == .timedOut {
            self.slowAttempts = min(self.slowAttempts + 1, Self.doublingsMax)
        }
        self.forgetConnection()
        switch closure.advice {
        case .reconnect:
            self.pauseAndConnect(closure.error)
        case .refreshToken:
            self.credentials.accessTokenEndsAt = .now()
            self.pauseAndConnect(closure.error)
        case .giveUp:
            self.end(closure.error)
        }
    }

    func forgetConnection() {
        self.isBehind = false
        self.outbox.disconnected()
        self.receipts.disconnected()
    }

    private func receivedOther(_ message: ServerMessage) {
        switch message {
        case .reconnect(let fields):
            return self.askedToMove(fields)
        case .resync:
            self.statistics.resyncs += 1
            self.syncAll(isNewConnection: false)
        case .conversationCreated(let conversation, _):
            self.follow(conversation.conversationID, after: conversation.headSeq)
        case .messageDelivered(let event):
            let watermarks = Watermarks(delivered: event.seq, read: 0)
            return self.receivedReceipt(watermarks, of: event.userID, in: event.conversationID)
        case .messageRead(let event):
            let watermarks = Watermarks(delivered: event.seq, read: event.seq)
            return self.receivedReceipt(watermarks, of: event.userID, in: event.conversationID)
        case .presenceWatched(let id, let users):
            self.watchGranted(id)
            return self.emit(.presence(users))
        case .error(.number(let command)?, let failure) where command == self.watchCommand:
            guard !self.watchRefused(TrunklineError(failure)) else { return }
        case .userOnline(let user):
            return self.emit(.presence([PresenceBody(userID: user.userID, status: user.status)]))
        case .userOffline(let user):
            let body = PresenceBody(userID: user.userID, status: .offline, lastSeenAt: user.lastSeenAt)
            return self.emit(.presence([body]))
        case .typing(let typing):
            return self.emit(.typing(typing))
        case .error(nil, let failure) where failure.code == .tokenExpired:
            self.renewal.ended(now: .now())
            if case .open(let socket) = self.phase { self.renewIfDue(socket, now: .now()) }
        default:
            break
        }
        self.emit(.other(message))
    }

    // MARK: - Time

    /// Once a second: gives up what is too old, notices an edge that does not answer any more.
    fileprivate func ticked() {
        let now = NIODeadline.now()
        for entry in self.outbox.expire(now: now) {
            let error =
                entry.lastError
                ?? TrunklineError(
                    entry.attempts == 0 ? .notConnected : .timedOut,
                    "The message had no answer within \(self.settings.sendTimeLimit.nanoseconds / 1_000_000) ms."
                )
            self.emit(.failed(entry.request, entry.final(error)))
        }
        guard case .open(let socket) = self.phase else { return }
        self.renewIfDue(socket, now: now)
        let silence = now - socket.lastHeard
        if silence >= self.settings.silence + self.settings.silence {
            socket.abandon(.timedOut, "Nothing came from the edge for \(silence.nanoseconds / 1_000_000) ms.")
        } else if let sent = self.outbox.oldestSent, now - sent >= self.settings.answerTimeout {
            socket.abandon(.timedOut, "The edge did not answer to a message.")
        } else if silence >= self.settings.silence {
            socket.ping()
        }
    }
}

@available(*, unavailable)
extension TrunklineSession: Sendable {}

extension EventLoop {
    /// The first tick comes at a random moment, so that many sessions do not tick together.
    fileprivate func scheduleTicks(of session: TrunklineSession) -> RepeatedTask {
        let bound = NIOLoopBound(session, eventLoop: self)
        return self.scheduleRepeatedTask(
            initialDelay: .milliseconds(Int64.random(in: 100...1000)),
            delay: .seconds(1)
        ) { _ in bound.value.ticked() }
    }
}
