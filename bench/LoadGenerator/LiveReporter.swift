// SPDX-License-Identifier: Apache-2.0

import LoadModel
import NIOCore
import TrunklineClient

/// Tells once a second where a run stands.
struct LiveReporter {
    private let progress: Progress
    private let plan: MessagePlan
    private let nodes: NodeWatch
    private let start: NIODeadline
    private var before = RunCounts()
    private var shownAt: NIODeadline

    init(progress: Progress, plan: MessagePlan, nodes: NodeWatch, start: NIODeadline) {
        self.progress = progress
        self.plan = plan
        self.nodes = nodes
        self.start = start
        self.shownAt = start
    }

    mutating func show(_ loops: [LoopHandle]) async throws {
        guard !self.progress.isQuiet else { return }
        var figures = LiveFigures()
        var acknowledged = LatencyRecorder()
        var delivered = LatencyRecorder()
        for loop in loops {
            let snapshot = try await loop.ask { $0.snapshot() }
            figures.counts += snapshot.counts
            acknowledged.merge(snapshot.recentAcknowledgements)
            delivered.merge(snapshot.recentDeliveries)
            figures.failures.merge(snapshot.failures, uniquingKeysWith: +)
            figures.refusals.merge(snapshot.refusals, uniquingKeysWith: +)
            figures.unanswered += snapshot.unanswered
            figures.sessionsOpen += snapshot.open
            figures.lost += snapshot.lost
            figures.away += snapshot.away
        }
        let now = NIODeadline.now()
        figures.acknowledgementLatency = acknowledged.summary
        figures.deliveryLatency = delivered.summary
        figures.countsBefore = self.before
        figures.intervalSeconds = Double((now - self.shownAt).nanoseconds) / 1e9
        figures.elapsedSeconds = Double((now - self.start).nanoseconds) / 1e9
        figures.warmUpSeconds = Double(self.plan.warmUpNanoseconds) / 1e9
        figures.plannedSeconds = Double(self.plan.warmUpNanoseconds + self.plan.durationNanoseconds) / 1e9
        figures.sessions = self.plan.topology.connectedCount
        figures.title =
            "\(self.plan.topology.scenario.rawValue), \(FigureText.trimmed(self.plan.messagesPerSecond)) messages/s"
        figures.nodes = self.nodes.nodes.map { node in
            let latest = node.samples.latest
            return LiveFigures.Node(
                name: node.series.name,
                cores: node.samples.latestCores,
                residentBytes: latest?.residentBytes
            )
        }
        (self.before, self.shownAt) = (figures.counts, now)
        self.progress.tell(figures)
    }
}
