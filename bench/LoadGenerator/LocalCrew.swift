// SPDX-License-Identifier: Apache-2.0

import LoadModel
import Messaging
import NIOCore
import NIOPosix
import TrunklineClient

/// The event loops of this process, with their share of the users.
actor LocalCrew: Crew {
    /// Open files apart from the sessions' sockets.
    static let otherFiles = 100

    private let command: LoadCommand
    private let topology: Topology
    private let runID: String
    private let group: MultiThreadedEventLoopGroup
    private let http: TrunklineHTTP
    private let progress: Progress
    private var shared: LoadLoop.Shared?
    private var loops: [LoopHandle] = []
    private var plan: MessagePlan
    private var churn: ChurnDriver?

    /// - Parameters:
    ///   - runID: Of this process: no other one makes users with it.
    ///   - eventLoops: Have to outlive ``stop()``.
    init(
        _ command: LoadCommand,
        _ topology: Topology,
        runID: String,
        eventLoops: MultiThreadedEventLoopGroup,
        progress: Progress
    ) {
        self.command = command
        self.topology = topology
        self.runID = runID
        self.group = eventLoops
        var settings = TrunklineHTTP.Settings()
        settings.connectionsPerEdgeMax = max(8, command.setupConcurrency)
        settings.trust = command.trust
        self.http = TrunklineHTTP(edges: command.edges, eventLoops: eventLoops, settings: settings)
        self.progress = progress
        self.plan = MessagePlan(topology: topology, seed: command.seed)
    }

    /// Throws when this process may not open as many files as the sessions need.
    static func checkOpenFiles(_ topology: Topology) throws {
        let files = MachineFacts.raiseOpenFilesLimit()
        let needed = topology.connectedDeviceCount + Self.otherFiles
        guard needed <= files else {
            throw CrewError(
                description:
                    "\(topology.connectedDeviceCount) sessions in a process need \(needed) open files, and \(files) are "
                    + "allowed here; raise the hard limit (ulimit -Hn), or share them out with more --processes"
            )
        }
    }

    func populate() async throws {
        try Self.checkOpenFiles(self.topology)
        let population = try await Population.make(
            self.topology,
            runID: self.runID,
            concurrency: self.command.setupConcurrency,
            http: self.http,
            progress: self.progress
        )
        let shared = self.shared(population)
        self.shared = shared
        for (number, eventLoop) in self.group.makeIterator().enumerated() {
            self.loops.append(try await LoopHandle.make(number: number, eventLoop: eventLoop, shared: shared))
        }
    }

    private func shared(_ population: Population) -> LoadLoop.Shared {
        // The ids carry the times of the plan, which begins a moment later.
        let identity = MessageIdentity(startedAt: WallClock.now(), run: UInt64.random(in: .min ... .max))
        var sessionSettings = TrunklineSession.Settings()
        // A run measures messages; receipts would be a second load beside the one of the plan.
        sessionSettings.acknowledgesDelivery = false
        sessionSettings.socket.subprotocol = self.command.subprotocol
        sessionSettings.socket.trust = self.command.trust
        sessionSettings.sendTimeLimit = .nanoseconds(self.command.sendTimeLimit.nanoseconds)
        return LoadLoop.Shared(
            topology: self.topology,
            seed: self.command.seed,
            identity: identity,
            bodies: BodyText(bytes: self.command.bodyBytes, seed: self.command.seed),
            population: population,
            http: self.http,
            sessionSettings: sessionSettings,
            openingSessionsMax: self.command.connectConcurrency
        )
    }

    func connect() async throws {
        for loop in self.loops { try await loop.ask { $0.openSessions() } }
        let deadline = NIODeadline.now() + .nanoseconds(self.command.setupTimeout.nanoseconds)
        let sessions = self.topology.connectedDeviceCount
        while true {
            var isReady = true
            var open = 0
            for loop in self.loops {
                let state = try await loop.ask { (ready: $0.isReady, open: $0.openCount, error: $0.fatalError) }
                if let error = state.error { throw error }
                isReady = isReady && state.ready
                open += state.open
            }
            if isReady { return }
            guard .now() < deadline else {
                throw CrewError(
                    description: "\(open) of \(sessions) sessions were connected within --setup-timeout; raise it, or "
                        + "look at the edges' rates.authentications_per_node"
                )
            }
            self.progress.show("setup: \(open) of \(sessions) sessions connected")
            // To the next look: each loop has to be asked, and is busy connecting.
            try await Task.sleep(for: .milliseconds(20))
        }
    }

    func start(at time: NIODeadline) async throws {
        let (stormAt, returnAt) = (self.command.stormAt, self.command.returnAt)
        for loop in self.loops { try await loop.ask { $0.start(at: time, stormAt: stormAt, returnAt: returnAt) } }
        guard self.command.scenario == .churn, let shared = self.shared else { return }
        let driver = ChurnDriver(
            shared,
            self.loops,
            start: time,
            patience: .nanoseconds(self.command.drain.nanoseconds),
            changesPerSecond: self.command.changesPerSecond / Double(self.command.processes)
        )
        self.churn = driver
        await driver.begin()
    }

    func add(_ stretch: SendSchedule.Stretch) async throws {
        guard self.plan.append(stretch) else {
            throw CrewError(description: "there are more messages than a run can have (\(SendSchedule.messagesMax))")
        }
        for loop in self.loops { _ = try await loop.ask { $0.add(stretch) } }
    }

    func state(takesRecent: Bool) async throws -> CrewState {
        var state = CrewState()
        for loop in self.loops { state.merge(try await loop.ask { $0.state(takesRecent: takesRecent) }) }
        return state
    }

    func incomplete(asks: Bool) async throws -> Int {
        var heads = Array(repeating: UInt64(0), count: self.topology.members.count)
        for loop in self.loops { heads = zip(heads, try await loop.ask { $0.heads }).map { max($0, $1) } }
        let target = heads
        var incomplete = 0
        for loop in self.loops { incomplete += try await loop.ask { $0.incomplete(target, asks: asks) } }
        return incomplete + (await self.churn?.lacking(asks: asks) ?? 0)
    }

    func settle() async throws {
        await self.churn?.stop()
    }

    func stretch(_ index: Int) async throws -> StretchOutcome {
        var outcome = StretchOutcome()
        for loop in self.loops { outcome.merge(try await loop.ask { $0.stretch(index) }) }
        return outcome
    }

    func finish(isWhole: Bool) async throws -> RunOutcome {
        guard let shared = self.shared else { return RunOutcome() }
        await self.churn?.stop()
        var churn = isWhole ? await self.churn?.finish() : nil
        if churn != nil {
            for loop in self.loops {
                churn?.deliveries += try await loop.ask { $0.guests.values.reduce(0) { $0 + $1.audit.delivered } }
            }
        }
        let finish = RunFinish(plan: self.plan, shared: shared, progress: self.progress)
        var outcome = try await finish.collect(self.loops, isWhole: isWhole)
        outcome.churn = churn
        return outcome
    }

    func stop() async {
        await self.churn?.stop()
        // Sessions tell their loop what they see until they are closed.
        for loop in self.loops { try? await loop.ask { $0.closeSessions() } }
        await self.http.shutDown()
    }

    nonisolated func sample(at time: Int64) -> NodeSamples.Sample? {
        MachineFacts.sample(of: nil, at: time)
    }
}
