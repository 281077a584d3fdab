// SPDX-License-Identifier: Apache-2.0

import ClusterConfiguration
import Directory
import Messaging
import Placement
import Storage

/// What was seen, before it is put together.
package struct ClusterObservation: Sendable {
    package enum Seen<Value: Sendable>: Sendable {
        case value(Value)
        /// Why it could not be seen, for people.
        case unreachable(String)
    }

    package struct ShardState: Sendable {
        package var view: View
        package var catalog: ShardCatalog?
        package var transfers: [SlotTransfer]
        /// Nil while no slots are being moved.
        package var move: MoveSigns?
        package var map: ShardMap? { self.catalog?.map }

        package init(view: View, catalog: ShardCatalog?, transfers: [SlotTransfer] = [], move: MoveSigns? = nil) {
            self.move = move
            self.view = view
            self.catalog = catalog
            self.transfers = transfers
        }
    }

    package struct Probe: Sendable {
        package var ready: Bool
        package var reasons: [String]

        package init(ready: Bool, reasons: [String]) {
            self.ready = ready
            self.reasons = reasons
        }
    }

    package var leases: Seen<NodeLeases.Listing>
    /// By the shard's name.
    package var shards: [String: Seen<ShardState>]
    /// By the node's name.
    package var probes: [String: Seen<Probe>]
    package var now: UnixMilliseconds

    package init(
        leases: Seen<NodeLeases.Listing>,
        shards: [String: Seen<ShardState>],
        probes: [String: Seen<Probe>],
        now: UnixMilliseconds
    ) {
        self.leases = leases
        self.shards = shards
        self.probes = probes
        self.now = now
    }
}

extension ClusterStatus {
    /// Puts together what `cluster.yaml` says and what was seen. Pure.
    package init(of settings: ClusterSettings, seen: ClusterObservation) {
        var redisProblem: String?
        var leases: [String: NodeLease]?
        switch seen.leases {
        case .value(let listing):
            leases = Dictionary(listing.leases.map { ($0.name, $0) }) { first, _ in first }
        case .unreachable(let reason):
            redisProblem = reason
        }
        self.init(
            cluster: settings.cluster,
            redisProblem: redisProblem,
            nodes: Self.nodes(settings, leases: leases, seen: seen),
            shards: Self.shardNames(settings, seen).map { Self.shard($0, seen: seen.shards[$0]) },
            warnings: []
        )
        self.warnings = self.findWarnings(settings, leases: leases, seen: seen)
    }

    private static func nodes(
        _ settings: ClusterSettings,
        leases: [String: NodeLease]?,
        seen: ClusterObservation
    ) -> [Node] {
        Self.known(settings, leases: leases).map { node in
            let lease = leases?[node.name]
            var ready: Bool?
            var reasons: [String] = []
            switch seen.probes[node.name] {
            case .value(let probe):
                ready = probe.ready
                reasons = probe.reasons
            case .unreachable(let reason):
                reasons = ["unreachable: \(reason)"]
            case nil: break
            }
            return Node(
                name: node.name,
                role: node.role,
                state: lease?.state.rawValue ?? (leases == nil ? "unknown" : "no lease"),
                address: lease?.httpAddress ?? node.address,
                version: lease?.version,
                meshVersion: lease?.meshVersion,
                uptimeSeconds: lease.map { seen.now > $0.since ? Int((seen.now - $0.since) / 1000) : 0 },
                ready: ready,
                reasons: reasons
            )
        }
    }

    private struct KnownNode {
        var name: String
        var role: String
        var address: String
    }

    /// Those of the file in its order, then those that have joined.
    private static func known(_ settings: ClusterSettings, leases: [String: NodeLease]?) -> [KnownNode] {
        let listed = settings.nodes.map {
            KnownNode(name: $0.name, role: $0.role.rawValue, address: $0.httpToAsk.description)
        }
        let joined = (leases ?? [:]).values.filter { settings.node(named: $0.name) == nil }.sorted { $0.name < $1.name }
            .map { KnownNode(name: $0.name, role: $0.role.rawValue, address: $0.httpAddress ?? "-") }
        return listed + joined
    }

    /// Those that the file lists, then those that came later.
    private static func shardNames(_ settings: ClusterSettings, _ seen: ClusterObservation) -> [String] {
        let listed = settings.shards.map(\.name)
        return listed + (seen.newestCatalog?.map.shards.filter { !listed.contains($0) } ?? [])
    }

    private static func shard(_ name: String, seen: ClusterObservation.Seen<ClusterObservation.ShardState>?) -> Shard {
        switch seen {
        case .value(let state):
            var shares: [String: Int] = [:]
            var slots = 0
            for number in 0..<Slot.count {
                guard let slot = Slot(number), state.map?.shard(of: slot) == name else { continue }
                slots += 1
                if let owner = state.view.owner(of: slot) { shares[owner, default: 0] += 1 }
            }
            return Shard(
                name: name,
                reachable: true,
                problem: nil,
                epoch: state.view.epoch,
                mapVersion: state.map?.version,
                slots: state.map == nil ? nil : slots,
                weight: state.catalog?.shard(named: name)?.weight,
                movingSlots: state.transfers.count { $0.state != .kept },
                oldCopies: state.transfers.count { $0.state == .kept },
                routers: state.view.routers.map { RouterShare(name: $0, slots: shares[$0] ?? 0) }
            )
        case .unreachable(let reason):
            return Self.unreachable(name, Self.line(reason, without: "shard \(name): "))
        case nil:
            return Self.unreachable(name, "it was not asked")
        }
    }

