// SPDX-License-Identifier: Apache-2.0

import LoadModel
import Messaging
import NIOCore
import NIOPosix
import TrunklineClient

/// One run from the first registration to the report.
struct LoadRun {
    /// Open files apart from the sessions' sockets.
    private static let otherFiles = 100
    /// How long nothing new may arrive at the end before what is missing is asked for.
    private static let patience = TimeAmount.seconds(2)

    private let command: LoadCommand
    private let progress: Progress

    init(_ command: LoadCommand) {
        self.command = command
        self.progress = Progress(isQuiet: command.quiet)
    }

    func run() async -> Verdict {
        guard let plan = self.command.plan else { return .usage }
        let files = MachineFacts.raiseOpenFilesLimit()
        guard plan.topology.connectedCount + Self.otherFiles <= files else {
            self.fail(
                "\(plan.topology.connectedCount) connections need more open files than the \(files) that are allowed here."
            )
            return .setupFailed
        }
        let group = MultiThreadedEventLoopGroup(numberOfThreads: self.command.eventLoops)
        var settings = TrunklineHTTP.Settings()
        settings.connectionsPerEdgeMax = max(8, self.command.setupConcurrency)
        let http = TrunklineHTTP(edges: self.command.edges, eventLoops: group, settings: settings)
        let nodes = NodeWatch(
            self.command.edges + self.command.watchedNodes,
            isStorm: self.command.scenario == .storm,
            eventLoops: group
        )
        let verdict: Verdict
        do {
            verdict = try await self.run(plan, http, nodes, group)
        } catch {
            self.fail("It could not be set up: \(error)")
            verdict = .setupFailed
        }
        await http.shutDown()
        await nodes.shutDown()
        try? await group.shutdownGracefully()
        return verdict
    }

    private func fail(_ text: String) {
        self.progress.clear()
        StandardError.write("trunkline-load: \(text)\n")
    }

    private func run(
        _ plan: MessagePlan,
        _ http: TrunklineHTTP,
        _ nodes: NodeWatch,
        _ group: MultiThreadedEventLoopGroup
    ) async throws -> Verdict {
        var report = RunReport()
        let runID = self.command.runID ?? String(UInt64.random(in: 0..<2_821_109_907_456), radix: 36)
        self.describe(plan, runID, &report)
        await nodes.sample(since: nil) { .start }
        let begin = NIODeadline.now()
        let population = try await Population.make(
            plan.topology,
            runID: runID,
            concurrency: self.command.setupConcurrency,
            http: http,
            progress: self.progress
        )
        let shared = self.shared(plan, population, http)
        var loops: [LoopHandle] = []
        for (number, eventLoop) in group.makeIterator().enumerated() {
            loops.append(try await LoopHandle.make(number: number, eventLoop: eventLoop, shared: shared))
        }
        do {
            try await self.measure(shared, loops, nodes, since: begin, &report)
        } catch {
            // Sessions tell their loop what they see until they are closed.
            for loop in loops { try? await loop.ask { $0.closeSessions() } }
            throw error
        }
        return self.publish(report)
    }

    private func measure(
        _ shared: LoadLoop.Shared,
        _ loops: [LoopHandle],
        _ nodes: NodeWatch,
        since begin: NIODeadline,
        _ report: inout RunReport
    ) async throws {
        let plan = shared.plan
        let connectBegin = NIODeadline.now()
        try await self.connect(loops, plan)
        report.connectSeconds = Self.seconds(since: connectBegin)
        report.setupSeconds = Self.seconds(since: begin)
        self.progress.note(
            "setup: \(plan.topology.userCount) users, \(plan.topology.members.count) conversations, "
                + "\(plan.topology.connectedCount) WebSockets in \(Self.text(report.setupSeconds)) s"
        )
        let start = NIODeadline.now() + .milliseconds(100)
        let stormAt = self.command.stormAt.map { start + .nanoseconds($0) } ?? .distantFuture
        try await nodes.watch(since: start, { .now() < stormAt ? .before : .storm }) {
            let live = LiveReporter(progress: self.progress, plan: plan, nodes: nodes, start: start)
            try await self.send(loops, live, start: start)
            report.sendingSeconds = Self.seconds(since: start)
            let drainBegin = NIODeadline.now()
            try await self.drain(loops)
            report.drainSeconds = Self.seconds(since: drainBegin)
        }
        report.memory = nodes.memory
        let auditBegin = NIODeadline.now()
        let finish = RunFinish(plan: plan, shared: shared, progress: self.progress)
        let lateness = try await finish.collect(loops, nodes.nodes, into: &report)
        report.auditSeconds = Self.seconds(since: auditBegin)
        report.verdict = Verdict(
            audit: report.audit,
            stormFindings: report.storm?.findings(report.returns, report.memory) ?? [],
            failures: report.counts.failedInAll,
            failuresAllowed: self.command.allowFailures,
            lateness: lateness,
            plannedNanoseconds: plan.warmUpNanoseconds + plan.durationNanoseconds
        )
    }

    private func shared(_ plan: MessagePlan, _ population: Population, _ http: TrunklineHTTP) -> LoadLoop.Shared {
        // The ids carry the times of the plan, which begins a moment later.
        let identity = MessageIdentity(startedAt: WallClock.now(), run: UInt64.random(in: .min ... .max))
        var sessionSettings = TrunklineSession.Settings()
        // A run measures messages; receipts would be a second load beside the one of the plan.
        sessionSettings.acknowledgesDelivery = false
        sessionSettings.socket.subprotocol = self.command.subprotocol
        sessionSettings.sendTimeLimit = .nanoseconds(self.command.sendTimeLimit.nanoseconds)
        return LoadLoop.Shared(
            plan: plan,
            identity: identity,
            bodies: BodyText(bytes: self.command.bodyBytes, seed: self.command.seed),
            population: population,
            http: http,
            sessionSettings: sessionSettings,
            stormAt: self.command.stormAt
        )
    }

