// SPDX-License-Identifier: Apache-2.0

import ClientProtocol
import LoadModel
import Messaging
import NIOCore
import NIOPosix
import TrunklineClient

/// One run from the first registration to the report: says to the crew what is done when, and watches the nodes.
struct LoadRun {
    let command: LoadCommand
    let progress: Progress

    init(_ command: LoadCommand) {
        self.command = command
        self.progress = Progress(isQuiet: command.quiet)
    }

    func run() async -> Verdict {
        let isAlone = self.command.processes == 1
        let group = MultiThreadedEventLoopGroup(numberOfThreads: isAlone ? self.command.eventLoops : 1)
        let runID = self.command.runID ?? String(UInt64.random(in: 0..<2_821_109_907_456), radix: 36)
        let verdict: Verdict
        do {
            let crew: any Crew =
                isAlone
                ? LocalCrew(
                    self.command,
                    self.command.topology(ofPart: 0),
                    runID: runID,
                    eventLoops: group,
                    progress: self.progress
                ) : try ProcessCrew(self.command, runID: runID, progress: self.progress)
            let nodes = NodeWatch(
                self.command.edges + self.command.watchedNodes,
                trust: self.command.trust,
                isStorm: self.command.scenario == .storm,
                eventLoops: group,
                ownSample: { crew.sample(at: $0) }
            )
            verdict = await self.run(crew, nodes, runID)
            await crew.stop()
            await nodes.shutDown()
        } catch {
            self.fail("It could not be begun: \(error)")
            verdict = .setupFailed
        }
        try? await group.shutdownGracefully()
        return verdict
    }

    private func fail(_ text: String) {
        self.progress.clear()
        StandardError.write("trunkline-load: \(text)\n")
    }

    private func run(_ crew: any Crew, _ nodes: NodeWatch, _ runID: String) async -> Verdict {
        var report = RunReport()
        self.describe(runID, &report)
        do {
            try await self.measure(crew, nodes, &report)
        } catch {
            self.fail("\(error)")
            return .setupFailed
        }
        return self.publish(report)
    }

    private func measure(_ crew: any Crew, _ nodes: NodeWatch, _ report: inout RunReport) async throws {
        await nodes.sample(since: nil) { .start }
        let begin = NIODeadline.now()
        try await crew.populate()
        let before = await nodes.census()
        let connectBegin = NIODeadline.now()
        try await crew.connect()
        report.connectSeconds = Self.seconds(since: connectBegin)
        report.setupSeconds = Self.seconds(since: begin)
        self.progress.note(
            "setup: \(report.settings.users) users, \(report.settings.conversations) conversations, "
                + "\(report.settings.sessions) WebSockets in \(SummaryTable.number(report.setupSeconds, digits: 1)) s"
        )
        let start = NIODeadline.now() + .milliseconds(200)
        try await crew.start(at: start)
        var traffic = Traffic(
            self.command,
            crew,
            nodes,
            self.progress,
            start: start,
            sessions: report.settings.sessions
        )
        let stormAt = self.command.stormAt.map { start + .nanoseconds($0) } ?? .distantFuture
        try await nodes.watch(since: start, { .now() < stormAt ? .before : .storm }) {
            report.ramp = try await traffic.send()
            report.sendingSeconds = Self.seconds(since: start)
            report.sessionMemory = nodes.sessionMemory(before, await nodes.census())
            guard !traffic.isCutShort else { return }
            let drainBegin = NIODeadline.now()
            _ = try await traffic.drain()
            report.drainSeconds = Self.seconds(since: drainBegin)
        }
        report.memory = nodes.memory
        report.isCutShort = traffic.isCutShort ? true : nil
        let auditBegin = NIODeadline.now()
        let outcome = try await crew.finish(isWhole: !traffic.isCutShort)
        report.take(outcome, traffic.schedule, nodes: nodes.nodes.map { ($0.series, $0.samples) })
        report.auditSeconds = Self.seconds(since: auditBegin)
        self.progress.note(
            "audit: \(report.audit.historyMessages) messages of \(report.audit.conversations) conversations"
        )
        report.verdict = Verdict(
            audit: report.audit,
            stormFindings: report.storm?.findings(report.returns, report.memory) ?? [],
            ramp: report.ramp,
            failures: report.counts.failedInAll,
            failuresAllowed: self.command.allowFailures,
            lateness: outcome.lastSendLateness,
            plannedNanoseconds: traffic.schedule.end
        )
    }

    private func describe(_ runID: String, _ report: inout RunReport) {
        let topologies = self.command.topologies
        func sum(_ figure: (Topology) -> Int) -> Int { topologies.reduce(0) { $0 + figure($1) } }
        report.run = runID
        report.program = "trunkline-load \(ProgramVersion.current)"
        report.commandLine = CommandLine.arguments
        report.startedAt = ReportFile.timestamp()
        report.machine = MachineFacts.read()
        report.settings.edges = self.command.edges.map(\.url)
        report.settings.scenario = self.command.scenario
        report.settings.users = sum { $0.userCount }
        report.settings.connected = sum { $0.connectedCount }
        report.settings.conversations = sum { $0.members.count }
        report.settings.groupSize = topologies.flatMap { $0.members.map(\.count) }.max() ?? 0
        report.settings.senders = min(report.settings.groupSize, topologies[0].sendersMax)
        report.settings.messagesPerSecond = self.command.messagesPerSecond
        report.settings.durationSeconds = self.command.measuredTime.seconds
        report.settings.warmUpSeconds = self.command.warmUpTime.seconds
        report.settings.bodyBytes = self.command.bodyBytes
        report.settings.seed = self.command.seed
        report.settings.eventLoops = self.command.eventLoops
        report.settings.allowedFailures = self.command.allowFailures
        report.settings.subprotocol = self.command.subprotocol == .binary ? "binary" : "json"
        report.settings.devicesPerUser = self.command.devicesPerUser
        report.settings.directPercent = self.command.scenario == .mixed ? self.command.directPercent : nil
        report.settings.processes = self.command.processes
        report.settings.connectConcurrency = self.command.connectConcurrency
        report.settings.guests = self.command.scenario == .churn ? self.command.guestsPerGroup : nil
        report.settings.changesPerSecond = self.command.scenario == .churn ? self.command.changesPerSecond : nil
        report.settings.away = self.command.scenario == .sync ? self.command.awayPerGroup : nil
        guard self.command.scenario == .storm else { return }
        report.settings.stormSeconds = self.command.stormAt.map { Double($0) / 1e9 }
        report.storm = StormRule(
            limitSeconds: (self.command.storm.stormLimit ?? StormOptions.limitDefault).seconds,
            memoryMebibytesMax: self.command.storm.memoryLimit
                ?? StormRule.memoryMebibytesMax(sessions: report.settings.sessions)
        )
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

    private static func seconds(since start: NIODeadline) -> Double {
        Double((NIODeadline.now() - start).nanoseconds) / 1e9
    }
}
