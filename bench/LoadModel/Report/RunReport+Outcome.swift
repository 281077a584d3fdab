// SPDX-License-Identifier: Apache-2.0

extension RunReport {
    /// Takes over what was counted, by all that counted together.
    ///
    /// - Parameters:
    ///   - outcome: Of the whole run.
    ///   - schedule: What was offered; at least one stretch.
    ///   - nodes: Who they are, with what they told.
    package mutating func take(
        _ outcome: RunOutcome,
        _ schedule: SendSchedule,
        nodes: [(node: NodeSeries, samples: NodeSamples)]
    ) {
        let whole = outcome.whole
        let (start, end) = (schedule.stretches.first?.measuredFrom ?? 0, schedule.end)
        self.counts = outcome.counts
        self.sessions = outcome.sessions
        self.returns = outcome.returns.summary
        self.acknowledgementLatency = whole.acknowledgementLatency.summary
        self.deliveryLatency = whole.deliveryLatency.summary
        self.generatorLateness = whole.lateness.summary
        self.acknowledgementDistribution = whole.acknowledgementLatency.distribution
        self.deliveryDistribution = whole.deliveryLatency.distribution
        self.connectLatency = outcome.connects.summary
        self.plannedSeconds = Double(end) / 1e9
        self.timeSeries = TimeSeries(
            outcome.series,
            warmUpSeconds: Double(start) / 1e9,
            plannedSeconds: Double(end) / 1e9,
            nodes: nodes
        )
        self.pauses.withoutAcknowledgement = outcome.acknowledgementTimes.longestPause(in: schedule)
        self.pauses.withoutDelivery = outcome.deliveryTimes.longestPause(in: schedule)
        self.churn = outcome.churn?.figures
        self.sync = outcome.sync?.figures
        self.audit = outcome.audit
        self.takeCosts(nodes)
    }

    /// What deliveries cost in each step of a ramp.
    private mutating func takeCosts(_ nodes: [(node: NodeSeries, samples: NodeSamples)]) {
        guard var ramp = self.ramp else { return }
        let cluster = nodes.filter { $0.node.role != .generator }
        for index in ramp.steps.indices {
            let step = ramp.steps[index]
            let (start, end) = (Int64(step.startSeconds * 1e9), Int64(step.endSeconds * 1e9))
            let costs = cluster.compactMap { $0.samples.cpuSeconds(from: start, to: end) }
            let deliveries = step.delivered * (step.endSeconds - step.startSeconds)
            guard !cluster.isEmpty, costs.count == cluster.count, deliveries > 0 else { continue }
            ramp.steps[index].costPerDelivery = costs.reduce(0, +) * 1e6 / deliveries
        }
        self.ramp = ramp
    }

    /// Sessions that were opened, each until it was up to date. Nil when none was.
    package var connectsPerSecond: Double? {
        self.connectSeconds > 0 ? Double(self.settings.sessions) / self.connectSeconds : nil
    }

    /// Of all watched edges together. Nil when none of them has more sessions than before the run.
    package var bytesPerSession: Double? {
        let edges = self.sessionMemory ?? []
        let sessions = edges.reduce(0) { $0 + $1.after.sessions - $1.before.sessions }
        let bytes = edges.reduce(0) { $0 + $1.after.residentBytes - $1.before.residentBytes }
        return sessions > 0 ? Double(bytes) / Double(sessions) : nil
    }
}

extension EventTimeline {
    /// The longest in the measured time of any stretch that has messages; between stretches nothing is to happen.
    fileprivate func longestPause(in schedule: SendSchedule) -> Pause {
        let pauses = schedule.stretches.filter { $0.messagesPerSecond > 0 }.map { stretch in
            self.longestPause(from: Int(stretch.measuredFrom / 1_000_000), to: Int(stretch.end / 1_000_000))
        }
        return pauses.max { $0.milliseconds < $1.milliseconds } ?? Pause(start: 0, milliseconds: 0)
    }
}