    private func describe(_ plan: MessagePlan, _ runID: String, _ report: inout RunReport) {
        report.run = runID
        report.program = "trunkline-load \(ProgramVersion.current)"
        report.commandLine = CommandLine.arguments
        report.startedAt = ReportFile.timestamp()
        report.machine = MachineFacts.read()
        report.settings.edges = self.command.edges.map(\.url)
        report.settings.scenario = plan.topology.scenario
        report.settings.users = plan.topology.userCount
        report.settings.connected = plan.topology.connectedCount
        report.settings.conversations = plan.topology.members.count
        report.settings.groupSize = plan.topology.members.map(\.count).max() ?? 0
        report.settings.senders = min(report.settings.groupSize, plan.topology.sendersMax)
        report.settings.messagesPerSecond = plan.messagesPerSecond
        report.settings.durationSeconds = self.command.measuredTime.seconds
        report.settings.warmUpSeconds = self.command.warmup.seconds
        report.settings.bodyBytes = self.command.bodyBytes
        report.settings.seed = self.command.seed
        report.settings.eventLoops = self.command.eventLoops
        report.settings.allowedFailures = self.command.allowFailures
        if self.command.scenario == .storm {
            report.settings.stormSeconds = self.command.stormAt.map { Double($0) / 1e9 }
            report.storm = StormRule(
                limitSeconds: self.command.stormLimit.seconds,
                memoryMebibytesMax: self.command.memoryLimit
                    ?? StormRule.memoryMebibytesMax(sessions: plan.topology.connectedCount)
            )
        }
    }

    private func publish(_ report: RunReport) -> Verdict {
        self.progress.clear()
        print(SummaryTable.text(of: report))
        var isWritten = true
        for (path, write) in [(self.command.jsonFile, ReportFile.write), (self.command.htmlFile, ReportFile.writePage)]
        {
            guard let path else { continue }
            do {
                try write(report, path)
            } catch {
                self.fail("\(path) could not be written: \(error)")
                isWritten = false
            }
        }
        return report.verdict == .held && !isWritten ? .setupFailed : report.verdict
    }

    // MARK: - Phases

    private func connect(_ loops: [LoopHandle], _ plan: MessagePlan) async throws {
        for loop in loops { try await loop.ask { $0.openSessions() } }
        let deadline = NIODeadline.now() + .nanoseconds(self.command.setupTimeout.nanoseconds)
        while true {
            var isReady = true
            var open = 0
            for loop in loops {
                let state = try await loop.ask { (ready: $0.isReady, open: $0.openCount, error: $0.fatalError) }
                if let error = state.error { throw error }
                isReady = isReady && state.ready
                open += state.open
            }
            if isReady { return }
            guard .now() < deadline else {
                throw TrunklineError(
                    .timedOut,
                    "\(open) of \(plan.topology.connectedCount) sessions were connected within --setup-timeout."
                )
            }
            self.progress.show("setup: \(open) of \(plan.topology.connectedCount) sessions connected")
            try await Task.sleep(for: .milliseconds(50))
        }
    }

    private func send(_ loops: [LoopHandle], _ live: LiveReporter, start: NIODeadline) async throws {
        var live = live
        for loop in loops { try await loop.ask { $0.start(at: start) } }
        var next = start + .seconds(1)
        while true {
            var hasSentAll = true
            for loop in loops where try await !loop.ask({ $0.hasSentAll }) { hasSentAll = false }
            let now = NIODeadline.now()
            if now >= next {
                try await live.show(loops)
                next = next + .seconds(1)
            }
            if hasSentAll { return }
            try await Task.sleep(for: .nanoseconds(max(10_000_000, min(100_000_000, (next - now).nanoseconds))))
        }
    }

    /// Waits for the answers and for sessions that are away, then until every device has what was acknowledged.
    private func drain(_ loops: [LoopHandle]) async throws {
        let deadline = NIODeadline.now() + .nanoseconds(self.command.drain.nanoseconds)
        var lastProgress = NIODeadline.now()
        var lastIncomplete = Int.max
        while .now() < deadline {
            var (unanswered, away) = (0, 0)
            var heads: [UInt64] = []
            for loop in loops {
                let state = try await loop.ask {
                    (unanswered: $0.unansweredCount, away: $0.returns.awayCount, heads: $0.heads())
                }
                unanswered += state.unanswered
                away += state.away
                heads = heads.isEmpty ? state.heads : zip(heads, state.heads).map { max($0, $1) }
            }
            let target = heads
            var incomplete = 0
            for loop in loops { incomplete += try await loop.ask { $0.incomplete(target, asks: false) } }
            if unanswered == 0, incomplete == 0, away == 0 { return }
            if unanswered + incomplete + away != lastIncomplete {
                lastIncomplete = unanswered + incomplete + away
                lastProgress = .now()
            } else if .now() - lastProgress >= Self.patience {
                lastProgress = .now()
                for loop in loops { _ = try await loop.ask { $0.incomplete(target, asks: true) } }
            }
            self.progress.show(
                "drain: \(unanswered) messages unanswered, \(incomplete) conversations of devices incomplete"
                    + (away > 0 ? ", \(away) sessions away" : "")
            )
            try await Task.sleep(for: .milliseconds(200))
        }
    }

    private static func seconds(since start: NIODeadline) -> Double {
        Double((NIODeadline.now() - start).nanoseconds) / 1e9
    }

    private static func text(_ value: Double) -> String {
        SummaryTable.number(value, digits: 1)
    }
}
