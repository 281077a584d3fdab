// SPDX-License-Identifier: Apache-2.0

import ClusterConfiguration
import Directory
import Messaging
import NIOHTTP1

/// One node at one moment: what its lease and its metrics say.
package struct NodeSample: Sendable, Equatable {
    package var name: String
    package var role: String
    /// As in ``ClusterStatus/Node/state``.
    package var state: String
    package var address: String?
    package var version: String?
    package var incarnation: String?
    /// When this life of the node began.
    package var since: UnixMilliseconds?
    /// Why its metrics could not be read; nil when they were.
    package var problem: String?
    package var figures: Figures?
    /// When its metrics were read.
    package var takenAt: ContinuousClock.Instant

    /// From `/metrics`. Those that a role does not have are nil.
    package struct Figures: Sendable, Equatable {
        package var sessions: Int?
        package var slots: Int?
        /// Since the node was started: messages from clients of an edge, messages stored by a router.
        package var sends: Double?
        /// The same: events written to sessions by an edge, frames to edges by a router.
        package var deliveries: Double?
        /// What waits at this moment: for an answer at an edge, for a writer or the registry at a router.
        package var queue: Int?
        package var processorSeconds: Double?
        package var residentBytes: Double?

        init(_ page: MetricsText, isEdge: Bool) {
            func count(_ names: String...) -> Int? {
                let values = names.compactMap { page.sum($0) }
                return values.isEmpty ? nil : Int(values.reduce(0, +).clampedToCount)
            }
            if isEdge {
                self.sessions = count("trunkline_edge_sessions")
                self.sends =
                    page.samples(of: "trunkline_edge_commands_total")
                    .first { $0.labels["type"] == "send_message" }?.value
                self.deliveries = page.sum("trunkline_edge_deliveries_total")
                self.queue = count("trunkline_edge_submits_in_flight")
            } else {
                self.slots = count("trunkline_router_slots_owned")
                self.sends = page.sum("trunkline_router_messages_stored_total")
                self.deliveries = page.sum("trunkline_router_delivery_frames_total")
                self.queue = count("trunkline_router_queued_calls", "trunkline_router_deliveries_waiting")
            }
            self.processorSeconds = page.sum("process_cpu_seconds_total")
            self.residentBytes = page.sum("process_resident_memory_bytes")
        }
    }
}

extension Double {
    /// What another program sends may be anything.
    fileprivate var clampedToCount: Double { self.isFinite ? Swift.min(Swift.max(self, 0), 1e15) : 0 }
}

extension ClusterLook {
    /// All nodes: those of the file in its order, then those that have joined. What cannot be reached is said to be so.
    ///
    /// - Returns: and why the leases could not be read, so that nodes that have joined are not among them; nil when they
    ///   were.
    package func nodes() async -> (samples: [NodeSample], redisProblem: String?) {
        let leases = await self.status.readLeases()
        let samples = self.samples(leases)
        let sampled = await withTaskGroup(of: (Int, NodeSample).self) { group in
            for (index, sample) in samples.enumerated() {
                group.addTask { (index, await self.measured(sample)) }
            }
            return await group.reduce(into: [:]) { $0[$1.0] = $1.1 }
        }
        var problem: String?
        if case .unreachable(let reason) = leases { problem = reason }
        return (samples.indices.compactMap { sampled[$0] }, problem)
    }

    private func samples(_ seen: ClusterObservation.Seen<NodeLeases.Listing>) -> [NodeSample] {
        var leases: [NodeLease]?
        if case .value(let listing) = seen { leases = listing.leases }
        func sample(_ name: String, _ role: String, _ address: String?) -> NodeSample {
            let lease = leases?.first { $0.name == name }
            return NodeSample(
                name: name,
                role: lease?.role.rawValue ?? role,
                state: lease?.state.rawValue ?? (leases == nil ? "unknown" : "no lease"),
                address: lease?.httpAddress ?? address,
                version: lease?.version,
                incarnation: lease.map { "\($0.incarnation)" },
                since: lease?.since,
                takenAt: .now
            )
        }
        let listed = self.settings.nodes.map { sample($0.name, $0.role.rawValue, $0.httpToAsk.description) }
        let joined = (leases ?? []).filter { self.settings.node(named: $0.name) == nil }
        return listed + joined.map { sample($0.name, $0.role.rawValue, $0.httpAddress) }
    }

    private func measured(_ sample: NodeSample) async -> NodeSample {
        var sample = sample
        guard let address = sample.address.flatMap({ NetworkAddress($0) }) else {
            sample.problem = "it does not say where it is"
            return sample
        }
        let http = NodeHTTP(group: self.group, timeout: self.timeout, bodyBytesMax: 8 << 20)
        do throws(OperationsError) {
            let isEdge = sample.role == NodeRole.edge.rawValue
            let context = try await NodeTrust(self.settings).context(for: sample.name, isEdge: isEdge)
            let answer = try await http.send(.GET, "/metrics", to: address, over: context)
            sample.takenAt = .now
            let page = MetricsText(answer.body)
            guard answer.status == 200, page.samples(of: "trunkline_node_identity").first?.labels["node"] == sample.name
            else {
                sample.problem = "another program answers at its address"
                return sample
            }
            sample.figures = NodeSample.Figures(page, isEdge: isEdge)
        } catch {
            sample.problem = error.message
        }
        return sample
    }
}
