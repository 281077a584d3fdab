// SPDX-License-Identifier: Apache-2.0

import FaultModel
import Glibc
import TestSupport

/// A fault that was done and is not undone yet.
struct ActiveFault: Sendable {
    /// What it was done to, for people.
    var target: String
    /// Lets everything work again as far as the fault goes.
    var undo: @Sendable () async throws -> Void
    /// What has to be put in place again before the same fault can come again; takes its time.
    var restore: (@Sendable () async throws -> Void)?
}

/// Does to a cluster what a plan says.
struct FaultInjector: Sendable {
    let cluster: FaultyCluster
    /// Drops every client at once.
    let dropClients: @Sendable () -> Void

    /// Why a kind cannot be done here; nil when it can.
    func obstacle(to kind: FaultKind) -> String? {
        kind == .postgresDiskFull ? self.cluster.diskProblem.map { "no disk can be filled: \($0)" } : nil
    }

    func begin(_ fault: PlannedFault) async throws -> ActiveFault {
        switch fault.kind.group {
        case .router: try await self.beginProcess(fault, self.cluster.routers[fault.router].name)
        case .edge: try await self.beginProcess(fault, self.cluster.edges[fault.edge].name)
        case .redis: try await self.beginRedis(fault)
        case .postgres: try await self.beginPostgres(fault)
        case .mesh: try self.beginMesh(fault)
        case .clients: self.beginClients()
        }
    }

    // MARK: - Processes

    private func beginProcess(_ fault: PlannedFault, _ name: String) async throws -> ActiveFault {
        let cluster = self.cluster
        switch fault.kind {
        case .freezeRouter, .freezeEdge:
            cluster.signal(name, SIGSTOP)
            return ActiveFault(target: name) { cluster.signal(name, SIGCONT) }
        case .stopRouter, .stopEdge:
            let status = try await cluster.stop(name)
            if status != 0 { cluster.watch.note(name, badStatus: status ?? 128 + SIGKILL) }
            return ActiveFault(target: name) { try cluster.start(name) }
        default:
            try await cluster.kill(name)
            return ActiveFault(target: name) { try cluster.start(name) }
        }
    }

    // MARK: - Redis

    private func beginRedis(_ fault: PlannedFault) async throws -> ActiveFault {
        let redis = self.cluster.redis
        switch fault.kind {
        case .redisFlush:
            try await onThread { try redis.primary.flushAll() }
            return ActiveFault(target: "redis") {}
        case .redisRestart:
            try await onThread { try redis.restartPrimary() }
            return ActiveFault(target: "redis") {}
        case .redisKill:
            try await onThread { try redis.primary.kill() }
            return ActiveFault(target: "redis") { try await onThread { try redis.startPrimary() } }
        case .redisFailover:
            try await onThread { try redis.primary.kill() }
            return ActiveFault(
                target: "redis",
                undo: { try await onThread { try redis.promoteReplica() } },
                restore: { try await onThread { try redis.startReplica() } }
            )
        case .redisSwap:
            try await onThread { try redis.swapRoles() }
            return ActiveFault(target: "redis") {}
        default:
            let name = self.cluster.nodes[fault.peer].name
            let relays = self.cluster.relays { $0.from == name && $0.to.hasPrefix(FaultyCluster.redisName + "/") }
            return try Self.impose(TCPRelay.Behaviour(accepting: .refuse), cutting: true, relays, "redis for \(name)")
        }
    }

    // MARK: - Postgres

    private func beginPostgres(_ fault: PlannedFault) async throws -> ActiveFault {
        let shard =
            fault.kind == .postgresDiskFull
            ? self.cluster.shards[self.cluster.shards.count - 1] : self.cluster.shards[fault.shard]
        switch fault.kind {
        case .postgresCrash, .postgresStop:
            let mode: PostgresServer.StopMode = fault.kind == .postgresCrash ? .immediate : .fast
            try await onThread { try shard.primary.stop(mode) }
            return ActiveFault(target: shard.name) { try await onThread { try shard.primary.start() } }
        case .postgresFailover:
            try await onThread { try shard.destroyPrimary() }
            return ActiveFault(
                target: shard.name,
                undo: { try await onThread { try shard.promoteReplica() } },
                restore: { try await onThread { try shard.buildReplica() } }
            )
        case .postgresReplicaAway:
            let start = try await onThread { try shard.stopReplica() }
            return ActiveFault(target: "the replica of \(shard.name)") { try await onThread { try start() } }
        case .postgresDiskFull:
            try await onThread { try shard.primary.disk?.fill() }
            return ActiveFault(target: shard.name) {
                try await onThread {
                    shard.primary.disk?.free()
                    // A server that found no room for its log has ended, and is started again as by any supervisor.
                    try shard.primary.revive()
                }
            }
        default:
            return self.beginCutting(fault, shard)
        }
    }

