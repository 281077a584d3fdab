// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import ClientProtocol
import LoadModel
import Messaging
import TrunklineClient

/// What options may be, by themselves and beside others.
extension LoadCommand {
    /// Bounds of what one process can do; more load takes several.
    private static let sessionsMax = 18_000
    private static let usersMax = 200_000
    private static let eventLoopsMax = 64
    private static let devicesMax = 16

    private func require(_ holds: Bool, _ message: String) throws {
        if !holds { throw ValidationError(message) }
    }

    mutating func validate() throws {
        try self.require(!self.edges.isEmpty, "At least one --edge http://HOST:PORT is needed.")
        try self.validateRate()
        let bodyMax = Limits.messageBodyBytesMax
        try self.require((1...bodyMax).contains(self.bodyBytes), "--body-bytes is 1 to \(bodyMax).")
        try self.require(
            (1...Self.eventLoopsMax).contains(self.eventLoops),
            "--event-loops is 1 to \(Self.eventLoopsMax)."
        )
        try self.require((1...256).contains(self.setupConcurrency), "--setup-concurrency is 1 to 256.")
        try self.require((1...10_000).contains(self.connectConcurrency), "--connect-concurrency is 1 to 10000.")
        try self.require(self.allowFailures >= 0, "--allow-failures is not negative.")
        try self.require(
            (1...SignalForwarding.processesMax).contains(self.processes),
            "--processes is 1 to \(SignalForwarding.processesMax)."
        )
        try self.validateForeignOptions()
        try self.validatePopulation()
        try self.validateRamp()
        if let runID = self.runID {
            let allowed = "abcdefghijklmnopqrstuvwxyz0123456789-".utf8
            try self.require(
                (1...16).contains(runID.utf8.count) && runID.utf8.allSatisfy { allowed.contains($0) },
                "--run-id is 1 to 16 of a-z, 0-9 and -."
            )
        }
        try self.validateParts()
    }

    private func validateRate() throws {
        let rate = self.messagesPerSecond
        try self.require(rate >= 0 && rate <= 1e6, "--rate is at most 1000000, and not negative.")
        try self.require(
            rate > 0 || self.scenario == .idle,
            "--rate is above 0; only --scenario idle may be without messages."
        )
        try self.require(self.measuredTime.nanoseconds > 0, "--duration is above 0.")
    }

    /// Options that say nothing in this scenario: whoever gives them expects something else than what would happen.
    private func validateForeignOptions() throws {
        let population = self.population
        let given: [(name: String, isGiven: Bool, scenarios: [Topology.Scenario])] = [
            ("--group-size", population.groupSize != nil, [.group, .fanout, .mixed, .churn, .sync]),
            ("--groups", population.groups != nil, [.group, .fanout, .mixed, .churn, .sync]),
            ("--senders", population.senders != nil, [.group, .fanout]),
            ("--connected", population.connected != nil, [.group, .fanout]),
            ("--direct-share", population.directShare != nil, [.mixed]),
            ("--users", population.users != nil, [.direct, .group, .fanout, .mixed, .idle, .storm]),
            ("--guests", self.changes.guests != nil, [.churn]),
            ("--churn-rate", self.changes.churnRate != nil, [.churn]),
            ("--away", self.changes.away != nil, [.sync]),
            ("--storm-limit", self.storm.stormLimit != nil, [.storm]),
            ("--memory-limit", self.storm.memoryLimit != nil, [.storm]),
        ]
        for option in given where option.isGiven && !option.scenarios.contains(self.scenario) {
            let names = option.scenarios.map(\.rawValue).joined(separator: ", ")
            throw ValidationError("\(option.name) goes with --scenario \(names), not \(self.scenario.rawValue).")
        }
    }

