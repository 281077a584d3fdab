// SPDX-License-Identifier: Apache-2.0

/// What comings and goings there were, as one process saw them.
package struct ChurnOutcome: Sendable, Codable {
    package var additions = 0
    package var removals = 0
    /// Changes that were refused, or had no answer after all attempts, by code.
    package var failures: [String: Int] = [:]
    /// Connections of members that were cut.
    package var cuts = 0
    /// Messages that were handed over to who came and went.
    package var deliveries = 0
    /// From the request to its answer.
    package var changeTimes = LatencyRecorder()

    package init() {}

    package mutating func merge(_ other: ChurnOutcome) {
        self.additions += other.additions
        self.removals += other.removals
        self.failures.merge(other.failures, uniquingKeysWith: +)
        self.cuts += other.cuts
        self.deliveries += other.deliveries
        self.changeTimes.merge(other.changeTimes)
    }

    package var figures: ChurnFigures { ChurnFigures(self) }
}

/// The same, as it is reported.
package struct ChurnFigures: Sendable, Codable, Equatable {
    package var additions: Int
    package var removals: Int
    package var failures: [String: Int]
    package var cuts: Int
    package var deliveries: Int
    package var changeTimes: LatencySummary

    init(_ outcome: ChurnOutcome) {
        self.additions = outcome.additions
        self.removals = outcome.removals
        self.failures = outcome.failures
        self.cuts = outcome.cuts
        self.deliveries = outcome.deliveries
        self.changeTimes = outcome.changeTimes.summary
    }

    private enum CodingKeys: String, CodingKey {
        case additions, removals, cuts
        case failures = "failures_by_code"
        case deliveries = "deliveries_to_guests"
        case changeTimes = "change_time"
    }
}

/// Devices that were away and came back, as one process saw them.
package struct SyncOutcome: Sendable, Codable {
    package var devices = 0
    package var back = 0
    /// Messages that they had missed, in all.
    package var missed = 0
    /// From the begin of the connection until it had everything from before it.
    package var timeToBeCurrent = LatencyRecorder()

    package init() {}

    package mutating func merge(_ other: SyncOutcome) {
        self.devices += other.devices
        self.back += other.back
        self.missed += other.missed
        self.timeToBeCurrent.merge(other.timeToBeCurrent)
    }

    package var figures: SyncFigures { SyncFigures(self) }
}

/// The same, as it is reported.
package struct SyncFigures: Sendable, Codable, Equatable {
    package var devices: Int
    package var back: Int
    package var missed: Int
    package var timeToBeCurrent: LatencySummary

    init(_ outcome: SyncOutcome) {
        self.devices = outcome.devices
        self.back = outcome.back
        self.missed = outcome.missed
        self.timeToBeCurrent = outcome.timeToBeCurrent.summary
    }

    private enum CodingKeys: String, CodingKey {
        case devices, back
        case missed = "missed_messages"
        case timeToBeCurrent = "time_to_be_current"
    }
}
