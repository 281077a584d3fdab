// SPDX-License-Identifier: Apache-2.0

import LoadModel
import NIOCore
import TrunklineClient

/// Tells once a second where a run stands.
struct LiveReporter {
    private let progress: Progress
    private let nodes: NodeWatch
    private let start: NIODeadline
    private let sessions: Int
    private var before = RunCounts()
    private var shownAt: NIODeadline
    /// The run in a few words.
    var title = ""
    /// What is offered, as far as it is known.
    var schedule = SendSchedule()

    init(progress: Progress, nodes: NodeWatch, start: NIODeadline, sessions: Int) {
        self.progress = progress
        self.nodes = nodes
        self.start = start
        self.shownAt = start
        self.sessions = sessions
    }

    mutating func show(_ state: CrewState) {
        guard !self.progress.isQuiet else { return }
        var figures = LiveFigures()
        figures.counts = state.counts
        figures.failures = state.failures
        figures.refusals = state.refusals
        figures.unanswered = state.unanswered
        figures.sessionsOpen = state.open
        figures.lost = state.lost
        figures.away = state.away
        figures.violations = state.violations
        figures.firstViolations = state.firstViolations
        let now = NIODeadline.now()
        figures.acknowledgementLatency = state.recentAcknowledgements?.summary ?? LatencySummary()
        figures.deliveryLatency = state.recentDeliveries?.summary ?? LatencySummary()
        figures.countsBefore = self.before
        figures.intervalSeconds = Double((now - self.shownAt).nanoseconds) / 1e9
        figures.elapsedSeconds = Double((now - self.start).nanoseconds) / 1e9
        figures.warmUpSeconds = Double(self.schedule.last?.measuredFrom ?? 0) / 1e9
        figures.plannedSeconds = Double(self.schedule.end) / 1e9
        figures.sessions = self.sessions
        figures.title = self.title
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
