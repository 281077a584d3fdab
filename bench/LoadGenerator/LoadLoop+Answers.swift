// SPDX-License-Identifier: Apache-2.0

import ClientProtocol
import LoadModel
import Messaging
import NIOCore
import TrunklineClient

/// What others ask.
extension LoadLoop {
    struct Snapshot: Sendable {
        var counts: RunCounts
        /// By code: messages that failed, and what else was refused.
        var failures: [String: Int]
        var refusals: [String: Int]
        var unanswered: Int
        var open: Int
        var lost: Int
        var away: Int
        var recentAcknowledgements: LatencyRecorder
        var recentDeliveries: LatencyRecorder
    }

    /// Where it stands, with the latencies since the last time it was asked.
    func snapshot() -> Snapshot {
        self.measureTally()
        defer {
            self.recentAcknowledgements = LatencyRecorder()
            self.recentDeliveries = LatencyRecorder()
        }
        return Snapshot(
            counts: self.counts,
            failures: self.failures.countByCode,
            refusals: self.returns.refusals,
            unanswered: self.unansweredCount,
            open: self.openCount,
            lost: self.returns.lostCount,
            away: self.returns.awayCount,
            recentAcknowledgements: self.recentAcknowledgements,
            recentDeliveries: self.recentDeliveries
        )
    }

    /// The largest number acknowledged in each conversation.
    func heads() -> [UInt64] {
        self.acknowledgements.map { $0.reduce(0) { max($0, $1.seq) } }
    }

    /// Devices and conversations that have not come as far as they have to.
    ///
    /// - Parameter asks: Whether to ask for what is missing.
    func incomplete(_ heads: [UInt64], asks: Bool) -> Int {
        var incomplete = 0
        for (user, session) in self.sessions {
            for number in self.plan.topology.conversations[user] {
                let conversation = self.shared.population.conversations[number]
                guard let position = session.position(in: conversation), position < heads[number] else { continue }
                incomplete += 1
                if asks { session.catchUp(conversation) }
            }
        }
        if asks { self.sessionFigures.completedByFinalCatchUp += incomplete }
        return incomplete
    }

    struct Outcome: Sendable {
        var counts: RunCounts
        var sessions: RunReport.Sessions
        var returns: ReturnTracker
        var acknowledgementLatency: LatencyRecorder
        var deliveryLatency: LatencyRecorder
        var lateness: LatencyRecorder
        var lastSendLateness: Int64
        var series: RunSeries
        var acknowledgementTimes: EventTimeline
        var deliveryTimes: EventTimeline
        var acknowledgements: [[ConversationAudit.Acknowledgement]]
        var logs: [LogKey: DeviceLog]
    }

    /// Everything, after the sessions were closed.
    func outcome() -> Outcome {
        self.measureTally()
        var counts = self.counts
        counts.failed = self.failures.countByCode
        var figures = self.sessionFigures
        figures.connected = self.connectedOnce.count
        for session in self.sessions.values {
            let statistics = session.statistics
            figures.disconnections += statistics.disconnections
            figures.repeatedSends += statistics.repeatedSends
            figures.retryableErrors.merge(statistics.retryableErrors, uniquingKeysWith: +)
            figures.resyncs += statistics.resyncs
            figures.pagesFetched += statistics.pagesFetched
            figures.pagesFailed += statistics.pagesFailed
            let cursors = session.cursorStatistics
            figures.gaps += cursors.gaps
            figures.liveDuplicates += cursors.liveDuplicates
            figures.liveOutOfOrder += cursors.liveOutOfOrder
        }
        return Outcome(
            counts: counts,
            sessions: figures,
            returns: self.returns,
            acknowledgementLatency: self.acknowledgementLatency,
            deliveryLatency: self.deliveryLatency,
            lateness: self.lateness,
            lastSendLateness: self.lastSendLateness,
            series: self.series,
            acknowledgementTimes: self.acknowledgementTimes,
            deliveryTimes: self.deliveryTimes,
            acknowledgements: self.acknowledgements,
            logs: self.logPlaces.mapValues { self.logs[$0] }
        )
    }
}