    private func beginCutting(_ fault: PlannedFault, _ shard: ReplicatedShard) -> ActiveFault {
        let name = self.cluster.routers[fault.router].name
        let relays = self.cluster.relays { $0.from == name && $0.to.hasPrefix(shard.name + "/") }
        let cutting = Task {
            var random = SeededRandom(seed: fault.seed)
            while !Task.isCancelled {
                for relay in relays { relay.cut() }
                try? await Task.sleep(for: .milliseconds(Int.random(in: 50...700, using: &random)))
            }
        }
        return ActiveFault(target: "\(shard.name) for \(name)") {
            cutting.cancel()
            await cutting.value
        }
    }

    // MARK: - Mesh

    private func beginMesh(_ fault: PlannedFault) throws -> ActiveFault {
        let router = self.cluster.routers[fault.router].name
        let peer = self.cluster.nodes[fault.peer].name
        switch fault.kind {
        case .meshCut:
            let relays = self.links(router, peer)
            return try Self.impose(.init(accepting: .refuse), cutting: true, relays, "\(router) and \(peer)")
        case .meshOneWay:
            // Of a link that either may have dialled, the same way is forward on one relay and backward on the other.
            let (from, to) = fault.isForward ? (peer, router) : (router, peer)
            let onward = self.cluster.relays { $0.from == from && $0.to == to }
            let back = self.cluster.relays { $0.from == to && $0.to == from }
            let first = try Self.impose(.init(forward: .swallow), cutting: false, onward, "")
            let second = try Self.impose(.init(backward: .swallow), cutting: false, back, "")
            return ActiveFault(target: "from \(from) to \(to)") {
                try await first.undo()
                try await second.undo()
            }
        case .meshDelay:
            let delay = TCPRelay.Direction.delay(
                milliseconds: fault.delayMilliseconds,
                jitter: fault.jitterMilliseconds
            )
            return try Self.impose(
                .init(forward: delay, backward: delay),
                cutting: false,
                self.links(router, peer),
                "\(router) and \(peer), by \(fault.delayMilliseconds) to "
                    + "\(fault.delayMilliseconds + fault.jitterMilliseconds) ms each way"
            )
        case .meshSilent:
            let relays = self.cluster.relays { $0.from == peer && $0.to == router }
            return try Self.impose(.init(accepting: .silent), cutting: true, relays, "\(router) for \(peer)")
        case .meshPartitionRouters:
            let others = self.cluster.routers.map(\.name).filter { $0 != router }
            return try self.part(router, others, "\(router) from the other routers")
        default:
            let edge = self.cluster.edges[fault.edge].name
            return try self.part(edge, self.cluster.routers.map(\.name), "\(edge) from all routers")
        }
    }

    /// As when a switch fails: nothing is refused, nothing arrives.
    private func part(_ name: String, _ others: [String], _ target: String) throws -> ActiveFault {
        let relays = others.flatMap { self.links(name, $0) }
        return try Self.impose(
            .init(forward: .swallow, backward: .swallow, accepting: .silent),
            cutting: false,
            relays,
            target
        )
    }

    private func links(_ one: String, _ other: String) -> [TCPRelay] {
        self.cluster.relays { ($0.from == one && $0.to == other) || ($0.from == other && $0.to == one) }
    }

    private static func impose(
        _ behaviour: TCPRelay.Behaviour,
        cutting: Bool,
        _ relays: [TCPRelay],
        _ target: String
    ) throws -> ActiveFault {
        for relay in relays {
            try relay.behave(behaviour)
            if cutting { relay.cut() }
        }
        return ActiveFault(target: target) {
            for relay in relays { try relay.heal() }
        }
    }

    // MARK: - Clients

    private func beginClients() -> ActiveFault {
        for relay in self.cluster.relays(where: { $0.from == FaultyCluster.clients }) { relay.cut() }
        self.dropClients()
        return ActiveFault(target: "all clients") {}
    }
}
