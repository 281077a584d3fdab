// SPDX-License-Identifier: Apache-2.0

/// What a step of a ramp has to be like to count as borne by the cluster.
package struct KneeLimit: Sendable, Codable, Equatable {
    /// Milliseconds, from the planned time to the acknowledgement.
    package var p99: Double
    /// Acknowledged in the measured time, over offered in it.
    package var ratio: Double

    package init(p99: Double = 50, ratio: Double = 0.95) {
        self.p99 = p99
        self.ratio = ratio
    }

    private enum CodingKeys: String, CodingKey {
        case p99 = "p99_ms"
        case ratio = "achieved_ratio"
    }
}

/// One rate of a ramp, and what came of it.
package struct RampStep: Sendable, Codable, Equatable {
    /// Messages per second.
    package var offered: Double
    /// Acknowledged per second, and deliveries, in the measured time.
    package var achieved: Double
    package var delivered: Double
    package var failed: Int
    package var acknowledgementLatency: LatencySummary
    package var deliveryLatency: LatencySummary
    /// Of the sending itself.
    package var lateness: LatencySummary
    /// The measured time, after the start of the sending.
    package var startSeconds: Double
    package var endSeconds: Double
    /// Of all watched nodes, in microseconds. Nil where that is not known.
    package var costPerDelivery: Double?
    /// Why it does not count as borne; nothing when it does.
    package var findings: [String]

    package var held: Bool { self.findings.isEmpty }

    /// - Parameter isDrained: Whether everything that was offered had its answer, and was delivered, before the next step.
    package init(
        _ stretch: SendSchedule.Stretch,
        _ outcome: StretchOutcome,
        limit: KneeLimit,
        isDrained: Bool
    ) {
        let seconds = Double(stretch.measured) / 1e9
        self.offered = stretch.messagesPerSecond
        self.achieved = Double(outcome.acknowledged) / seconds
        self.delivered = Double(outcome.delivered) / seconds
        self.failed = outcome.failed
        self.acknowledgementLatency = outcome.acknowledgementLatency.summary
        self.deliveryLatency = outcome.deliveryLatency.summary
        self.lateness = outcome.lateness.summary
        self.startSeconds = Double(stretch.measuredFrom) / 1e9
        self.endSeconds = Double(stretch.end) / 1e9
        self.findings = []
        self.judge(limit, isDrained: isDrained)
    }

    private mutating func judge(_ limit: KneeLimit, isDrained: Bool) {
        let p99 = self.acknowledgementLatency.p99
        if self.acknowledgementLatency.count == 0 {
            self.findings.append("nothing was acknowledged")
        } else if p99 > limit.p99 {
            self.findings.append("p99 \(FigureText.plain(p99)) ms")
        }
        if self.achieved < self.offered * limit.ratio {
            let percent = FigureText.fixed(100 * self.achieved / self.offered, digits: 1)
            self.findings.append("\(percent) % of the rate acknowledged")
        }
        if self.failed > 0 { self.findings.append("\(self.failed) failed") }
        if !isDrained { self.findings.append("not drained") }
        // Not the cluster, but this program or its machine.
        if self.lateness.p99 > limit.p99 / 2 {
            self.findings.append("sent late by the generator (p99 \(FigureText.plain(self.lateness.p99)) ms)")
        }
    }

    private enum CodingKeys: String, CodingKey {
        case failed, findings
        case offered = "offered_per_second"
        case achieved = "achieved_per_second"
        case delivered = "delivered_per_second"
        case acknowledgementLatency = "acknowledgement_latency"
        case deliveryLatency = "delivery_latency"
        case lateness = "generator_lateness"
        case startSeconds = "start_seconds"
        case endSeconds = "end_seconds"
        case costPerDelivery = "cpu_microseconds_per_delivery"
    }
}

/// What a ramp found.
package struct RampReport: Sendable, Codable, Equatable {
    package var limit: KneeLimit
    package var search: KneeSearch.Settings
    /// In the order in which they were offered.
    package var steps: [RampStep] = []
    /// The highest rate that was borne; nil when none was.
    package var knee: Double?
    /// The lowest rate that was not borne; nil when all were, so that the knee lies above ``knee``.
    package var ceiling: Double?

    package init(limit: KneeLimit, search: KneeSearch.Settings) {
        self.limit = limit
        self.search = search
    }

    /// By rate.
    package var sortedSteps: [RampStep] { self.steps.sorted { $0.offered < $1.offered } }

    /// What was looked for and how, without what it was.
    package var terms: String {
        "from \(Self.rate(self.search.firstRate))/s by \(FigureText.trimmed(self.search.factor)) to "
            + "\(FigureText.trimmed(self.search.precision)), p99 \(FigureText.trimmed(self.limit.p99)) ms, ratio "
            + FigureText.trimmed(self.limit.ratio)
    }

    /// What was found, in a sentence.
    package var conclusion: String {
        let limit =
            "p99 up to \(FigureText.trimmed(self.limit.p99)) ms, at least "
            + "\(FigureText.trimmed(self.limit.ratio * 100)) % of the rate acknowledged"
        switch (self.knee, self.ceiling) {
        case (let knee?, let ceiling?):
            return "knee: \(Self.rate(knee)) messages/s held (\(limit)), \(Self.rate(ceiling)) did not"
        case (let knee?, nil):
            return "knee: above \(Self.rate(knee)) messages/s, the highest that was offered (\(limit))"
        case (nil, let ceiling?):
            return "knee: below \(Self.rate(ceiling)) messages/s, the lowest that was offered (\(limit))"
        case (nil, nil):
            return "knee: not looked for"
        }
    }

    package static func rate(_ rate: Double) -> String {
        rate >= 100 ? FigureText.fixed(rate, digits: 0) : FigureText.fixed(rate, digits: 1)
    }
}
