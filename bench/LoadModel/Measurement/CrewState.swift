// SPDX-License-Identifier: Apache-2.0

/// Where a run stands in one event loop or process.
package struct CrewState: Sendable, Codable {
    package var counts = RunCounts()
    /// By code: messages that failed, and what else was refused.
    package var failures: [String: Int] = [:]
    package var refusals: [String: Int] = [:]
    /// Sessions that have a connection now, and that were lost and are not back.
    package var open = 0
    package var lost = 0
    package var away = 0
    package var unanswered = 0
    /// Whether nothing of the schedule is left to be sent.
    package var hasSentAll = true
    /// What the audit has seen so far, and the first of it.
    package var violations = 0
    package var firstViolations: [Violation] = []
    /// Since the time before that they were asked for; nil where they were not.
    package var recentAcknowledgements: LatencyRecorder?
    package var recentDeliveries: LatencyRecorder?

    /// Violations that are named.
    package static let violationsNamedMax = 5

    package init() {}

    package mutating func merge(_ other: CrewState) {
        self.counts += other.counts
        self.failures.merge(other.failures, uniquingKeysWith: +)
        self.refusals.merge(other.refusals, uniquingKeysWith: +)
        self.open += other.open
        self.lost += other.lost
        self.away += other.away
        self.unanswered += other.unanswered
        self.hasSentAll = self.hasSentAll && other.hasSentAll
        self.violations += other.violations
        self.firstViolations += other.firstViolations.prefix(Self.violationsNamedMax - self.firstViolations.count)
        self.recentAcknowledgements = Self.merged(self.recentAcknowledgements, other.recentAcknowledgements)
        self.recentDeliveries = Self.merged(self.recentDeliveries, other.recentDeliveries)
    }

    private static func merged(_ one: LatencyRecorder?, _ other: LatencyRecorder?) -> LatencyRecorder? {
        guard var one, let other else { return one ?? other }
        one.merge(other)
        return one
    }
}
