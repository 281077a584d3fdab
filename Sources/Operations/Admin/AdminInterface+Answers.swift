// SPDX-License-Identifier: Apache-2.0

import ClusterConfiguration
import Directory
import Hummingbird
import Logging
import Messaging
import Storage
import Wire

extension AdminInterface {
    /// Every verb that routers answer, with how.
    var answers: [(verb: OperatorVerb, answer: Answer)] {
        self.answersAboutNodes + self.answersAboutMessages + self.answersAboutShards
    }

    private var answersAboutNodes: [(verb: OperatorVerb, answer: Answer)] {
        [
            (.verbs, { _ in try VerbListing().json() }),
            (.status, { _ in try await self.bound.looking { try await self.look.status.collect().json() } }),
            (.nodes, { _ in try await self.bound.looking { try NodeListing(await self.look.nodes()).json() } }),
            (.condition, { request in try await self.report(OperateNode(.report), try request.node()).json() }),
            (.drain, { try await self.carryOut(.drain, $0) }),
            (.undrain, { try await self.carryOut(.undrain, $0) }),
            (.shed, { try await self.carryOut(.shed, $0) }),
            (.remove, { try await self.remove($0) }),
            (.log, { try await self.readLog($0) }),
            (.doctor, { _ in try await self.bound.looking { try await self.doctor().json() } }),
        ]
    }

    private var answersAboutMessages: [(verb: OperatorVerb, answer: Answer)] {
        [
            (
                .audience,
                { request in try await self.audience(try Self.conversation(request)).json() }
            ),
            (
                .owner,
                { request in
                    let id = try Self.conversation(request)
                    return try await self.bound.looking { try await self.look.owner(of: id).json() }
                }
            ),
            (
                .sessions,
                { request in
                    let user = request.named("USER")
                    return try await self.bound.looking { try await self.look.sessions(of: user).json() }
                }
            ),
            (
                .trace,
                { request in
                    guard let id = MessageID(request.named("MESSAGE")) else {
                        throw AdminProblem(.badRequest, "The id of a message is CONVERSATION.NUMBER.")
                    }
                    return try await self.bound.looking { try await self.look.trace(id).json() }
                }
            ),
        ]
    }

    private var answersAboutShards: [(verb: OperatorVerb, answer: Answer)] {
        [
            (.shards, { _ in try await self.bound.looking { try await self.look.status.collect().shardsJSON() } }),
            (.ring, { _ in try await self.bound.looking { try await self.look.status.collect().ring.json() } }),
            (
                .slots,
                { request in
                    let (shard, router) = (request.option(.ofShard), request.option(.ofRouter))
                    return try await self.bound.looking {
                        try await self.look.slots(shard: shard, router: router).json()
                    }
                }
            ),
            (
                .movePlan,
                { request in
                    let goal = try request.flag(.back) ? MoveOrders.Goal.back : .shares
                    return try await self.bound.looking { try await self.moves.plan(goal).json() }
                }
            ),
            (.moveStatus, { _ in try await self.bound.looking { try await self.moves.status().json() } }),
        ]
    }

    // MARK: - Looking

    private var orders: ShardOrders { ShardOrders(settings: self.look.settings, secrets: self.look.secrets) }

    private var moves: MoveOrders { MoveOrders(self.orders) }

    private static func conversation(_ request: AdminRequest) throws -> ConversationID {
        guard let id = ConversationID(request.named("CONVERSATION")) else {
            throw AdminProblem(.badRequest, "The id of a conversation is a UUID.")
        }
        return id
    }

    private func readLog(_ request: AdminRequest) async throws -> String {
        let count = try request.number(.last, 1...10_000, otherwise: 50)
        return try await self.bound.looking {
            let (log, unreachable) = try await self.orders.readLog(last: count)
            return try log.document(unreachable: unreachable)
        }
    }

    // MARK: - Orders

    private func report(_ order: OperateNode, _ node: String) async throws -> NodeCondition {
        switch await self.operate(order, node) {
        case .success(let report): return NodeCondition(node, report)
        case .failure(let failure): throw AdminProblem(failure, isLinked: node == self.own || self.isLinked(node))
        }
    }

    private func carryOut(_ verb: NodeOrder.Verb, _ request: AdminRequest) async throws -> String {
        let node = try request.node()
        let order = try NodeOrder(verb, json: try await request.body())
        guard !order.isTrial else {
            let condition = try await self.report(OperateNode(.report), node)
            try await self.checkGap(order, condition)
            return try condition.json()
        }
        let outcome: Result<String, any Error>
        do {
            try await self.checkGap(order, try await self.report(OperateNode(.report), node))
            outcome = .success(try await self.report(order.message, node).json())
            self.record(order.logEntry(of: node, at: WallClock.now()))
        } catch {
            outcome = .failure(error)
        }
        self.log("\(verb)", of: node, order.json, outcome)
        return try outcome.get()
    }

    /// Refuses to empty the last edge.
    private func checkGap(_ order: NodeOrder, _ condition: NodeCondition) async throws {
        guard order.verb == .drain, !order.allowsGap, condition.sessions > 0 else { return }
        try await LastEdge.check(condition, others: await self.edges()) { name in
            try? await self.report(OperateNode(.report), name)
        }
    }

    /// Those whose lease says that they are ready; while Redis is away, those of the file.
    private func edges() async -> [String] {
        guard let leases = try? await self.look.leases() else {
            return self.look.settings.nodes.filter { $0.role == .edge }.map(\.name)
        }
        return leases.filter { $0.role == .edge && $0.state == .ready }.map(\.name)
    }

    private func remove(_ request: AdminRequest) async throws -> String {
        let node = try request.node()
        let order = try RemovalOrder(json: try await request.body())
        let remover = NodeRemover(look: self.look, own: self.own) { await self.witness(of: $0) }
        let outcome: Result<String, any Error>
        do {
            let removal = try await self.bound.looking { try await remover.remove(node, isTrial: order.isTrial) }
            outcome = .success(try removal.json())
            if !order.isTrial { self.record(order.logEntry(of: removal, at: WallClock.now())) }
        } catch {
            outcome = .failure(error)
        }
        if !order.isTrial { self.log("remove", of: node, order.json, outcome) }
        return try outcome.get()
    }

    /// What this router itself knows of a node.
    private func witness(of node: String) async -> RemovalGate.Witness {
        switch await self.operate(OperateNode(.report), node) {
        case .success(let report): .report(NodeCondition(node, report))
        case .failure: node == self.own || self.isLinked(node) ? .silentLink : .noLink
        }
    }

    private func log(_ order: String, of node: String, _ terms: String, _ outcome: Result<String, any Error>) {
        var text = "done"
        if case .failure(let error) = outcome {
            text = (error as? AdminProblem).map { "\($0.status): \($0.detail)" } ?? "\(error)"
        }
        self.logger.notice(
            "an operator's order",
            metadata: ["order": "\(order)", "of": "\(node)", "terms": "\(terms)", "outcome": "\(text)"]
        )
    }
}