    private func validatePopulation() throws {
        let users = self.userCount
        try self.require((2...Self.usersMax).contains(users), "--users is 2 to \(Self.usersMax).")
        try self.require((1...Self.devicesMax).contains(self.devicesPerUser), "--devices is 1 to \(Self.devicesMax).")
        let sizeMax = min(users, Limits.conversationMembersMax)
        if !self.scenario.isDirect {
            let sizeMin = self.scenario == .mixed ? GroupSizes.smallest : 2
            try self.require(
                (sizeMin...max(sizeMin, sizeMax)).contains(self.membersPerGroup) && self.membersPerGroup <= users,
                "--group-size is \(sizeMin) to \(sizeMax)."
            )
            try self.require((1...100_000).contains(self.groupCount), "--groups is 1 to 100000.")
        }
        switch self.scenario {
        case .idle where self.messagesPerSecond == 0:
            break
        case .direct, .storm, .idle, .mixed:
            try self.require(users.isMultiple(of: 2), "--users is even: in this scenario they come in pairs.")
        case .churn, .sync:
            let (size, away) = (self.membersPerGroup, self.awayPerGroup)
            try self.require(away < size && away >= (self.scenario == .sync ? 1 : 0), "--away is 1 to \(size - 1).")
        case .group, .fanout:
            let size = self.membersPerGroup
            try self.require((1...size).contains(self.sendersPerGroup), "--senders is 1 to --group-size.")
            try self.require(
                (self.sendersPerGroup...size).contains(self.population.connected ?? size),
                "--connected is --senders to --group-size."
            )
        }
        try self.require((0...1000).contains(self.changes.guests ?? 1), "--guests is 0 to 1000.")
        try self.require((0.01...1000).contains(self.changesPerSecond), "--churn-rate is 0.01 to 1000.")
        try self.require((0...100).contains(self.directPercent), "--direct-share is 0 to 100.")
        try self.require(self.storm.stormLimit?.nanoseconds ?? 1 > 0, "--storm-limit is above 0.")
        try self.require((1...1 << 20).contains(self.storm.memoryLimit ?? 1), "--memory-limit is 1 to 1048576.")
    }

    private func validateRamp() throws {
        let ramp = self.ramp
        guard ramp.ramp else {
            let isGiven = [
                ramp.kneeP99 != nil, ramp.kneeRatio != nil, ramp.rampFactor != nil, ramp.rampPrecision != nil,
            ]
            try self.require(
                !isGiven.contains(true) && ramp.rampSteps == nil,
                "--knee-p99, --knee-ratio, --ramp-factor, --ramp-precision and --ramp-steps go with --ramp."
            )
            return
        }
        let scenarios: [Topology.Scenario] = [.direct, .group, .fanout, .mixed]
        try self.require(
            scenarios.contains(self.scenario),
            "--ramp goes with --scenario \(scenarios.map(\.rawValue).joined(separator: ", "))."
        )
        try self.require(ramp.kneeP99?.nanoseconds ?? 1 > 0, "--knee-p99 is above 0.")
        try self.require((0.01...1).contains(ramp.kneeRatio ?? 1), "--knee-ratio is 0.01 to 1.")
        try self.require((1.05...10).contains(ramp.rampFactor ?? 2), "--ramp-factor is 1.05 to 10.")
        try self.require((1.01...10).contains(ramp.rampPrecision ?? 2), "--ramp-precision is 1.01 to 10.")
        try self.require(
            (1...RampOptions.stepsMax).contains(ramp.rampSteps ?? 1),
            "--ramp-steps is 1 to \(RampOptions.stepsMax)."
        )
    }

    /// Each process has enough to do, and not too much.
    private func validateParts() throws {
        let count = self.processes
        let units = self.scenario.isDirect || self.scenario == .mixed ? self.userCount / 2 : self.userCount
        try self.require(units >= count, "--users has to be enough for each of the --processes.")
        if !self.scenario.isDirect {
            try self.require(
                self.groupCount >= count,
                "--groups is at least --processes: all members of a group are in one process, which audits it."
            )
            guard self.scenario != .churn, self.scenario != .sync else { return try self.validatePlans() }
            let users = (0..<count).map { self.topologyUsers(ofPart: $0) }.min() ?? 0
            try self.require(
                self.membersPerGroup <= users,
                "--group-size is at most the users of one process, here \(users)."
            )
        }
        try self.validatePlans()
    }

    private func validatePlans() throws {
        let count = self.processes
        if let part = self.part.part { try self.require((1...count).contains(part), "--part is 1 to --processes.") }
        for (part, topology) in self.topologies.enumerated() {
            try self.require(
                topology.connectedDeviceCount <= Self.sessionsMax,
                "At most \(Self.sessionsMax) sessions are connected by one process; take more --processes."
            )
            guard self.messagesPerSecond > 0 else { continue }
            var plan = MessagePlan(topology: topology, seed: self.seed)
            let isPlan = plan.append(Share(part: part, of: count).of(self.stretch))
            try self.require(isPlan && plan.count > 0, "--rate times --duration is no message at all, or too many.")
        }
    }

    private func topologyUsers(ofPart part: Int) -> Int {
        Share(part: part, of: self.processes).of(self.userCount, in: self.scenario == .mixed ? 2 : 1)
    }
}
