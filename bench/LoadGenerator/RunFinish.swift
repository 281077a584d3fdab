// SPDX-License-Identifier: Apache-2.0

import ClientProtocol
import LoadModel
import NIOCore
import TrunklineClient

/// The end of a run in one process: closes the sessions, puts together what the loops counted, reads the histories and
/// audits.
struct RunFinish {
    let plan: MessagePlan
    let shared: LoadLoop.Shared
    let progress: Progress

    /// - Parameter isWhole: Otherwise what was seen while it ran is all that is told: too little was waited for to know more.
    func collect(_ loops: [LoopHandle], isWhole: Bool) async throws -> RunOutcome {
        var outcome = RunOutcome()
        var evidence: [LoadLoop.Evidence] = []
        var credentials: [Int: SessionCredentials] = [:]
        for loop in loops {
            credentials.merge(try await loop.ask { $0.credentials }) { first, _ in first }
            try await loop.ask { $0.closeSessions() }
            let part = try await loop.ask { $0.outcome() }
            outcome.merge(part.outcome)
            evidence.append(part.evidence)
        }
        if isWhole {
            let histories = try await self.readHistories(credentials)
            self.progress.show("audit: comparing")
            outcome.audit = self.audit(evidence, histories)
        } else {
            for part in evidence {
                outcome.audit.noteSeen(part.violations, count: part.violationCount)
            }
        }
        outcome.counts.expectedDeliveries = outcome.audit.expectedDeliveries
        outcome.counts.storedWithoutAcknowledgement = outcome.audit.storedWithoutAcknowledgement
        return outcome
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
            // Through another edge than the one that the device was connected to first.
            let device = topology.devices(ofUser: topology.members[number][0]).lowerBound
            guard let shown = credentials[device] else { return nil }
            var token = shown.accessToken
            if shown.needsRefresh(now: .now()) {
                guard let fresh = try? await http.refresh(shown.refreshToken) else { return nil }
                token = fresh.accessToken
            }
            return await reader.read(conversations[number], token: token, edge: topology.edge(of: device) + 1)
        } progress: {
            self.progress.show("audit: history of \($0) of \(conversations.count) conversations read")
        }
    }

    private func audit(
        _ evidence: [LoadLoop.Evidence],
        _ histories: [[ConversationAudit.StoredMessage]?]
    ) -> AuditResult {
        var result = AuditResult()
        let (plan, topology) = (self.plan, self.plan.topology)
        let absent = evidence.reduce(into: Set<Int>()) { $0.formUnion($1.away) }
        for (number, everybody) in topology.members.enumerated() {
            let members = everybody.filter(topology.isConnected).flatMap { topology.devices(ofUser: $0) }
            var logs: [Int: DeviceLog] = [:]
            for device in members {
                let key = LoadLoop.LogKey(device: device, conversation: number)
                logs[device] = evidence[topology.loop(of: device)].logs[key]
            }
            let audit = ConversationAudit(
                conversation: number,
                members: members,
                devicesPerUser: topology.devicesPerUser,
                absent: absent,
                acknowledgements: evidence.flatMap { $0.acknowledgements[number] },
                history: histories[number],
                logs: logs
            )
            audit.run(
                belongs: { Int($0) < plan.count && plan.conversation(of: Int($0)) == number },
                sender: { plan.device(of: Int($0)) },
                into: &result
            )
        }
        return result
    }
}
