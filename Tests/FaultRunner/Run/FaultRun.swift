// SPDX-License-Identifier: Apache-2.0

import FaultModel
import Glibc
import TestSupport

/// One run: a cluster is started, used, broken, healed, and judged.
struct FaultRun: Sendable {
    struct Options: Sendable {
        var seed: UInt64
        var duration: Duration
        var kinds: [FaultKind]
        var isLong: Bool
        var shape = ClusterShape()
        /// From a fault being undone to everything going on again.
        var healLimit: Duration = .seconds(30)
        /// From the last message to every device having everything.
        var settleLimit: Duration = .seconds(60)
        var keepsLogs = false
    }

    /// Something that has nothing to do with the contract: the run says nothing about it.
    struct SetupFailure: Error, CustomStringConvertible {
        var description: String
    }

    let options: Options
    /// One line for people.
    let say: @Sendable (String) -> Void

    /// What a run ends with.
    struct Outcome: Sendable {
        var record: RunRecord
        var result: AuditResult
        var summaries: [FaultSummary]
        /// Kinds that could not be done here, each with the reason.
        var skipped: [(FaultKind, String)]
        /// Where the logs of the nodes stay; nil when they went with the cluster.
        var logs: String?
    }

    func run() async throws -> Outcome {
        var random = SeededRandom(seed: self.options.seed)
        let population = Population(edges: self.options.shape.edges, using: &random)
        let cluster: FaultyCluster
        let clients: Clients
        do {
            cluster = try await FaultyCluster(
                shape: self.options.shape,
                wantsSmallDisk: self.options.kinds.contains(.postgresDiskFull),
                seed: random.next()
            )
            self.tell("\(cluster.nodes.count) nodes are ready, logs in \(cluster.folder)")
            let world = try await World.create(population, ports: cluster.edges.map(\.httpPort))
            clients = try await Clients(world, Recorder(population), cluster: cluster, seed: random.next())
            try await eventually("every client is connected", within: .seconds(30)) {
                clients.recorder.connectedCount == population.devices.count
            }
        } catch {
            throw SetupFailure(description: "\(error)")
        }
        cluster.watch.onUnexpectedEnd { name in
            self.tell("\(name) ended by itself; it is started again")
            try? cluster.start(name)
        }
        let injector = FaultInjector(cluster: cluster, dropClients: { clients.dropSockets() })
        let skipped = self.options.kinds.compactMap { kind in injector.obstacle(to: kind).map { (kind, $0) } }
        for (kind, reason) in skipped { self.tell("\(kind.rawValue) is left out: \(reason)") }
        let kinds = self.options.kinds.filter { injector.obstacle(to: $0) == nil }
        guard !kinds.isEmpty else { throw SetupFailure(description: "none of the faults can be done here") }
        let schedule = Schedule(kinds, shape: self.options.shape, isLong: self.options.isLong, generator: random)
        var record = RunRecord()
        do {
            try await self.breakAndHeal(cluster, clients, injector, schedule, &record)
        } catch {
            cluster.keepFolder()
            throw SetupFailure(description: "\(error); logs of the nodes: \(cluster.folder)")
        }
        return try await self.judge(cluster, clients, record, skipped)
    }

    func tell(_ line: String) {
        self.say("[\(Rendering.seconds(RunClock.now())) s] \(line)")
    }

    // MARK: - Breaking

    private func breakAndHeal(
        _ cluster: FaultyCluster,
        _ clients: Clients,
        _ injector: FaultInjector,
        _ schedule: Schedule<SeededRandom>,
        _ record: inout RunRecord
    ) async throws {
        let healing = Healing(cluster: cluster, clients: clients)
        let work = Task { await clients.work() }
        let begin = RunClock.now()
        if let reason = await healing.wait(since: begin, within: self.options.healLimit).remaining {
            throw SetupFailure(description: "the cluster does not work before anything was broken: \(reason)")
        }
        self.tell("\(clients.world.population.senders.count) senders send; breaking begins")
        let deadline = ContinuousClock.now + self.options.duration
        var steps = schedule
        while ContinuousClock.now < deadline, let step = steps.next() {
            try await Task.sleep(for: .milliseconds(step.calmMilliseconds))
            record.injections += try await self.carryOut(step, injector, healing)
        }
        // Whoever was added last needs a message to be seen with.
        clients.stopChanging()
        await work.value
        try await Task.sleep(for: Self.lastMessages)
        clients.stopSending()
        clients.settle()
    }

