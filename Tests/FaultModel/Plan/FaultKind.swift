// SPDX-License-Identifier: Apache-2.0

/// Something that is done to a running cluster, and undone again. The raw value is its name on the command line.
package enum FaultKind: String, Sendable, CaseIterable, Hashable {
    case killRouter = "kill-router"
    case freezeRouter = "freeze-router"
    case stopRouter = "stop-router"
    case killEdge = "kill-edge"
    case freezeEdge = "freeze-edge"
    case stopEdge = "stop-edge"
    case redisFlush = "redis-flush"
    case redisRestart = "redis-restart"
    case redisKill = "redis-kill"
    case redisUnreachable = "redis-unreachable"
    case redisFailover = "redis-failover"
    case redisSwap = "redis-swap"
    case postgresCrash = "postgres-crash"
    case postgresStop = "postgres-stop"
    case postgresFailover = "postgres-failover"
    case postgresCut = "postgres-cut"
    case postgresDiskFull = "postgres-disk-full"
    case postgresReplicaAway = "postgres-replica-away"
    case meshCut = "mesh-cut"
    case meshOneWay = "mesh-one-way"
    case meshDelay = "mesh-delay"
    case meshSilent = "mesh-silent"
    case meshPartitionRouters = "mesh-partition-routers"
    case meshPartitionEdge = "mesh-partition-edge"
    case clientsStorm = "clients-storm"

    /// What a fault is done to. Two faults at once are always of different groups: one of them must not undo the other,
    /// and no shard may lose the primary while its only replica is being built.
    package enum Group: Sendable, Hashable {
        case router, edge, redis, postgres, mesh, clients
    }

    package var group: Group {
        switch self {
        case .killRouter, .freezeRouter, .stopRouter: .router
        case .killEdge, .freezeEdge, .stopEdge: .edge
        case .redisFlush, .redisRestart, .redisKill, .redisUnreachable, .redisFailover, .redisSwap: .redis
        case .postgresCrash, .postgresStop, .postgresFailover, .postgresCut, .postgresDiskFull,
            .postgresReplicaAway:
            .postgres
        case .meshCut, .meshOneWay, .meshDelay, .meshSilent, .meshPartitionRouters, .meshPartitionEdge: .mesh
        case .clientsStorm: .clients
        }
    }

    /// For `--list`: what is done, how it is undone.
    package var summary: String {
        switch self {
        case .killRouter: "a router is killed (SIGKILL) and started again"
        case .freezeRouter: "a router is frozen (SIGSTOP) beyond its lease and wakes up (SIGCONT)"
        case .stopRouter: "a router is stopped as planned (SIGTERM) and started again"
        case .killEdge: "an edge is killed and started again"
        case .freezeEdge: "an edge is frozen and wakes up"
        case .stopEdge: "an edge is stopped as planned and started again"
        case .redisFlush: "everything in Redis is deleted"
        case .redisRestart: "Redis is killed and started again at once, empty"
        case .redisKill: "Redis is killed and away for seconds"
        case .redisUnreachable: "one node loses Redis: its connections are cut and new ones refused"
        case .redisFailover: "Redis' primary is killed, its replica promoted, the killed one made its replica"
        case .redisSwap: "Redis' replica becomes the primary and the primary its replica, with all connections open"
        case .postgresCrash: "a shard's primary is stopped at once (as a crash would) and recovers"
        case .postgresStop: "a shard's primary is stopped; in long runs it is away for longer than a message is tried"
        case .postgresFailover: "a shard's primary is killed for good, its replica promoted, a new replica built"
        case .postgresCut: "the connections of one router to one shard are cut again and again"
        case .postgresDiskFull: "the disk of a shard's primary is full, then has room again"
        case .postgresReplicaAway: "a shard's replica is away: nothing may be acknowledged that only the primary has"
        case .meshCut: "the links between two nodes are cut and refused"
        case .meshOneWay: "what one node sends to another is swallowed; the connections stay"
        case .meshDelay: "what two nodes send each other comes late"
        case .meshSilent: "a router's address accepts connections of another node and never answers"
        case .meshPartitionRouters: "one router and the other routers hear nothing of each other; edges hear all"
        case .meshPartitionEdge: "an edge and all routers hear nothing of each other"
        case .clientsStorm: "all clients lose their connections at the same moment"
        }
    }

    /// How long a fault lasts, in milliseconds; the seed chooses from the range. Zero: it is over once it is done.
    ///
    /// - Parameter isLong: Whether the run has time: some faults show all they do only after the 15 s for which an edge
    ///   tries to place a message.
    package func holdMilliseconds(isLong: Bool) -> ClosedRange<Int> {
        switch self {
        case .killRouter, .killEdge: 500...5000
        // A lease lives 2 s: the others have replaced it before it wakes up.
        case .freezeRouter, .freezeEdge: 3000...6000
        case .stopRouter, .stopEdge: 200...2000
        case .redisFlush, .redisRestart, .redisSwap, .clientsStorm: 0...0
        case .redisKill, .redisUnreachable: 1000...6000
        case .redisFailover: 500...4000
        case .postgresCrash: 0...500
        case .postgresStop: isLong ? 25_000...35_000 : 5000...8000
        case .postgresFailover: 500...2000
        case .postgresCut: 2000...4000
        case .postgresDiskFull: isLong ? 5000...15_000 : 3000...5000
        // Longer than a statement may take, which is when a commit might stop waiting for the replica.
        case .postgresReplicaAway: 6500...9000
        case .meshCut, .meshOneWay, .meshSilent, .meshPartitionRouters, .meshPartitionEdge: 1000...6000
        case .meshDelay: 3000...6000
        }
    }
}
