// SPDX-License-Identifier: Apache-2.0

import LoadModel
import NIOCore
import TrunklineClient

/// Several processes of this program, each with its share of the users, groups and rate.
///
/// What they count is put together as it was counted (histograms, sums), and each audits its own conversations. When one
/// of them is gone the run is over.
actor ProcessCrew: Crew {
    private let children: [ChildProcess]
    private let progress: Progress
    private let sessions: Int

    init(_ command: LoadCommand, runID: String, progress: Progress) throws {
        for topology in command.topologies { try LocalCrew.checkOpenFiles(topology) }
        var children: [ChildProcess] = []
        let given = Array(CommandLine.arguments.dropFirst())
        for number in 1...command.processes {
            // The last one counts where an option is given twice.
            let own = ["--part", "\(number)", "--run-id", runID, "--quiet"]
            children.append(try ChildProcess(number: number, arguments: given + own))
        }
        self.children = children
        self.progress = progress
        self.sessions = command.topologies.reduce(0) { $0 + $1.connectedDeviceCount }
        StandardError.forwardsSignals
    }

    /// The same question to all at once. The first that fails ends it.
    private func askAll(
        _ what: String? = nil,
        _ request: @escaping @Sendable (Share) -> CrewRequest
    ) async throws -> [CrewReply] {
        let children = self.children
        return try await withThrowingTaskGroup(of: (Int, CrewReply).self) { group in
            for (part, child) in children.enumerated() {
                let request = request(Share(part: part, of: children.count))
                group.addTask { (part, try await child.ask(request)) }
            }
            var replies: [CrewReply] = Array(repeating: .done, count: children.count)
            var finished = 0
            do {
                while let (part, reply) = try await group.next() {
                    replies[part] = reply
                    finished += 1
                    if let what { self.progress.show("\(what): \(finished) of \(children.count) processes are done") }
                }
            } catch {
                // The others may be at it for long yet.
                for child in children { child.terminate() }
                throw error
            }
            return replies
        }
    }

    func populate() async throws {
        _ = try await self.askAll("setup, users and conversations") { _ in .populate }
    }

    func connect() async throws {
        _ = try await self.askAll("setup, \(self.sessions) sessions") { _ in .connect }
    }

    func start(at time: NIODeadline) async throws {
        _ = try await self.askAll { _ in .start(uptimeNanoseconds: UInt64(clamping: time.uptimeNanoseconds)) }
    }

    func add(_ stretch: SendSchedule.Stretch) async throws {
        _ = try await self.askAll { .add($0.of(stretch)) }
    }

    func state(takesRecent: Bool) async throws -> CrewState {
        var state = CrewState()
        let replies = try await self.askAll { _ in .state(takesRecent: takesRecent) }
        for (part, reply) in replies.enumerated() {
            guard case .state(var other) = reply else { throw Self.unexpected }
            for index in other.firstViolations.indices { other.firstViolations[index].process = part + 1 }
            state.merge(other)
        }
        return state
    }

    func settle() async throws {
        _ = try await self.askAll { _ in .settle }
    }

    func incomplete(asks: Bool) async throws -> Int {
        let replies = try await self.askAll { _ in .incomplete(asks: asks) }
        return try replies.reduce(0) { sum, reply in
            guard case .count(let count) = reply else { throw Self.unexpected }
            return sum + count
        }
    }

    func stretch(_ index: Int) async throws -> StretchOutcome {
        let replies = try await self.askAll { _ in .stretch(index) }
        return try replies.reduce(into: StretchOutcome()) { outcome, reply in
            guard case .stretch(let other) = reply else { throw Self.unexpected }
            outcome.merge(other)
        }
    }

    func finish(isWhole: Bool) async throws -> RunOutcome {
        var outcome = RunOutcome()
        for (part, reply) in try await self.askAll("audit", { _ in .finish(isWhole: isWhole) }).enumerated() {
            guard case .outcome(var other) = reply else { throw Self.unexpected }
            other.audit = other.audit.of(process: part + 1)
            outcome.merge(other)
        }
        return outcome
    }

    func stop() async {
        for child in self.children { await child.stop() }
    }

    /// Of all processes, this one included. Nil when one of them is gone.
    nonisolated func sample(at time: Int64) -> NodeSamples.Sample? {
        guard var sum = MachineFacts.sample(of: nil, at: time) else { return nil }
        for child in self.children {
            guard let sample = MachineFacts.sample(of: child.process, at: time) else { return nil }
            sum.cpuSeconds = sum.cpuSeconds.flatMap { own in sample.cpuSeconds.map { own + $0 } }
            sum.residentBytes = sum.residentBytes.flatMap { own in sample.residentBytes.map { own + $0 } }
        }
        return sum
    }

    private static let unexpected = CrewError(description: "a process of the load generator answered something else")
}
