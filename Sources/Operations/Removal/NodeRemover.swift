// SPDX-License-Identifier: Apache-2.0

import ClusterConfiguration
import Directory
import Glibc
import Messaging
import NIOHTTP1
import Placement
import Redis

/// Takes the record of a node that has ended out of Redis. It runs in a router, which knows its own links, and asks Redis,
/// every shard, the other routers and the node's address.
struct NodeRemover: Sendable {
    /// How long it waits at most to see whether a lease is renewed; where that takes longer, the operator comes again.
    private static let leaseWatchMax: Duration = .seconds(3)
    /// Orders of the log that are looked through for a node that nothing else tells of.
    private static let ordersLookedAt = 1000

    /// What this router itself knows of a node.
    typealias OwnWitness = @Sendable (_ node: String) async -> RemovalGate.Witness

    let look: ClusterLook
    /// The router that this runs in.
    let own: String
    let ownWitness: OwnWitness

    /// - Throws: why it must not be removed, or could not be.
    func remove(_ node: String, isTrial: Bool) async throws(OperationsError) -> NodeRemoval {
        let gate = try await self.gate(of: node)
        try gate.check()
        if !isTrial { try await self.takeAway(gate.record, of: node) }
        return NodeRemoval(gate, isTrial: isTrial)
    }

    // MARK: - Looking

    private func gate(of node: String) async throws(OperationsError) -> RemovalGate {
        let leases = try await self.look.leases()
        let record = try await self.record(of: node)
        async let seats = self.seats(of: node)
        async let presence = self.presence(of: node, record)
        async let witnesses = self.witnesses(of: node, leases)
        var gate = RemovalGate(
            node: node,
            record: record,
            isLeaseStale: true,
            isListed: self.look.settings.node(named: node) != nil,
            isInLog: true,
            witnesses: await witnesses,
            presence: await presence,
            seats: await seats
        )
        // What stands against it already needs neither the wait for a renewal nor the log.
        try gate.check()
        (gate.record, gate.isLeaseStale) = try await self.watch(record, of: node)
        if gate.record == .none, !gate.isListed { gate.isInLog = try await self.isInLog(node) }
        return gate
    }

    private func record(of node: String) async throws(OperationsError) -> NodeRecord {
        let cluster = self.look.settings.cluster
        return try await self.look.withRedis { (connection) throws(DirectoryError) in
            try await NodeLeases(connection: connection, cluster: cluster).record(of: node)
        }
    }

    /// Whether a lease stays as it is for longer than a node that lives lets it.
    private func watch(
        _ before: NodeRecord,
        of node: String
    ) async throws(OperationsError) -> (NodeRecord, isStale: Bool) {
        guard case .lease(let lease, let timeLeft) = before else { return (before, true) }
        let timeouts = self.look.settings.timeouts
        let silence = timeouts.leaseRenewal * 2
        guard silence <= Self.leaseWatchMax else { return (before, timeouts.nodeLease - timeLeft >= silence) }
        let begin = ContinuousClock.now
        // For a renewal, of which nobody is told: an answer that comes at once could not tell one that lives.
        try? await Task.sleep(for: silence)
        let after = try await self.record(of: node)
        switch after {
        case .none: return (after, true)
        case .unreadable: return (after, false)
        case .lease(let later, let left):
            // What was left has become less by the time in between, but for what asking took.
            let elapsed = ContinuousClock.now - begin
            return (after, later.incarnation == lease.incarnation && left < timeLeft - elapsed / 2)
        }
    }

    private func seats(of node: String) async -> [String: RemovalGate.Seat] {
        let seen = await self.look.status.readShards()
        guard !seen.isEmpty else { return ["any shard": .unknown("no shard is known to this router")] }
        return seen.mapValues { seen in
            switch seen {
            case .unreachable(let reason):
                return .unknown(reason.split(whereSeparator: \.isWhitespace).joined(separator: " "))
            case .value(let state):
                guard let member = state.view.member(named: node) else { return .none }
                var slots = state.view.ring.slots(of: member.name)
                if let held = state.map?.slots(of: state.view.shard) {
                    slots.subtract(.all.subtracting(held))
                }
                return .member(slots: slots.count)
            }
        }
    }

