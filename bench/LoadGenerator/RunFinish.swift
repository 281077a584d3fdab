// SPDX-License-Identifier: Apache-2.0

import ClientProtocol
import LoadModel
import NIOCore
import TrunklineClient

/// The end of a run: closes the sessions, puts together what the loops counted, reads the histories and audits.
struct RunFinish {
    let plan: MessagePlan
    let shared: LoadLoop.Shared
    let progress: Progress

    /// Returns by how many nanoseconds the sending was late at its end.
    func collect(
        _ loops: [LoopHandle],
        _ nodes: [NodeWatch.Node],
        into report: inout RunReport
    ) async throws -> Int64 {
        var outcomes: [LoadLoop.Outcome] = []
        var credentials: [Int: SessionCredentials] = [:]
        for loop in loops {
            credentials.merge(try await loop.ask { $0.credentials }) { first, _ in first }
            try await loop.ask { $0.closeSessions() }
            outcomes.append(try await loop.ask { $0.outcome() })
        }
        self.merge(outcomes, nodes, into: &report)
        let histories = try await self.readHistories(credentials)
        self.progress.show("audit: comparing")
        report.audit = self.audit(outcomes, histories)
        report.counts.expectedDeliveries = report.audit.expectedDeliveries
        report.counts.storedWithoutAcknowledgement = report.audit.storedWithoutAcknowledgement
        self.progress.note(
            "audit: \(report.audit.historyMessages) messages of \(report.audit.conversations) conversations"
        )
        return outcomes.map(\.lastSendLateness).max() ?? 0
    }

    private func merge(_ outcomes: [LoadLoop.Outcome], _ nodes: [NodeWatch.Node], into report: inout RunReport) {
        var acknowledgementLatency = LatencyRecorder()
        var deliveryLatency = LatencyRecorder()
        var lateness = LatencyRecorder()
        var acknowledgementTimes = EventTimeline()
        var deliveryTimes = EventTimeline()
        var returns = ReturnTracker()
        var series = RunSeries()
        for outcome in outcomes {
            report.counts += outcome.counts
            report.sessions += outcome.sessions
            returns.merge(outcome.returns)
            acknowledgementLatency.merge(outcome.acknowledgementLatency)
            deliveryLatency.merge(outcome.deliveryLatency)
            lateness.merge(outcome.lateness)
            acknowledgementTimes.merge(outcome.acknowledgementTimes)
            deliveryTimes.merge(outcome.deliveryTimes)
            series.merge(outcome.series)
        }
        report.returns = returns.summary
        report.acknowledgementLatency = acknowledgementLatency.summary
        report.deliveryLatency = deliveryLatency.summary
        report.generatorLateness = lateness.summary
        report.acknowledgementDistribution = acknowledgementLatency.distribution
        report.deliveryDistribution = deliveryLatency.distribution
        report.timeSeries = TimeSeries(
            series,
            warmUpSeconds: Double(self.plan.warmUpNanoseconds) / 1e9,
            plannedSeconds: Double(self.plan.warmUpNanoseconds + self.plan.durationNanoseconds) / 1e9,
            nodes: nodes.map { ($0.series, $0.samples) }
        )
        let start = Int(self.plan.warmUpNanoseconds / 1_000_000)
        let end = Int((self.plan.warmUpNanoseconds + self.plan.durationNanoseconds) / 1_000_000)
        report.pauses.withoutAcknowledgement = acknowledgementTimes.longestPause(from: start, to: end)
        report.pauses.withoutDelivery = deliveryTimes.longestPause(from: start, to: end)
    }

    private func readHistories(
        _ credentials: [Int: SessionCredentials]
    ) async throws -> [[ConversationAudit.StoredMessage]?] {
        let reader = HistoryReader(
            plan: self.plan,
            identity: self.shared.identity,
            bodies: self.shared.bodies,
            http: self.shared.http
        )
        let topology = self.plan.topology
        let conversations = self.shared.population.conversations
        let http = self.shared.http
        return try await concurrently(conversations.count, limit: HistoryReader.concurrency) { number in
            // Through another edge than the one that the user was connected to first.
            let user = topology.members[number][0]
            guard let shown = credentials[user] else { return nil }
            var token = shown.accessToken
            if shown.needsRefresh(now: .now()) {
                guard let fresh = try? await http.refresh(shown.refreshToken) else { return nil }
                token = fresh.accessToken
            }
            return await reader.read(conversations[number], token: token, edge: topology.edge(of: user) + 1)
        } progress: {
            self.progress.show("audit: history of \($0) of \(conversations.count) conversations read")
        }
    }

    private func audit(
        _ outcomes: [LoadLoop.Outcome],
        _ histories: [[ConversationAudit.StoredMessage]?]
    ) -> AuditResult {
        var result = AuditResult()
        let plan = self.plan
        let absent = outcomes.reduce(into: Set<Int>()) { $0.formUnion($1.returns.away) }
        for (number, everybody) in plan.topology.members.enumerated() {
            let members = everybody.filter(plan.topology.isConnected)
            var logs: [Int: DeviceLog] = [:]
            for user in members {
                let key = LoadLoop.LogKey(user: user, conversation: number)
                logs[user] = outcomes[plan.topology.loop(of: user)].logs[key]
            }
            let audit = ConversationAudit(
                conversation: number,
                members: members,
                absent: absent,
                acknowledgements: outcomes.flatMap { $0.acknowledgements[number] },
                history: histories[number],
                logs: logs
            )
            audit.run(
                belongs: { Int($0) < plan.count && plan.conversation(of: Int($0)) == number },
                sender: { plan.sender(of: Int($0)) },
                into: &result
            )
        }
        return result
    }
}
