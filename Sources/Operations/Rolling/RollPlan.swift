// SPDX-License-Identifier: Apache-2.0

import ClusterConfiguration
import Directory
import Messaging

/// In which order the nodes of a cluster are started again, one at a time, and when the next one may go. Pure.
///
/// Routers come before edges, each by name: an edge that speaks a newer version of the mesh then finds routers that do.
package struct RollPlan: Sendable, Equatable {
    /// One node as its lease tells.
    package struct Node: Sendable, Equatable {
        package var name: String
        package var role: ClusterSettings.Role
        package var state: NodeState
        /// Of this life.
        package var incarnation: Incarnation
        /// The host by which others reach it; for the operator's command.
        package var host: String
        /// Of its program.
        package var version: String

        package init(
            name: String,
            role: ClusterSettings.Role,
            state: NodeState,
            incarnation: Incarnation,
            host: String,
            version: String
        ) {
            self.name = name
            self.role = role
            self.state = state
            self.incarnation = incarnation
            self.host = host
            self.version = version
        }

        package init(_ lease: NodeLease) {
            let address = (lease.httpAddress ?? lease.meshAddress).flatMap { NetworkAddress($0) }
            self.init(
                name: lease.name,
                role: lease.role == .router ? .router : .edge,
                state: lease.state,
                incarnation: lease.incarnation,
                host: address?.host ?? "",
                version: lease.version
            )
        }
    }

    /// What the operator asked for.
    package struct Wish: Sendable, Equatable {
        /// Only these nodes; empty for all.
        package var only: [String]
        /// Only those of this role.
        package var role: ClusterSettings.Role?
        /// Those before this one are done.
        package var from: String?
        /// Go on although no other node of the role would serve meanwhile, or another node is out already.
        package var allowsGap: Bool

        package init(
            only: [String] = [],
            role: ClusterSettings.Role? = nil,
            from: String? = nil,
            allowsGap: Bool = false
        ) {
            self.only = only
            self.role = role
            self.from = from
            self.allowsGap = allowsGap
        }
    }

    /// The names of the nodes, in the order in which they go. Each is looked at again before its turn.
    package let names: [String]
    package let allowsGap: Bool

    /// - Throws: what stands against the walk as it was asked for.
    package init(_ nodes: [Node], _ wish: Wish) throws(OperationsError) {
        let order = Self.order(nodes)
        for name in wish.only + (wish.from.map { [$0] } ?? []) where !order.contains(where: { $0.name == name }) {
            throw OperationsError(
                "\(name) is not running",
                remedy: "start it and say the same again, or leave it out; those that run are "
                    + order.map(\.name).joined(separator: ", ")
            )
        }
        var chosen = order.filter { node in
            (wish.only.isEmpty || wish.only.contains(node.name)) && (wish.role.map { $0 == node.role } ?? true)
        }
        if let from = wish.from {
            guard let place = chosen.firstIndex(where: { $0.name == from }) else {
                throw OperationsError(
                    "\(from) is not among the nodes that were chosen",
                    remedy: "give --from a node that --only and --role leave in"
                )
            }
            chosen.removeFirst(place)
        }
        guard !chosen.isEmpty else {
            throw OperationsError("no node was chosen", remedy: "`trunkline status` lists the nodes and their roles")
        }
        self.names = chosen.map(\.name)
        self.allowsGap = wish.allowsGap
        for node in chosen {
            if let alone = self.gap(without: node, among: nodes) { throw alone }
        }
    }

    private static func order(_ nodes: [Node]) -> [Node] {
        nodes.sorted { ($0.role == .router ? 0 : 1, $0.name) < ($1.role == .router ? 0 : 1, $1.name) }
    }

    // MARK: - Before a node goes

    /// One node's turn.
    package struct Step: Sendable, Equatable {
        package var node: Node
        /// Whether it is emptied first. One without anybody to take over its work is not: that would only make the gap
        /// longer.
        package var isDrained: Bool
    }

    /// The turn of a node, as the cluster is now.
    ///
    /// - Throws: why it must not go now.
    package func step(_ name: String, among nodes: [Node]) throws(OperationsError) -> Step {
        guard let node = nodes.first(where: { $0.name == name }) else {
            throw OperationsError(
                "\(name) has no lease any more: it is not running",
                remedy: "see its log, and start it"
            )
        }
        if let gap = self.gap(without: node, among: nodes) { throw gap }
        if !self.allowsGap, let other = nodes.first(where: { $0.name != name && $0.state != .ready }) {
            throw OperationsError(
                "\(other.name) is \(other.state), and never are two nodes out at a time",
                remedy: """
                    wait until it is ready, or take it back with `trunkline undrain \(other.name)`; --allow-gap goes on all \
                    the same
                    """
            )
        }
        return Step(node: node, isDrained: self.others(than: node, among: nodes) > 0)
    }

    private func others(than node: Node, among nodes: [Node]) -> Int {
        nodes.count { $0.role == node.role && $0.name != node.name && $0.state == .ready }
    }

    private func gap(without node: Node, among nodes: [Node]) -> OperationsError? {
        guard !self.allowsGap, self.others(than: node, among: nodes) == 0 else { return nil }
        return OperationsError(
            "\(node.name) is the only \(node.role) that serves: nobody would take over its work meanwhile",
            remedy: "start another \(node.role) first, or accept the gap with --allow-gap"
        )
    }
}
