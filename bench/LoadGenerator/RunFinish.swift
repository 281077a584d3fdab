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
        for part in evidence { outcome.audit.merge(part.audit.seen) }
        if isWhole { outcome.audit.merge(try await self.audit(evidence, credentials)) }
        outcome.counts.expectedDeliveries = outcome.audit.expectedDeliveries
        outcome.counts.storedWithoutAcknowledgement = outcome.audit.storedWithoutAcknowledgement
        return outcome
    }

    /// Reads the histories, some at once, and compares each page with what the loops know.
    private func audit(_ evidence: [LoadLoop.Evidence], _ credentials: [Int: SessionCredentials]) async throws
        -> AuditResult
    {
        let reader = HistoryReader(
            plan: self.plan,
            identity: self.shared.identity,
            bodies: self.shared.bodies,
            http: self.shared.http
        )
        let (topology, http) = (self.plan.topology, self.shared.http)
        let conversations = self.shared.population.conversations
        let absent = evidence.reduce(into: Set<Int>()) { $0.formUnion($1.away) }
        let results = try await concurrently(conversations.count, limit: HistoryReader.concurrency) { number in
            var audit = self.audit(number, evidence, absent)
            // Through another edge than the one that the device was connected to first.
            let device = topology.devices(ofUser: topology.members[number][0]).lowerBound
            guard let shown = credentials[device] else { return audit.finish(isReadable: false) }
            var token = shown.accessToken
            if shown.needsRefresh(now: .now()) {
                guard let fresh = try? await http.refresh(shown.refreshToken) else {
                    return audit.finish(isReadable: false)
                }
                token = fresh.accessToken
            }
            let edge = topology.edge(of: device) + 1
            let isReadable = await reader.read(conversations[number], token: token, edge: edge) { audit.take($0) }
            return audit.finish(isReadable: isReadable)
        } progress: {
            self.progress.show("audit: history of \($0) of \(conversations.count) conversations read")
        }
        return results.reduce(into: AuditResult()) { $0.merge($1) }
    }

    private func audit(_ number: Int, _ evidence: [LoadLoop.Evidence], _ absent: Set<Int>) -> HistoryAudit {
        let (plan, topology) = (self.plan, self.plan.topology)
        let devices = topology.members[number].filter(topology.isConnected).flatMap { topology.devices(ofUser: $0) }
        return HistoryAudit(
            conversation: number,
            plan: LiveAudit.Plan(devicesPerUser: topology.devicesPerUser, sender: { plan.device(of: Int($0)) }),
            ledgers: evidence.map { $0.audit.ledgers[number] },
            ledgerOf: { topology.loop(of: $0) },
            devices: devices.map { device in
                let audit = evidence[topology.loop(of: device)].audit
                let place = LiveAudit.Place(device: device, conversation: number)
                return HistoryAudit.Device(
                    device: device,
                    progress: audit.progress(of: place) ?? DeviceProgress(),
                    isAbsent: absent.contains(device)
                )
            },
            belongs: { Int($0) < plan.count && plan.conversation(of: Int($0)) == number }
        )
    }
}