    private static func unreachable(_ name: String, _ reason: String) -> Shard {
        Shard(
            name: name,
            reachable: false,
            problem: reason,
            epoch: nil,
            mapVersion: nil,
            slots: nil,
            weight: nil,
            movingSlots: nil,
            oldCopies: nil,
            routers: []
        )
    }

    /// The reason on one line, without what the reader knows already. libpq breaks its messages with tabs.
    private static func line(_ reason: String, without start: String) -> String {
        let rest = reason.hasPrefix(start) ? reason.dropFirst(start.count) : reason[...]
        return rest.split(whereSeparator: \.isWhitespace).joined(separator: " ")
    }

    // MARK: - Warnings

    private func findWarnings(
        _ settings: ClusterSettings,
        leases: [String: NodeLease]?,
        seen: ClusterObservation
    ) -> [String] {
        var warnings: [String] = []
        for shard in self.shards {
            if let catalog = seen.newestCatalog, catalog.shard(named: shard.name) == nil {
                warnings.append(
                    "shard \(shard.name) is listed in cluster.yaml and is no part of the cluster: take it out there, or add it "
                        + "with `trunkline shard add \(shard.name)`"
                )
            } else if let problem = shard.problem {
                warnings.append("shard \(shard.name) is unreachable: \(problem)")
            } else if shard.routers.isEmpty {
                warnings.append("shard \(shard.name) has no router: its slots are served by nobody")
            }
        }
        if let redisProblem = self.redisProblem {
            warnings.append(
                "Redis is unreachable, so leases are unknown, and nodes that joined are not listed: \(redisProblem)"
            )
        }
        for node in self.nodes {
            if let leases, leases[node.name] == nil {
                warnings.append(
                    node.ready == nil
                        ? "\(node.role) \(node.name) is not running"
                        : "\(node.role) \(node.name) answers but has no lease"
                )
            } else if node.ready == nil {
                let lease = leases == nil ? "" : "has a lease but "
                warnings.append("\(node.role) \(node.name) \(lease)does not answer at \(node.address)")
            } else if node.ready == false {
                warnings.append("\(node.role) \(node.name) is not ready: \(node.reasons.joined(separator: "; "))")
            }
        }
        warnings += self.disagreements(settings, leases: leases)
        warnings += self.unfinishedMoves(seen)
        if case .value(let listing) = seen.leases, listing.malformedEntries > 0 {
            let names = listing.malformedNames.joined(separator: ", ")
            warnings.append(
                "\(listing.malformedEntries) leases in Redis cannot be read"
                    + (names.isEmpty ? "" : ": \(names); `trunkline remove NODE` takes one away")
            )
        }
        return warnings
    }

    /// What waits for a person, and that slots are being moved.
    private func unfinishedMoves(_ seen: ClusterObservation) -> [String] {
        let signs = seen.shards.values.compactMap { shard -> MoveSigns? in
            if case .value(let state) = shard { state.move } else { nil }
        }
        if let warning = MoveText.warning(of: signs) { return [warning] }
        guard signs.isEmpty else { return ["slots are being moved: `trunkline move status` says by whom"] }
        return (seen.newestCatalog?.weightlessHolders ?? []).map(MoveText.remark)
    }

    private func disagreements(
        _ settings: ClusterSettings,
        leases: [String: NodeLease]?
    ) -> [String] {
        var warnings: [String] = []
        for (name, lease) in (leases ?? [:]).sorted(by: { $0.key < $1.key }) {
            guard let node = settings.node(named: name) else { continue }
            if node.role.rawValue != lease.role.rawValue {
                warnings.append("\(name) runs as \(lease.role), cluster.yaml says \(node.role)")
            }
        }
        for shard in self.shards {
            if let leases {
                for router in shard.routers where leases[router.name] == nil {
                    warnings.append("shard \(shard.name) counts on router \(router.name), which has no lease")
                }
            }
        }
        let kept = self.shards.reduce(0) { $0 + ($1.oldCopies ?? 0) }
        if kept > 0 {
            warnings.append(
                "old copies of \(kept) slots are kept: `trunkline move verify`, then `trunkline move confirm`"
            )
        }
        let versions = Set(self.shards.compactMap(\.mapVersion))
        if versions.count > 1 {
            warnings.append("the shards hold different shard maps: versions \(versions.sorted())")
        }
        let programs = Set(self.nodes.compactMap(\.version))
        if programs.count > 1 {
            warnings.append("the nodes run different versions: \(programs.sorted().joined(separator: ", "))")
        }
        // No node is named here: this is no fault of one of them, and holds until the last one is upgraded.
        let spoken = Set(self.nodes.compactMap(\.meshVersion)).sorted()
        if spoken.count > 1 {
            warnings.append(
                """
                the nodes speak the mesh up to the versions \(spoken.map { "\($0)" }.joined(separator: " and ")), and two nodes the \
                lower one of theirs: upgrade the others, or see limits.mesh_version_max
                """
            )
        }
        return warnings
    }
}

extension ClusterObservation {
    /// Of what the shards store about all of them, the newest.
    package var newestCatalog: ShardCatalog? {
        Self.newestCatalog(in: self.shards)
    }

    static func newestCatalog(in shards: [String: Seen<ShardState>]) -> ShardCatalog? {
        shards.values.compactMap { seen in
            guard case .value(let state) = seen else { return nil }
            return state.catalog
        }.max { $0.map.version < $1.map.version }
    }
}
