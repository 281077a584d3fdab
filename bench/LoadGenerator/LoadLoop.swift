// SPDX-License-Identifier: Apache-2.0

import ClientProtocol
import LoadModel
import Messaging
import NIOCore
import TrunklineClient

/// The part of a run that lives on one event loop: its devices' sessions, what they send, and what is counted.
///
/// Everything is touched on that loop only; whoever is elsewhere asks through `LoopHandle`.
final class LoadLoop {
    struct Shared: Sendable {
        var topology: Topology
        var seed: UInt64
        var identity: MessageIdentity
        var bodies: BodyText
        var population: Population
        var http: TrunklineHTTP
        var sessionSettings: TrunklineSession.Settings
        /// Sessions that a loop opens at a time.
        var openingSessionsMax: Int
    }

    let number: Int
    let eventLoop: any EventLoop
    let shared: Shared
    var plan: MessagePlan

    /// By device.
    var sessions: [Int: TrunklineSession] = [:]
    private let seenFrames = SeenFrames()
    var tally = DeliveryTally()
    private var devicesToOpen: [Int]
    /// Since when.
    private var opening: [Int: NIODeadline] = [:]
    var connectedOnce: Set<Int> = []
    var connects = LatencyRecorder()
    var isClosing = false
    private(set) var fatalError: TrunklineError?

    var startedAt = NIODeadline.now()
    var hasStarted = false
    var nextMessage = 0
    var isSendScheduled = false
    var lastSendLateness: Int64 = 0

    var counts = RunCounts()
    var failures = FailureLog()
    var series = RunSeries()
    /// One for each stretch of the plan.
    var stretches: [StretchOutcome] = []
    var sessionFigures = RunReport.Sessions()
    var recentAcknowledgements = LatencyRecorder()
    var recentDeliveries = LatencyRecorder()
    var acknowledgementTimes = EventTimeline()
    var deliveryTimes = EventTimeline()
    /// Losses and returns since the start of the sending.
    var returns = ReturnTracker()
    var audit: LiveAudit
    /// By device.
    var guests: [Int: Guest]
    var stays = StayWatch()
    /// Devices that are away at first, until they are back and have everything.
    var away: [Int: Return] = [:]
    var awayCredentials: [Int: SessionCredentials] = [:]
    var sync = SyncOutcome()
    /// Of devices with one conversation, its index in the audit; -1 for others.
    private(set) var soleIndex: [Int]

    init(number: Int, eventLoop: any EventLoop, shared: Shared) {
        self.number = number
        self.eventLoop = eventLoop
        self.shared = shared
        let topology = shared.topology
        self.plan = MessagePlan(topology: topology, seed: shared.seed)
        let devices = (0..<topology.deviceCount).filter {
            topology.isConnected(topology.user(ofDevice: $0)) && topology.loop(of: $0) == number
        }
        self.devicesToOpen = devices.reversed()
        self.audit = Self.audit(topology, self.plan, number)
        self.guests = Self.guests(topology, number)
        self.soleIndex = Array(repeating: -1, count: topology.deviceCount)
        for device in devices {
            let conversations = topology.conversations[topology.user(ofDevice: device)]
            guard conversations.count == 1 else { continue }
            let index = self.audit.index(of: LiveAudit.Place(device: device, conversation: conversations[0]))
            self.soleIndex[device] = index ?? -1
        }
    }

    private static func audit(_ topology: Topology, _ plan: MessagePlan, _ number: Int) -> LiveAudit {
        LiveAudit(
            LiveAudit.Plan(
                devicesPerUser: topology.devicesPerUser,
                sender: { plan.device(of: Int($0)) },
                isHere: { topology.loop(of: $0) == number }
            ),
            devices: topology.members.map { users in
                users.filter(topology.isConnected).flatMap { topology.devices(ofUser: $0) }
                    .filter { topology.loop(of: $0) == number }
            }
        )
    }

    // MARK: - Sessions

    func openSessions() {
        while self.opening.count < self.shared.openingSessionsMax, let device = self.devicesToOpen.popLast() {
            self.opening[device] = .now()
            self.makeSession(device, self.shared.population.credentials[device], after: 0).start()
        }
    }

    /// A session that is to be started.
    ///
    /// - Parameter position: Up to here it has everything, in all its conversations.
    func makeSession(_ device: Int, _ credentials: SessionCredentials, after position: UInt64) -> TrunklineSession {
        let topology = self.plan.topology
        let session = TrunklineSession(
            credentials: credentials,
            http: self.shared.http,
            edge: topology.edge(of: device),
            eventLoop: self.eventLoop,
            settings: self.shared.sessionSettings,
            seenFrames: self.seenFrames,
            onSeen: { [unowned self] first, count in self.receivedSeen(first, count, device) }
        ) { [unowned self] event in self.received(event, device) }
        self.sessions[device] = session
        for conversation in topology.conversations[topology.user(ofDevice: device)] {
            session.follow(self.shared.population.conversations[conversation], after: position)
        }
        return session
    }

    /// Whether every session was connected, and none still asks for what it missed.
    var isReady: Bool {
        self.devicesToOpen.isEmpty && self.opening.isEmpty
            && self.sessions.values.allSatisfy { $0.isOpen && !$0.isCatchingUp }
    }

    var openCount: Int { self.sessions.values.count { $0.isOpen } }

    func closeSessions() {
        self.isClosing = true
        for session in self.sessions.values { session.close() }
    }

    var credentials: [Int: SessionCredentials] { self.sessions.mapValues(\.credentials) }

    private func received(_ event: TrunklineSession.Event, _ device: Int) {
        // The end of a session that is to be away.
        if self.awayCredentials[device] != nil { return }
        if self.hasStarted, !self.isClosing { self.trackReturn(event, device) }
        switch event {
        case .message(let message, let arrival):
            self.receivedMessage(message, arrival, device)
        case .acknowledged(let sent, let attempts):
            self.receivedAcknowledgement(sent, attempts)
        case .failed(let request, let error):
            if let message = self.shared.identity.message(of: request.clientMessageID, in: self.plan) {
                self.fail(message, error.name)
            }
        case .connected:
            self.connectedOnce.insert(device)
            guard let since = self.opening.removeValue(forKey: device) else { return }
            self.connects.record(nanoseconds: (NIODeadline.now() - since).nanoseconds)
            self.openSessions()
        case .ended(let error):
            guard !self.isClosing else { return }
            self.sessionFigures.ended += 1
            if self.opening.removeValue(forKey: device) != nil, self.fatalError == nil { self.fatalError = error }
        case .caughtUp:
            self.caughtUp(device)
        case .delayed, .disconnected, .refused, .skipped, .receipt, .receiptFailed, .presence, .typing,
            .other:
            break
        }
    }

    /// Nanoseconds since the start of the sending.
    var elapsed: Int64 { (NIODeadline.now() - self.startedAt).nanoseconds }
}

@available(*, unavailable)
extension LoadLoop: Sendable {}
