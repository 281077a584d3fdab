// SPDX-License-Identifier: Apache-2.0

import ClientProtocol
import LoadModel
import Messaging
import NIOCore
import TrunklineClient

/// The part of a run that lives on one event loop: its users' sessions, what they send, and what is counted.
///
/// Everything is touched on that loop only; whoever is elsewhere asks through `LoopHandle`.
final class LoadLoop {
    /// Between two looks at the plan, at least: messages that are due together are sent together.
    static let tick = TimeAmount.microseconds(500)
    /// Messages of one look, so that answers get their turn when the sending is late.
    static let messagesPerTickMax = 500
    /// Sessions that are being opened at once.
    static let openingSessionsMax = 32

    struct Shared: Sendable {
        var plan: MessagePlan
        var identity: MessageIdentity
        var bodies: BodyText
        var population: Population
        var http: TrunklineHTTP
        var sessionSettings: TrunklineSession.Settings
        /// When all connections are cut, in nanoseconds after the start; nil for never.
        var stormAt: Int64?
    }

    private let number: Int
    let eventLoop: any EventLoop
    let shared: Shared
    var plan: MessagePlan { self.shared.plan }

    var sessions: [Int: TrunklineSession] = [:]
    private let seenFrames = SeenFrames()
    var tally = DeliveryTally()
    private var usersToOpen: [Int]
    private var opening: Set<Int> = []
    var connectedOnce: Set<Int> = []
    var isClosing = false
    private(set) var fatalError: TrunklineError?

    var startedAt = NIODeadline.now()
    private var nextMessage = 0
    var lastSendLateness: Int64 = 0

    var counts = RunCounts()
    var failures = FailureLog()
    var series = RunSeries()
    var sessionFigures = RunReport.Sessions()
    var acknowledgementLatency = LatencyRecorder()
    var deliveryLatency = LatencyRecorder()
    var lateness = LatencyRecorder()
    var recentAcknowledgements = LatencyRecorder()
    var recentDeliveries = LatencyRecorder()
    var acknowledgementTimes = EventTimeline()
    var deliveryTimes = EventTimeline()
    var acknowledgements: [[ConversationAudit.Acknowledgement]]
    /// Losses and returns since the start of the sending.
    var returns = ReturnTracker()
    private(set) var hasStarted = false
    var logs: [DeviceLog] = []
    var logPlaces: [LogKey: Int] = [:]
    /// Of users with one conversation, its log; -1 for others.
    private(set) var soleLog: [Int]

    struct LogKey: Hashable, Sendable {
        var user: Int
        var conversation: Int
    }

    init(number: Int, eventLoop: any EventLoop, shared: Shared) {
        self.number = number
        self.eventLoop = eventLoop
        self.shared = shared
        let topology = shared.plan.topology
        self.acknowledgements = Array(repeating: [], count: topology.members.count)
        self.usersToOpen = (0..<topology.userCount)
            .filter { topology.isConnected($0) && topology.loop(of: $0) == number }
            .reversed()
        self.soleLog = Array(repeating: -1, count: topology.userCount)
        for user in self.usersToOpen {
            if topology.conversations[user].count == 1 { self.soleLog[user] = self.logs.count }
            for conversation in topology.conversations[user] {
                self.logPlaces[LogKey(user: user, conversation: conversation)] = self.logs.count
                self.logs.append(DeviceLog())
            }
        }
    }

    // MARK: - Sessions

    func openSessions() {
        while self.opening.count < Self.openingSessionsMax, let user = self.usersToOpen.popLast() {
            self.opening.insert(user)
            let session = TrunklineSession(
                credentials: self.shared.population.credentials[user],
                http: self.shared.http,
                edge: self.plan.topology.edge(of: user),
                eventLoop: self.eventLoop,
                settings: self.shared.sessionSettings,
                seenFrames: self.seenFrames,
                onSeen: { [unowned self] first, count in self.receivedSeen(first, count, user) }
            ) { [unowned self] event in self.received(event, user) }
            self.sessions[user] = session
            for conversation in self.plan.topology.conversations[user] {
                session.follow(self.shared.population.conversations[conversation], after: 0)
            }
            session.start()
        }
    }

    /// Whether every session was connected, and none still asks for what it missed.
    var isReady: Bool {
        self.usersToOpen.isEmpty && self.opening.isEmpty
            && self.sessions.values.allSatisfy { $0.isOpen && !$0.isCatchingUp }
    }

    var openCount: Int { self.sessions.values.count { $0.isOpen } }

    func closeSessions() {
        self.isClosing = true
        for session in self.sessions.values { session.close() }
    }

    var credentials: [Int: SessionCredentials] { self.sessions.mapValues(\.credentials) }

    private func received(_ event: TrunklineSession.Event, _ user: Int) {
        if self.hasStarted, !self.isClosing { self.trackReturn(event, user) }
        switch event {
        case .message(let message, let arrival):
            self.receivedMessage(message, arrival, user)
        case .acknowledged(let sent, let attempts):
            self.receivedAcknowledgement(sent, attempts)
        case .failed(let request, let error):
            if let message = self.shared.identity.message(of: request.clientMessageID, in: self.plan) {
                self.fail(message, error.name)
            }
        case .connected:
            self.connectedOnce.insert(user)
            if self.opening.remove(user) != nil { self.openSessions() }
        case .ended(let error):
            guard !self.isClosing else { return }
            self.sessionFigures.ended += 1
            if self.opening.remove(user) != nil, self.fatalError == nil { self.fatalError = error }
        case .caughtUp, .delayed, .disconnected, .refused, .skipped, .receipt, .receiptFailed, .presence, .typing,
            .other:
            break
        }
    }

