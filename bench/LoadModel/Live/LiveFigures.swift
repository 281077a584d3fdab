// SPDX-License-Identifier: Apache-2.0

/// Where a run stands, for who watches it.
package struct LiveFigures: Sendable {
    package struct Node: Sendable {
        package var name: String
        /// 1 for one core. Nil while nothing is known.
        package var cores: Double?
        package var residentBytes: Int?

        package init(name: String, cores: Double?, residentBytes: Int?) {
            self.name = name
            self.cores = cores
            self.residentBytes = residentBytes
        }
    }

    /// The run in a few words.
    package var title = ""
    package var elapsedSeconds = 0.0
    package var warmUpSeconds = 0.0
    package var plannedSeconds = 0.0
    /// Since the start, and up to the time before.
    package var counts = RunCounts()
    package var countsBefore = RunCounts()
    /// Between the two.
    package var intervalSeconds = 1.0
    package var acknowledgementLatency = LatencySummary()
    package var deliveryLatency = LatencySummary()
    package var unanswered = 0
    package var sessionsOpen = 0
    package var sessions = 0
    package var lost = 0
    package var away = 0
    /// Messages that failed for good, and everything else that was refused, by code.
    package var failures: [String: Int] = [:]
    package var refusals: [String: Int] = [:]
    /// What the audit saw so far, and the first of it.
    package var violations = 0
    package var firstViolations: [Violation] = []
    package var nodes: [Node] = []

    package init() {}

    package var failed: Int { self.failures.values.reduce(0, +) }

    /// One line, for a file or a pipe.
    package var line: String {
        func text(_ value: Double) -> String { SummaryTable.number(value, digits: 1) }
        let returns = self.lost > 0 ? "  lost \(self.lost)  back \(self.lost - self.away)" : ""
        return
            "\(text(self.elapsedSeconds)) s  offered \(self.counts.offered)  acknowledged \(self.counts.acknowledged) "
            + "(p99 \(text(self.acknowledgementLatency.p99)) ms)  delivered \(self.counts.delivered) "
            + "(p99 \(text(self.deliveryLatency.p99)) ms)  unanswered \(self.unanswered)  failed \(self.failed)  "
            + "sessions \(self.sessionsOpen)\(returns)"
            + (self.violations > 0 ? "  VIOLATIONS \(self.violations)" : "")
    }
}
