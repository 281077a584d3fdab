// SPDX-License-Identifier: Apache-2.0

/// Everything that one event loop, or one process, counted in a run, in a form that can be put together with what others
/// counted: histograms and not percentiles, sums and not averages.
package struct RunOutcome: Sendable, Codable {
    package var counts = RunCounts()
    package var sessions = RunReport.Sessions()
    package var returns = ReturnOutcome()
    /// One for each stretch of the schedule.
    package var stretches: [StretchOutcome] = []
    /// From the begin of a connection to the end of its authentication, before the sending.
    package var connects = LatencyRecorder()
    /// By how many nanoseconds the last message was sent late.
    package var lastSendLateness: Int64 = 0
    package var series = RunSeries()
    package var acknowledgementTimes = EventTimeline()
    package var deliveryTimes = EventTimeline()
    package var churn: ChurnOutcome?
    package var sync: SyncOutcome?
    package var audit = AuditResult()

    package init() {}

    package mutating func merge(_ other: RunOutcome) {
        self.counts += other.counts
        self.sessions += other.sessions
        self.returns.merge(other.returns)
        for (index, stretch) in other.stretches.enumerated() {
            if index < self.stretches.count {
                self.stretches[index].merge(stretch)
            } else {
                self.stretches.append(stretch)
            }
        }
        self.connects.merge(other.connects)
        self.lastSendLateness = max(self.lastSendLateness, other.lastSendLateness)
        self.series.merge(other.series)
        self.acknowledgementTimes.merge(other.acknowledgementTimes)
        self.deliveryTimes.merge(other.deliveryTimes)
        if let churn = other.churn {
            self.churn = self.churn ?? ChurnOutcome()
            self.churn?.merge(churn)
        }
        if let sync = other.sync {
            self.sync = self.sync ?? SyncOutcome()
            self.sync?.merge(sync)
        }
        self.audit.merge(other.audit)
    }

    /// The stretches as one.
    package var whole: StretchOutcome {
        self.stretches.reduce(into: StretchOutcome()) { $0.merge($1) }
    }
}