    // MARK: - Sending

    func start(at time: NIODeadline) {
        self.startedAt = time
        self.hasStarted = true
        self.schedule(at: time)
        guard let stormAt = self.shared.stormAt else { return }
        self.eventLoop.assumeIsolated().scheduleTask(deadline: time + .nanoseconds(stormAt)) { self.cutAll() }
    }

    var hasSentAll: Bool { self.nextMessage == self.plan.count }
    var unansweredCount: Int { self.sessions.values.reduce(0) { $0 + $1.unansweredCount } }

    private func schedule(at time: NIODeadline) {
        self.eventLoop.assumeIsolated().scheduleTask(deadline: time) { self.sendDue() }
    }

    private func sendDue() {
        guard !self.isClosing else { return }
        let now = NIODeadline.now()
        let elapsed = (now - self.startedAt).nanoseconds
        let due = self.plan.dueCount(at: elapsed)
        var sent = 0
        while self.nextMessage < due, sent < Self.messagesPerTickMax {
            let message = self.nextMessage
            self.nextMessage += 1
            let sender = self.plan.sender(of: message)
            guard self.plan.topology.loop(of: sender) == self.number else { continue }
            sent += 1
            self.send(message, from: sender, elapsed: elapsed)
        }
        guard self.nextMessage < self.plan.count else { return }
        let next = self.startedAt + .nanoseconds(self.plan.time(of: self.nextMessage))
        self.schedule(at: sent == Self.messagesPerTickMax ? now : max(now + Self.tick, next))
    }

    private func send(_ message: Int, from sender: Int, elapsed: Int64) {
        let time = self.plan.time(of: message)
        let conversation = self.plan.conversation(of: message)
        self.counts.offered += 1
        self.series.offered(deliveries: self.plan.topology.members[conversation].count - 1, at: time)
        self.lastSendLateness = elapsed - time
        if time >= self.plan.warmUpNanoseconds { self.lateness.record(nanoseconds: elapsed - time) }
        let request = SendMessageRequest(
            conversationID: self.shared.population.conversations[conversation],
            clientMessageID: self.shared.identity.id(of: message, at: time),
            kind: .text,
            body: self.shared.bodies.body(of: message)
        )
        if self.sessions[sender]?.send(request) == true {
            self.counts.sent += 1
            self.series.sent(at: elapsed)
        } else {
            let hasEnded = self.sessions[sender]?.hasEnded ?? true
            self.fail(message, hasEnded ? "session_ended" : "backlog_full")
        }
    }

    private func fail(_ message: Int, _ code: String) {
        self.failures[UInt32(message)] = code
        self.series.failed(at: self.elapsed)
    }

    /// Nanoseconds since the start of the sending.
    var elapsed: Int64 { (NIODeadline.now() - self.startedAt).nanoseconds }

    // MARK: - Receiving

    private func receivedAcknowledgement(_ sent: MessageSent, _ attempts: Int) {
        guard let conversation = self.shared.population.conversationNumbers[sent.conversationID] else { return }
        guard let message = self.shared.identity.message(of: sent.clientMessageID, in: self.plan) else {
            self.acknowledgements[conversation].append(.init(message: DeviceLog.foreign, seq: sent.seq))
            return
        }
        self.acknowledgements[conversation].append(.init(message: UInt32(message), seq: sent.seq))
        // It was given up, and the answer came after all.
        if attempts == 0 { self.failures[UInt32(message)] = nil }
        self.counts.acknowledged += 1
        if sent.isDuplicate { self.counts.acknowledgedAsDuplicate += 1 }
        let (elapsed, planned) = (self.elapsed, self.plan.time(of: message))
        self.acknowledgementTimes.note(at: elapsed)
        self.series.acknowledged(at: elapsed, planned: planned)
        let latency = elapsed - planned
        self.recentAcknowledgements.record(nanoseconds: latency)
        if self.plan.isMeasured(message) { self.acknowledgementLatency.record(nanoseconds: latency) }
    }

    func receivedMessage(_ message: DeliveredMessage, _ arrival: ArrivedMessage.Arrival, _ user: Int) {
        guard let conversation = self.shared.population.conversationNumbers[message.conversationID],
            let place = self.logPlaces[LogKey(user: user, conversation: conversation)]
        else { return }
        guard let number = self.shared.identity.message(of: message.clientMessageID, in: self.plan) else {
            self.logs[place].record(seq: message.seq, message: DeviceLog.foreign)
            return
        }
        self.logs[place].record(seq: message.seq, message: UInt32(number))
        guard arrival != .own else { return }
        if message.body != self.shared.bodies.body(of: number) { self.logs[place].recordAltered(seq: message.seq) }
        guard self.plan.sender(of: number) != user else { return }
        if arrival == .live { self.counts.deliveredLive += 1 } else { self.counts.deliveredByCatchUp += 1 }
        self.measureDelivery(of: number, at: self.elapsed)
    }
}

@available(*, unavailable)
extension LoadLoop: Sendable {}
