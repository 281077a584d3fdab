// SPDX-License-Identifier: Apache-2.0

import LoadModel
import TrunklineClient

/// What the options amount to.
extension LoadCommand {
    /// Messages per second, in all.
    var messagesPerSecond: Double { self.rate ?? (self.scenario == .idle ? 0 : 200) }

    var measuredTime: TimeSpan {
        self.duration ?? TimeSpan(nanoseconds: self.scenario == .storm ? 30_000_000_000 : 10_000_000_000)
    }

    var warmUpTime: TimeSpan {
        self.warmup ?? TimeSpan(nanoseconds: self.scenario == .idle ? 0 : 2_000_000_000)
    }

    var userCount: Int {
        if let users = self.population.users { return users }
        return switch self.scenario {
        case .direct: 40
        case .mixed: 200
        case .idle: 1000
        case .churn: self.placesInGroups + self.groupCount * self.guestsPerGroup
        case .sync: self.placesInGroups
        case .storm: 5000
        case .group: max(self.membersPerGroup, min(200, self.placesInGroups))
        case .fanout: self.placesInGroups
        }
    }

    private var placesInGroups: Int {
        self.groupCount.multipliedReportingOverflow(by: self.membersPerGroup).partialValue
    }

    var devicesPerUser: Int { self.population.devices ?? (self.scenario == .mixed ? 2 : 1) }

    /// For mixed, of the largest group.
    var membersPerGroup: Int {
        if let size = self.population.groupSize { return size }
        return switch self.scenario {
        case .fanout: 1000
        case .mixed: min(100, Share(part: 0, of: max(1, self.processes)).of(self.userCount, in: 2))
        default: 20
        }
    }

    var groupCount: Int {
        if let groups = self.population.groups { return groups }
        return switch self.scenario {
        case .fanout: 1
        case .mixed: max(self.processes, self.userCount / 10)
        default: 4
        }
    }

    var sendersPerGroup: Int {
        self.population.senders ?? (self.scenario == .fanout ? min(4, self.membersPerGroup) : self.membersPerGroup)
    }

    /// Of each group.
    var guestsPerGroup: Int { self.scenario == .churn ? self.changes.guests ?? 2 : 0 }
    var awayPerGroup: Int { self.scenario == .sync ? self.changes.away ?? max(1, self.membersPerGroup / 4) : 0 }
    /// Additions and removals together, and as many cuts.
    var changesPerSecond: Double { self.changes.churnRate ?? 5 }

    var directPercent: Int { self.population.directShare ?? 60 }

    /// When the storm comes, in nanoseconds after the start: in the middle of the measured time.
    var stormAt: Int64? {
        self.scenario == .storm ? self.warmUpTime.nanoseconds + self.measuredTime.nanoseconds / 2 : nil
    }

    /// When those that are away come back, in nanoseconds after the start: the same.
    var returnAt: Int64? {
        self.scenario == .sync ? self.warmUpTime.nanoseconds + self.measuredTime.nanoseconds / 2 : nil
    }

    /// The users and groups of one process. No conversation has members in two.
    ///
    /// - Parameter part: Counted from 0.
    func topology(ofPart part: Int) -> Topology {
        let share = Share(part: part, of: self.processes)
        let (edges, devices) = (self.edges.count, self.devicesPerUser)
        switch self.scenario {
        case .idle where self.messagesPerSecond == 0:
            return .quiet(
                userCount: share.of(self.userCount),
                devicesPerUser: devices,
                edgeCount: edges,
                loopCount: self.eventLoops
            )
        case .direct, .storm, .idle:
            return .direct(
                self.scenario,
                userCount: share.of(self.userCount, in: 2),
                devicesPerUser: devices,
                edgeCount: edges,
                loopCount: self.eventLoops
            )
        case .mixed:
            return .mixed(
                groupCount: share.of(self.groupCount),
                largestGroup: self.membersPerGroup,
                directPercent: self.directPercent,
                userCount: share.of(self.userCount, in: 2),
                devicesPerUser: devices,
                edgeCount: edges,
                loopCount: self.eventLoops
            )
        case .churn, .sync:
            return .changing(
                self.scenario,
                groupCount: share.of(self.groupCount),
                groupSize: self.membersPerGroup,
                guests: self.guestsPerGroup,
                away: self.awayPerGroup,
                devicesPerUser: devices,
                edgeCount: edges,
                loopCount: self.eventLoops
            )
        case .group, .fanout:
            return .groups(
                self.scenario,
                groupCount: share.of(self.groupCount),
                groupSize: self.membersPerGroup,
                sendersMax: self.sendersPerGroup,
                connectedMax: self.population.connected ?? .max,
                userCount: share.of(self.userCount),
                devicesPerUser: devices,
                edgeCount: edges,
                loopCount: self.eventLoops
            )
        }
    }

    var topologies: [Topology] { (0..<self.processes).map { self.topology(ofPart: $0) } }

    /// Of a run without a ramp.
    var stretch: SendSchedule.Stretch { self.stretch(from: 0, rate: self.messagesPerSecond) }

    func stretch(from start: Int64, rate: Double) -> SendSchedule.Stretch {
        SendSchedule.Stretch(
            start: start,
            messagesPerSecond: rate,
            warmUp: self.warmUpTime.nanoseconds,
            measured: self.measuredTime.nanoseconds
        )
    }
}
