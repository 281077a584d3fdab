// SPDX-License-Identifier: Apache-2.0

import ClusterConfiguration
import Directory
import Logging
import Messaging
import NIOCore
import NIOSSL
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

    private func readShards() async -> [String: ClusterObservation.Seen<ClusterObservation.ShardState>] {
        typealias Entry = (String, ClusterObservation.Seen<ClusterObservation.ShardState>)
        return await withTaskGroup(of: Entry.self) { group in
            for shard in self.settings.shards {
                group.addTask {
                    let seen = await onOwnThread(named: "status") { self.readShard(shard) }
                    return (shard.name, seen ?? .unreachable("the system has no thread left"))
                }
            }
            return await group.reduce(into: [:]) { $0[$1.0] = $1.1 }
        }
    }

    private func readShard(
        _ shard: ClusterSettings.Shard
    ) -> ClusterObservation.Seen<ClusterObservation.ShardState> {
        let session = ShardSession(
            ShardSession.Configuration(
                cluster: self.settings.cluster,
                shard: ShardDescriptor(
                    name: shard.name,
                    connectionString: self.secrets.connection(to: shard).exposedText
                ),
                applicationName: "trunkline status",
                connectTimeout: self.timeout,
                statementTimeout: self.timeout,
                logger: self.logger
            )
        )
        defer { session.close() }
        do throws(StorageError) {
            return .value(ClusterObservation.ShardState(view: try session.readView(), map: try session.readShardMap()))
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
        let trust = NodeTrust(self.settings)
        let context = await onOwnThread(named: "status") { () -> Result<NIOSSLContext?, OperationsError> in
            do throws(OperationsError) {
                return .success(isEdge ? try trust.context(for: name) : nil)
            } catch {
                return .failure(error)
            }
        }
        let probe = ReadinessProbe(group: self.group, timeout: self.timeout)
        switch context {
        case .success(let context): return await probe.ask(address, over: context)
        case .failure(let error): return .unreachable(error.message)
        case nil: return .unreachable("the system has no thread left")
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