    private func carryOut(_ step: Step, _ injector: FaultInjector, _ healing: Healing) async throws -> [Injection] {
        let second = step.second
        async let first = self.inject(step.fault, step.number, injector, healing.clients)
        var injections: [Injection] = []
        if let second {
            try await Task.sleep(for: .milliseconds(step.secondAfterMilliseconds))
            injections.append(try await self.inject(second, step.number, injector, healing.clients))
        }
        injections.insert(try await first, at: 0)
        let since = injections.map(\.undoneAt).max() ?? RunClock.now()
        let healed = await healing.wait(since: since, within: self.options.healLimit)
        for index in injections.indices {
            injections[index].healedAt = healed.at
            injections[index].remaining = healed.remaining
        }
        let what = injections.map { injection in
            let time = Rendering.seconds(injection.undoneAt - injection.beganAt)
            return "\(injection.kind.rawValue) of \(injection.target) for \(time) s"
        }.joined(separator: " + ")
        let codes = healing.clients.recorder.refusals(since: injections.map(\.beganAt).min() ?? since)
        let refusals = codes.sorted { $0.key < $1.key }.map { ", \($0.value) x \($0.key)" }.joined()
        let end =
            healed.remaining.map { "NOT HEALED: \($0)" }
            ?? "healed in \(Rendering.seconds((healed.at ?? since) - since)) s"
        self.tell("\(step.number). \(what): \(end)\(refusals)")
        return injections
    }

    private func inject(_ fault: PlannedFault, _ step: Int, _ injector: FaultInjector, _ clients: Clients)
        async throws -> Injection
    {
        clients.sendQuietly(withinMilliseconds: max(fault.holdMilliseconds, Self.quietMilliseconds))
        let beganAt = RunClock.now()
        let active = try await injector.begin(fault)
        try await Task.sleep(for: .milliseconds(fault.holdMilliseconds))
        try await active.undo()
        let undoneAt = RunClock.now()
        try await active.restore?()
        return Injection(
            kind: fault.kind,
            step: step,
            target: active.target,
            beganAt: beganAt,
            undoneAt: undoneAt,
            healedAt: nil
        )
    }

    /// How long senders go on when faults and changes of members have ended.
    private static let lastMessages: Duration = .seconds(1)
    /// Messages of quiet senders are spread over this time when a fault takes none.
    private static let quietMilliseconds = 500

    // MARK: - Judging

    /// How long presence and receipts may take to become what they are, after everything else has.
    private static let presenceLimit: Duration = .seconds(20)
    private static let presencePause: Duration = .seconds(1)

    /// Some leave for good; then waits until everybody is shown as they are, and so is how far they have come. What
    /// differs after the limit is for the auditor to find.
    private func settlePresence(_ clients: Clients, _ evidence: Evidence, _ record: inout RunRecord) async throws {
        clients.sendLeavers()
        let deadline = ContinuousClock.now + Self.presenceLimit
        let begin = RunClock.now()
        while true {
            try await Task.sleep(for: Self.presencePause)
            try await evidence.refresh(&record)
            clients.recorder.fill(&record)
            let presence = Auditor.presenceDifferences(record).count
            let receipts = Auditor.receiptDifferences(record).count
            let isRight = presence == 0 && receipts == 0
            guard !isRight, ContinuousClock.now < deadline else {
                let time = Rendering.seconds(RunClock.now() - begin)
                return self.tell(
                    isRight
                        ? "presence and receipts are right after \(time) s"
                        : "after \(time) s \(presence) users are shown wrongly, \(receipts) receipts differ"
                )
            }
        }
    }

    private func judge(
        _ cluster: FaultyCluster,
        _ clients: Clients,
        _ before: RunRecord,
        _ skipped: [(FaultKind, String)]
    ) async throws -> Outcome {
        self.tell("nobody sends any more; waiting until every device has everything")
        var record = before
        let evidence = Evidence(cluster: cluster, world: clients.world)
        let healing = Healing(cluster: cluster, clients: clients)
        await healing.settle(within: self.options.settleLimit)
        for node in cluster.nodes {
            if let reason = await cluster.unreadyReason(node.name) {
                cluster.watch.note(node.name, unreadyAtEnd: reason)
            }
        }
        record.endedAt = RunClock.now()
        do {
            try await evidence.fill(&record)
        } catch {
            cluster.keepFolder()
            throw SetupFailure(description: "logs in \(cluster.folder); the databases cannot be read: \(error)")
        }
        do {
            try await self.settlePresence(clients, evidence, &record)
        } catch {
            cluster.keepFolder()
            throw SetupFailure(description: "logs in \(cluster.folder); the databases cannot be read: \(error)")
        }
        record.nodes = cluster.watch.records
        await clients.end()
        let result = Auditor.audit(record)
        let keeps = self.options.keepsLogs || !result.holds
        if keeps { cluster.keepFolder() }
        return Outcome(
            record: record,
            result: result,
            summaries: FaultSummary.summaries(record, result),
            skipped: skipped,
            logs: keeps ? cluster.folder : nil
        )
    }
}
