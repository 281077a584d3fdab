// SPDX-License-Identifier: Apache-2.0

import ClusterConfiguration
import Directory
import Logging
import Messaging
import NIOCore
import Placement
import Redis
import Storage

/// Looks at a cluster from outside: leases in Redis, views and shard maps in the shards, `/ready` of every node. Each
/// is best effort and has the same time; what cannot be reached is part of the answer.
package struct StatusCollector: Sendable {
    private let settings: ClusterSettings
    private let secrets: ResolvedSecrets
    private let group: any EventLoopGroup
    private let timeout: Duration
    private let logger: Logger

    /// - Parameter timeout: For each thing that is asked; all are asked at once.
    package init(
        settings: ClusterSettings,
        secrets: ResolvedSecrets,
        group: any EventLoopGroup,
        timeout: Duration = .seconds(3),
        logger: Logger
    ) {
        self.settings = settings
        self.secrets = secrets
        self.group = group
        self.timeout = timeout
        self.logger = logger
    }

    package func collect() async -> ClusterStatus {
        async let shards = self.readShards()
        // Who has joined is only known from the leases.
        let leases = await self.readLeases()
        async let probes = self.probeNodes(leases)
        let seen = await ClusterObservation(leases: leases, shards: shards, probes: probes, now: WallClock.now())
        return ClusterStatus(of: self.settings, seen: seen)
    }

    // MARK: - Private

    func readLeases() async -> ClusterObservation.Seen<NodeLeases.Listing> {
        var configuration = RedisConfiguration(settings: self.settings, secrets: self.secrets)
        configuration.connectTimeout = self.timeout
        configuration.commandTimeout = self.timeout
        let connection: RedisConnection
        do throws(RedisError) {
            connection = try RedisConnection(configuration: configuration, logger: self.logger)
        } catch {
            return .unreachable(error.message)
        }
        let seen: ClusterObservation.Seen<NodeLeases.Listing>
        do {
            seen = .value(try await NodeLeases(connection: connection, cluster: self.settings.cluster).leases())
        } catch {
            seen = .unreachable(Self.reason(error))
        }
        await connection.shutdown()
        return seen
    }

    private static func reason(_ error: any Error) -> String {
        (error as? DirectoryError)?.message ?? "\(error)"
    }

    func readShards() async -> [String: ClusterObservation.Seen<ClusterObservation.ShardState>] {
        let listed = await self.readShards(self.settings.shards.map { self.secrets.descriptor(of: $0) })
        let others = ClusterObservation.newestCatalog(in: listed)?.shards.filter { shard in
            listed[shard.name] == nil && !shard.connection.isEmpty
        }
        let joined = await self.readShards(
            (others ?? []).map { ShardDescriptor(name: $0.name, connectionString: $0.connection) }
        )
        return listed.merging(joined) { first, _ in first }
    }

    private func readShards(
        _ shards: [ShardDescriptor]
    ) async -> [String: ClusterObservation.Seen<ClusterObservation.ShardState>] {
        typealias Entry = (String, ClusterObservation.Seen<ClusterObservation.ShardState>)
        return await withTaskGroup(of: Entry.self) { group in
            for shard in shards {
                group.addTask {
                    let seen = await onOwnThread(named: "status") { self.readShard(shard) }
                    return (shard.name, seen ?? .unreachable("the system has no thread left"))
                }
            }
            return await group.reduce(into: [:]) { $0[$1.0] = $1.1 }
        }
    }

    private func readShard(
        _ shard: ShardDescriptor
    ) -> ClusterObservation.Seen<ClusterObservation.ShardState> {
        let session = ShardSession(
            ShardSession.Configuration(
                cluster: self.settings.cluster,
                shard: shard,
                applicationName: "trunkline status",
                connectTimeout: self.timeout,
                statementTimeout: self.timeout,
                logger: self.logger
            )
        )
        defer { session.close() }
        do throws(StorageError) {
            return .value(
                ClusterObservation.ShardState(
                    view: try session.readView(),
                    catalog: try session.readCatalog(),
                    transfers: try session.readTransfers(),
                    move: try session.readMoveSigns()
                )
            )
        } catch {
            return .unreachable(error.message)
        }
    }

    /// What a node says of itself wins over the file.
    private func addresses(
        _ leases: ClusterObservation.Seen<NodeLeases.Listing>
    ) -> [String: (address: NetworkAddress, isEdge: Bool)] {
        var addresses = Dictionary(
            self.settings.nodes.map { ($0.name, (address: $0.httpToAsk, isEdge: $0.role == .edge)) }
        ) {
            first,
            _ in first
        }
        guard case .value(let listing) = leases else { return addresses }
        for lease in listing.leases {
            guard let address = lease.httpAddress.flatMap({ NetworkAddress($0) }) else { continue }
            addresses[lease.name] = (address, lease.role == .edge)
        }
        return addresses
    }

    private func probe(_ name: String, _ address: NetworkAddress, isEdge: Bool) async
        -> ClusterObservation.Seen<
            ClusterObservation.Probe
        >
    {
        let probe = ReadinessProbe(group: self.group, timeout: self.timeout)
        do throws(OperationsError) {
            let context = try await NodeTrust(self.settings).context(for: name, isEdge: isEdge)
            return await probe.ask(address, over: context)
        } catch {
            return .unreachable(error.message)
        }
    }

    private func probeNodes(
        _ leases: ClusterObservation.Seen<NodeLeases.Listing>
    ) async -> [String: ClusterObservation.Seen<ClusterObservation.Probe>] {
        typealias Entry = (String, ClusterObservation.Seen<ClusterObservation.Probe>)
        return await withTaskGroup(of: Entry.self) { group in
            for (name, node) in self.addresses(leases) {
                group.addTask { (name, await self.probe(name, node.address, isEdge: node.isEdge)) }
            }
            return await group.reduce(into: [:]) { $0[$1.0] = $1.1 }
        }
    }
}
