// SPDX-License-Identifier: Apache-2.0

/// How a run ended. The numbers are exit codes and never change their meaning.
package enum Verdict: Int32, Sendable, Codable, CaseIterable {
    /// The audit held, and everything was sent as planned.
    case held = 0
    /// The audit found violations.
    case violated = 1
    /// The command line is wrong.
    case usage = 2
    /// Users, conversations or connections could not be made, a process of the load generator was lost, or the files of
    /// the report could not be written.
    case setupFailed = 3
    /// The audit held, and more messages failed than were allowed, or they could not be sent at the planned rate, or
    /// sessions were not connected at the end, so that nobody can say what they would have got, or no step of a ramp held.
    case belowPlan = 4
    /// The audit held, and the storm was not as ``StormRule`` wants it.
    case stormFailed = 5

    /// How late the last messages may be sent before the rate counts as not reached: a hundredth of the time, and at
    /// least half a second.
    package static func latenessAllowed(plannedNanoseconds: Int64) -> Int64 {
        max(500_000_000, plannedNanoseconds / 100)
    }

    /// - Parameters:
    ///   - ramp: Its steps are beyond what is borne, so failures and lateness are part of what it finds.
    ///   - failures: Messages that failed for good.
    ///   - lateness: Nanoseconds by which the sending of the last message was late.
    ///   - stormFindings: Of ``StormRule/findings(_:_:)``.
    package init(
        audit: AuditResult,
        stormFindings: [String] = [],
        ramp: RampReport? = nil,
        failures: Int,
        failuresAllowed: Int,
        lateness: Int64,
        plannedNanoseconds: Int64
    ) {
        if !audit.held {
            self = .violated
        } else if !stormFindings.isEmpty {
            self = .stormFailed
        } else if let ramp {
            self = ramp.knee == nil || audit.deliveriesToAbsent > 0 ? .belowPlan : .held
        } else if failures > failuresAllowed || audit.deliveriesToAbsent > 0
            || lateness > Self.latenessAllowed(plannedNanoseconds: plannedNanoseconds)
        {
            self = .belowPlan
        } else {
            self = .held
        }
    }

    package init(from decoder: any Decoder) throws {
        let name = try decoder.singleValueContainer().decode(String.self)
        guard let verdict = Self.allCases.first(where: { $0.name == name }) else {
            throw DecodingError.dataCorrupted(.init(codingPath: decoder.codingPath, debugDescription: "no verdict"))
        }
        self = verdict
    }

    package func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(self.name)
    }

    package var name: String {
        switch self {
        case .held: "held"
        case .violated: "violated"
        case .usage: "usage"
        case .setupFailed: "setup_failed"
        case .belowPlan: "below_plan"
        case .stormFailed: "storm_failed"
        }
    }
}
