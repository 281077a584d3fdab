// SPDX-License-Identifier: Apache-2.0

import ClientProtocol
import LoadModel
import Messaging
import NIOCore
import TrunklineClient

/// What others ask.
extension LoadLoop {
    /// Where it stands.
    ///
    /// - Parameter takesRecent: Whether the latencies since the last time are told; then they begin anew.
    func state(takesRecent: Bool) -> CrewState {
        var state = CrewState()
        state.lost = self.returns.lostCount
        state.away = self.returns.awayCount + self.away.count
        state.hasSentAll = self.hasSentAll
        // To look at every session takes its time when there are thousands.
        if takesRecent || self.hasSentAll { state.unanswered = self.unansweredCount }
        state.violations = self.audit.seen.violationCount
        state.firstViolations = Array(self.audit.seen.violations.prefix(CrewState.violationsNamedMax))
        guard takesRecent else { return state }
        state.open = self.openCount
        self.measureTally()
        state.counts = self.counts
        state.failures = self.failures.countByCode
        state.refusals = self.returns.refusals
        state.recentAcknowledgements = self.recentAcknowledgements
        state.recentDeliveries = self.recentDeliveries
        self.recentAcknowledgements = LatencyRecorder()
        self.recentDeliveries = LatencyRecorder()
        return state
    }

    /// The largest number acknowledged in each conversation.
    var heads: [UInt64] { self.audit.ledgers.map(\.head) }

    /// Devices and conversations that have not come as far as they have to.
    ///
    /// - Parameter asks: Whether to ask for what is missing.
    func incomplete(_ heads: [UInt64], asks: Bool) -> Int {
        var incomplete = 0
        for (device, session) in self.sessions {
            for number in self.plan.topology.conversations[self.plan.topology.user(ofDevice: device)] {
                let conversation = self.shared.population.conversations[number]
                guard let position = session.position(in: conversation), position < heads[number] else { continue }
                incomplete += 1
                if asks { session.catchUp(conversation) }
            }
        }
        if asks { self.sessionFigures.completedByFinalCatchUp += incomplete }
        return incomplete
    }

    func stretch(_ index: Int) -> StretchOutcome {
        self.measureTally()
        return self.stretches.indices.contains(index) ? self.stretches[index] : StretchOutcome()
    }

    /// What the audit looks at.
    struct Evidence: Sendable {
        var audit: LiveAudit
        /// Devices that are not connected.
        var away: Set<Int>
    }

    /// Everything, after the sessions were closed.
    func outcome() -> (outcome: RunOutcome, evidence: Evidence) {
        self.measureTally()
        var outcome = RunOutcome()
        outcome.counts = self.counts
        outcome.counts.failed = self.failures.countByCode
        outcome.sessions = self.sessionFigures
        outcome.sessions.connected = self.connectedOnce.count
        for session in self.sessions.values { outcome.sessions.add(session) }
        outcome.returns = self.returns.outcome
        outcome.stretches = self.stretches
        outcome.connects = self.connects
        if self.sync.devices > 0 { outcome.sync = self.sync }
        outcome.lastSendLateness = self.lastSendLateness
        outcome.series = self.series
        outcome.acknowledgementTimes = self.acknowledgementTimes
        outcome.deliveryTimes = self.deliveryTimes
        return (outcome, Evidence(audit: self.audit, away: self.returns.away.union(self.away.keys)))
    }
}

extension RunReport.Sessions {
    fileprivate mutating func add(_ session: TrunklineSession) {
        let statistics = session.statistics
        self.disconnections += statistics.disconnections
        self.repeatedSends += statistics.repeatedSends
        self.retryableErrors.merge(statistics.retryableErrors, uniquingKeysWith: +)
        self.resyncs += statistics.resyncs
        self.pagesFetched += statistics.pagesFetched
        self.pagesFailed += statistics.pagesFailed
        let cursors = session.cursorStatistics
        self.gaps += cursors.gaps
        self.liveDuplicates += cursors.liveDuplicates
        self.liveOutOfOrder += cursors.liveOutOfOrder
    }
}