    private func presence(of node: String, _ record: NodeRecord) async -> RemovalGate.Presence {
        var address = self.look.settings.node(named: node)?.httpToAsk
        var isEdge = self.look.settings.node(named: node)?.role == .edge
        if case .lease(let lease, _) = record {
            address = lease.httpAddress.flatMap { NetworkAddress($0) } ?? address
            isEdge = lease.role == .edge
        }
        guard let address else { return .unknown }
        let http = NodeHTTP(group: self.look.group, timeout: self.look.timeout, bodyBytesMax: 8 << 20)
        do throws(OperationsError) {
            let context = try await NodeTrust(self.look.settings).context(for: node, isEdge: isEdge)
            let answer = try await http.send(.GET, "/metrics", to: address, over: context)
            let identity = MetricsText(answer.body).samples(of: "trunkline_node_identity").first?.labels["node"]
            return identity == node ? .answers : .stranger
        } catch {
            return error.message == String(cString: strerror(ECONNREFUSED)) ? .nothing : .silent(error.message)
        }
    }

    private func witnesses(
        of node: String,
        _ leases: [NodeLease]
    ) async -> [String: RemovalGate.Witness] {
        let others = leases.filter { $0.role == .router && $0.name != node && $0.name != self.own }
        return await withTaskGroup(of: (String, RemovalGate.Witness).self) { group in
            group.addTask { (self.own, await self.ownWitness(node)) }
            for lease in others { group.addTask { (lease.name, await self.witness(of: node, lease)) } }
            return await group.reduce(into: [:]) { $0[$1.0] = $1.1 }
        }
    }

    /// What another router says of the node.
    private func witness(of node: String, _ router: NodeLease) async -> RemovalGate.Witness {
        guard let secret = self.look.secrets.adminRead ?? self.look.secrets.adminOperate else {
            return .unknown("there is no secret to show to it")
        }
        guard let address = router.httpAddress.flatMap({ NetworkAddress($0) }) else {
            return .unknown("it does not say where it is")
        }
        do throws(OperationsError) {
            let answer = try await NodeHTTP(group: self.look.group, timeout: self.look.timeout).send(
                .GET,
                "/admin/nodes/\(node)",
                fields: [("authorization", "Bearer \(secret.exposedText)")],
                to: address
            )
            if answer.status == 200, let condition = try? NodeCondition(json: answer.body) { return .report(condition) }
            guard let linked = AdminProblem(json: answer.body)?.isLinked else {
                return .unknown("it answers with \(answer.status), and does not say whether it has one")
            }
            return linked ? .silentLink : .noLink
        } catch {
            return .unknown(error.message)
        }
    }

    /// Whether somebody gave an order about it, so that it is a name that was right once.
    private func isInLog(_ node: String) async throws(OperationsError) -> Bool {
        let orders = ShardOrders(settings: self.look.settings, secrets: self.look.secrets)
        let log = try await orders.readLog(last: Self.ordersLookedAt).log
        let actions = Set(NodeOrder.Verb.allCases.map(\.rawValue) + ["remove"])
        return log.entries.contains { entry in
            actions.contains(entry.action) && (entry.detail == node || entry.detail.hasPrefix("\(node), "))
        }
    }

    // MARK: - Taking away

    private func takeAway(_ record: NodeRecord, of node: String) async throws(OperationsError) {
        let cluster = self.look.settings.cluster
        let isGone = try await self.look.withRedis { (connection) throws(DirectoryError) -> Bool in
            let leases = NodeLeases(connection: connection, cluster: cluster)
            switch record {
            case .none:
                return true
            case .unreadable(let bytes):
                return try await leases.discard(unreadable: bytes, of: node)
            case .lease(let lease, _):
                if lease.role == .edge {
                    let life = EdgeLife(edge: node, incarnation: lease.incarnation)
                    try await SessionRegistry(connection: connection, cluster: cluster).clearComplete(life)
                }
                let isReleased = try await leases.releaseLease(name: node, incarnation: lease.incarnation)
                // One that has run out meanwhile is as gone as one that is taken away.
                let rest = isReleased ? NodeRecord.none : try await leases.record(of: node)
                return rest == .none
            }
        }
        guard isGone else {
            throw OperationsError(
                "somebody has taken its name just now: another life of it begins",
                remedy: "see `trunkline nodes`",
                kind: .refused
            )
        }
    }
}
