// SPDX-License-Identifier: Apache-2.0

import ClusterConfiguration
import Directory
import Logging
import NIOCore
import NIOHTTP1
import Redis

/// Gives operators' orders: to whichever router answers.
package struct AdminClient: Sendable {
    /// The routers' `http` addresses, those that joined included.
    private let routers: [(name: String, address: NetworkAddress)]
    /// The edges that say that they are ready, with the addresses that clients use; empty when the leases cannot be read.
    package let readyEdges: [(name: String, address: String)]
    /// Why the leases cannot be read; nil when they were.
    package let leasesProblem: String?
    /// Those that would take the sessions of another: while the leases cannot be read, those of the file.
    package let edgesToAsk: [String]
    private let listed: Set<String>
    private let leased: Set<String>
    private let token: String
    private let group: any EventLoopGroup
    private let timeout: Duration

    /// Finds the routers, in `cluster.yaml` and through Redis.
    package init(
        settings: ClusterSettings,
        secrets: ResolvedSecrets,
        group: any EventLoopGroup,
        timeout: Duration = .seconds(5),
        logger: Logger
    ) async throws(OperationsError) {
        guard let token = secrets.adminOperate ?? secrets.adminRead else {
            throw OperationsError(
                "there is no secret to show to the routers",
                remedy: "set secrets.admin_operate, for the routers too; `trunkline config reference` says how"
            )
        }
        self.token = token.exposedText
        self.group = group
        self.timeout = timeout
        var addresses = Dictionary(settings.routers.map { ($0.name, $0.httpToAsk) }) { first, _ in first }
        let collector = StatusCollector(
            settings: settings,
            secrets: secrets,
            group: group,
            timeout: timeout,
            logger: logger
        )
        var edges: [(name: String, address: String)] = []
        var leased: Set<String> = []
        var problem: String?
        switch await collector.readLeases() {
        case .unreachable(let reason): problem = reason
        case .value(let listing):
            leased = Set(listing.leases.map(\.name))
            edges = listing.leases.compactMap { lease in
                guard lease.role == .edge, lease.state == .ready else { return nil }
                return lease.httpAddress.map { (lease.name, $0) }
            }
            for lease in listing.leases where lease.role == .router {
                addresses[lease.name] = lease.httpAddress.flatMap { NetworkAddress($0) } ?? addresses[lease.name]
            }
        }
        self.readyEdges = edges
        self.leasesProblem = problem
        self.edgesToAsk =
            problem == nil ? edges.map(\.name) : settings.nodes.filter { $0.role == .edge }.map(\.name)
        self.listed = Set(settings.nodes.map(\.name))
        self.leased = leased
        self.routers = addresses.sorted { $0.key < $1.key }.map { ($0.key, $0.value) }
        guard !self.routers.isEmpty else {
            throw OperationsError(
                "no router is known, neither from the file nor from Redis",
                remedy: "see `trunkline status`"
            )
        }
    }

    package func condition(of node: String) async throws(OperationsError) -> NodeCondition {
        try await self.ask(.GET, "/admin/nodes/\(node)", "", about: node) { try? NodeCondition(json: $0) }
    }

    @discardableResult
    package func give(_ order: NodeOrder, to node: String) async throws(OperationsError) -> NodeCondition {
        var order = order
        order.operatorName = order.operatorName ?? OperatorCluster.personAtMachine
        return try await self.ask(.POST, "/admin/nodes/\(node)/\(order.verb)", order.json, about: node) {
            try? NodeCondition(json: $0)
        }
    }

    /// How long a router may take to look everywhere whether a node is gone.
    private static let removalTimeout: Duration = .seconds(20)

    /// Has a router take the record of a node away, if nothing stands against it.
    package func remove(_ node: String, isTrial: Bool) async throws(OperationsError) -> NodeRemoval {
        let order = RemovalOrder(isTrial: isTrial, operatorName: OperatorCluster.personAtMachine)
        return try await self.ask(
            .POST,
            "/admin/nodes/\(node)/remove",
            order.json,
            about: node,
            within: Self.removalTimeout
        ) { try? NodeRemoval(json: $0) }
    }

    // MARK: - Private

    /// - Parameter read: nil for an answer that is not understood.
    private func ask<Value>(
        _ method: HTTPMethod,
        _ path: String,
        _ body: String,
        about node: String,
        within limit: Duration? = nil,
        _ read: (String) -> Value?
    ) async throws(OperationsError) -> Value {
        let http = NodeHTTP(group: self.group, timeout: limit ?? self.timeout)
        var failures: [String] = []
        // One that is asked about itself may be on its way out: it comes last.
        for router in self.routers.filter({ $0.name != node }) + self.routers.filter({ $0.name == node }) {
            let answer: NodeHTTP.Answer
            do throws(OperationsError) {
                answer = try await http.send(
                    method,
                    path,
                    fields: [("authorization", "Bearer \(self.token)")],
                    body: body,
                    to: router.address
                )
            } catch {
                failures.append("\(router.name) at \(router.address): \(error.message)")
                continue
            }
            if answer.status == 200, let value = read(answer.body) { return value }
            let problem = AdminProblem(json: answer.body)
            let reason = problem?.detail ?? "it answers with \(answer.status)"
            // A router without a link to the node, or one that stops: another one may have what it takes.
            guard answer.status >= 500 else {
                throw OperationsError("\(node): \(reason)", remedy: problem?.remedy ?? "see `trunkline status`")
            }
            failures.append("\(router.name): \(reason)")
        }
        throw self.nobodyAnswered(of: node, failures)
    }

    private func nobodyAnswered(of node: String, _ failures: [String]) -> OperationsError {
        let reasons = failures.joined(separator: "; ")
        if let problem = self.leasesProblem {
            return OperationsError(
                "no router could say anything of \(node): \(reasons). Whether it runs is not known: Redis: \(problem)",
                remedy: "see `trunkline doctor`"
            )
        }
        guard !self.leased.contains(node) else {
            return OperationsError(
                "no router could say anything of \(node): \(reasons)",
                remedy: "see `trunkline status`"
            )
        }
        guard self.listed.contains(node) else {
            return OperationsError(
                "there is no node \(node)",
                remedy:
                    "there are \(self.listed.union(self.leased).sorted().joined(separator: ", ")); see `trunkline status`"
            )
        }
        return OperationsError(
            "\(node) is not running: it has no lease",
            remedy:
                "start it; or, if it is gone for good, take it out of the file and its record away: `trunkline remove \(node)`"
        )
    }
}
