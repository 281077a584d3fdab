// SPDX-License-Identifier: Apache-2.0

import ClusterConfiguration
import Messaging
import Placement
import Storage

/// What an operator orders about shards: add one, weigh it, remove it. Each call opens its own connections.
package struct ShardOrders: Sendable {
    let settings: ClusterSettings
    let secrets: ResolvedSecrets

    package init(settings: ClusterSettings, secrets: ResolvedSecrets) {
        self.settings = settings
        self.secrets = secrets
    }

    /// Makes a database part of the cluster: gives it the schema and the catalog, and every shard a catalog that has it. It
    /// holds no slots until a move gives it some. Safe to repeat.
    ///
    /// - Parameter connection: For libpq; nil when the configuration lists the shard.
    /// - Returns: What was done, one line each.
    package func add(
        _ name: String,
        connection: String?,
        weight: Int,
        isTrial: Bool
    ) async throws(OperationsError) -> [String] {
        let descriptor = try self.descriptor(name, connection)
        return try await self.locked { (cluster) throws(OperationsError) -> [String] in
            let catalog = try cluster.requiredCatalog()
            try cluster.refuseDuringMove()
            if let known = catalog.shard(named: name) {
                guard known.weight != weight else { return ["\(name) is part of the cluster already."] }
                throw OperationsError(
                    "\(name) is part of the cluster already, with the weight \(known.weight)",
                    remedy: "`trunkline shard weight \(name) \(weight)` changes that"
                )
            }
            let stored = ShardCatalog.Shard(name: name, connection: connection ?? "", weight: weight)
            guard let next = catalog.adding(stored) else {
                throw OperationsError("there are too many shards", remedy: "remove one first")
            }
            let session = OperatorSession(
                cluster: self.settings.cluster,
                shard: descriptor,
                operatorName: OperatorCluster.personAtMachine
            )
            defer { session.close() }
            try self.examine(descriptor)
            guard !isTrial else {
                return ["\(name) would be added with the weight \(weight); \(Self.afterwards(next, .order))"]
            }
            do throws(StorageError) {
                let migrator = Migrator(cluster: self.settings.cluster, shard: descriptor, shards: next.map.shards)
                _ = try migrator.migrate(now: WallClock.now(), firstMap: .catalog(catalog))
                try session.connect()
                guard try session.readView().slots?.isEmpty != false else {
                    throw StorageError(.wrongDatabase, "shard \(name): its database holds slots already")
                }
                // Seconds grow faster than views ever follow each other.
                try session.beginEpochs(at: WallClock.now() / 1000)
                try session.store(next)
                try cluster.spread(next)
                try cluster.log("shard add", "\(name), weight \(weight)")
            } catch {
                throw OperationsError(error)
            }
            return [
                "\(name) is part of the cluster; it holds no slots yet.",
                "Next: `trunkline move plan` shows what would move, `trunkline move start` moves it.",
            ]
        }
    }

    /// Whether a database can become a shard. Changes nothing; blocks.
    private func examine(_ shard: ShardDescriptor) throws(OperationsError) {
        let surveyor = ShardSurveyor(shard: shard, timeout: .seconds(5))
        let found: ShardSurvey
        do throws(StorageError) {
            found = try surveyor.survey { WallClock.now() }
        } catch {
            let reason = error.message.split(whereSeparator: \.isWhitespace).joined(separator: " ")
            throw OperationsError(
                reason.hasPrefix("shard ") ? reason : "shard \(shard.name): \(reason)",
                remedy: PostgresRefusal(reason).remedy(key: "the connection of \(shard.name)")
                    + "; a password is not stored with it: PGPASSFILE has it here and where routers run"
            )
        }
        let identity = ShardSurvey.Identity(cluster: self.settings.cluster, shard: shard.name)
        let other = found.identity ?? identity
        guard other == identity else {
            throw OperationsError(
                "shard \(shard.name): its database belongs to shard '\(other.shard)' of cluster '\(other.cluster)'",
                remedy: "take an empty database, or the one that is this shard's"
            )
        }
    }

    /// How much a shard takes, measured by the others; the next move goes by it.
    ///
    /// - Parameter isDrain: The move follows at once, without another order.
    package func weigh(
        _ name: String,
        _ weight: Int,
        isTrial: Bool,
        isDrain: Bool = false
    ) async throws(OperationsError) -> [String] {
        try await self.locked { (cluster) throws(OperationsError) -> [String] in
            let catalog = try cluster.requiredCatalog()
            try cluster.refuseDuringMove()
            guard let next = catalog.weighing(name, weight) else { throw .noShard(name, in: catalog) }
            guard next.weights.contains(where: { $0 > 0 }) else {
                throw OperationsError(
                    "no shard would have a weight",
                    remedy: "the slots need a place: give another shard a weight first"
                )
            }
            guard !isTrial else {
                return [
                    "\(name) would have the weight \(weight); \(Self.afterwards(next, isDrain ? .wouldFollow : .order))"
                ]
            }
            try cluster.spreadOrder(next, "shard weight", "\(name) \(weight)")
            return ["\(name) has the weight \(weight); \(Self.afterwards(next, isDrain ? .follows : .order))"]
        }
    }

    /// Takes a shard that holds nothing out of the cluster. Its database is left as it is.
    ///
    /// - Parameter isForced: Also when its database cannot be reached, so that nobody sees whether it has old copies.
    package func remove(_ name: String, isForced: Bool, isTrial: Bool) async throws(OperationsError) -> [String] {
        try await self.onCluster { (cluster) throws(OperationsError) -> [String] in
            try cluster.lock(without: isForced ? name : nil)
            let catalog = try cluster.requiredCatalog()
            try cluster.refuseDuringMove()
            guard catalog.shard(named: name) != nil else { throw .noShard(name, in: catalog) }
            let slots = catalog.map.slots(of: name).count
            guard slots == 0, let next = catalog.removing(name) else {
                throw OperationsError(
                    "\(name) holds \(slots) slots",
                    remedy: "`trunkline shard drain \(name)` moves them to the others first"
                )
            }
            let transfers: [SlotTransfer]
            do throws(StorageError) {
                // One that cannot be reached got here only because it may.
                transfers = try cluster.sessions[name]?.readTransfers() ?? []
            } catch {
                throw OperationsError(error)
            }
            guard transfers.isEmpty else {
                throw OperationsError(
                    "\(name) has old copies of \(transfers.count) slots that nobody has confirmed",
                    remedy: "`trunkline move verify` compares them, `trunkline move confirm` removes them"
                )
            }
            guard !isTrial else { return ["\(name) would be removed; it holds no slots."] }
            try cluster.spreadOrder(next, "shard remove", name)
            var lines = ["\(name) is not part of the cluster any more; routers let go of it within a second."]
            if self.settings.shards.contains(where: { $0.name == name }) {
                lines.append("Take it out of `shards` in cluster.yaml before a node is started again.")
            }
            return lines
        }
    }

    /// What becomes of the slots once the weights are others.
    enum Sequel {
        /// Another command moves them.
        case order
        case follows, wouldFollow
    }

    static func afterwards(_ catalog: ShardCatalog, _ sequel: Sequel) -> String {
        guard let plan = MovePlan(for: catalog) else { return "there is nothing to move" }
        let count = plan.remaining(in: catalog.map)
        guard count > 0 else { return "nothing has to move" }
        return switch sequel {
        case .order: "`trunkline move start` would move \(count) slots so that each shard has its share"
        case .follows: "\(counted(count, "slot")) move to the other shards now"
        case .wouldFollow: "\(counted(count, "slot")) would move to the other shards at once"
        }
    }

    private func descriptor(_ name: String, _ connection: String?) throws(OperationsError) -> ShardDescriptor {
        if let configured = self.settings.shards.first(where: { $0.name == name }) {
            guard connection == nil else {
                throw OperationsError(
                    "cluster.yaml says how \(name) is reached",
                    remedy: "leave --connection out, or the shard out of cluster.yaml"
                )
            }
            return self.secrets.descriptor(of: configured)
        }
        guard let connection else {
            throw OperationsError(
                "it is not known how \(name) is reached",
                remedy: "say it with --connection \"host=… dbname=… user=…\", or list the shard in cluster.yaml"
            )
        }
        if let problem = ConnectionString.problem(in: connection) {
            throw OperationsError("--connection: \(problem.message)", remedy: problem.remedy)
        }
        return ShardDescriptor(name: name, connectionString: connection)
    }

    func locked<Value: Sendable>(
        _ body: @escaping @Sendable (OperatorCluster) throws(OperationsError) -> Value
    ) async throws(OperationsError) -> Value {
        try await self.onCluster { (cluster) throws(OperationsError) -> Value in
            try cluster.lock()
            return try body(cluster)
        }
    }

    func onCluster<Value: Sendable>(
        _ body: @escaping @Sendable (OperatorCluster) throws(OperationsError) -> Value
    ) async throws(OperationsError) -> Value {
        let result = await onOwnThread(named: "operator") { () -> Result<Value, OperationsError> in
            let cluster = OperatorCluster(settings: self.settings, secrets: self.secrets)
            defer { cluster.close() }
            return Result { () throws(OperationsError) in try body(cluster) }
        }
        guard let result else { throw .noThread }
        return try result.get()
    }
}

extension OperatorCluster {
    /// The indices of shards must stay as they are while slots move.
    func refuseDuringMove() throws(OperationsError) {
        do throws(StorageError) {
            var isMoving = false
            for session in self.sessions.values { isMoving = try session.readMove() != nil || isMoving }
            guard isMoving else { return }
        } catch {
            throw OperationsError(error)
        }
        throw OperationsError(
            "slots are being moved",
            remedy: """
                `trunkline move status` says whether somebody carries it out; if nobody does, `trunkline move resume` goes on with \
                it and `trunkline move abort` ends it
                """
        )
    }

    func spreadOrder(_ catalog: ShardCatalog, _ action: String, _ detail: String) throws(OperationsError) {
        do throws(StorageError) {
            try self.spread(catalog)
            try self.log(action, detail)
        } catch {
            throw OperationsError(error)
        }
    }
}

extension OperationsError {
    static func noShard(_ name: String, in catalog: ShardCatalog) -> OperationsError {
        OperationsError(
            "there is no shard \(name)",
            remedy: "there are \(catalog.map.shards.joined(separator: ", "))"
        )
    }
}
