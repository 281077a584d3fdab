// SPDX-License-Identifier: Apache-2.0

import ClusterConfiguration
import Directory
import Logging
import Mesh
import NIOCore
import Router
import Storage
import Wire

extension NodeRunner {
    /// A router as `cluster.yaml` says.
    func makeRouter(_ parts: Parts, _ shards: [ShardDescriptor]) throws -> RouterService {
        guard let address = self.node.mesh else {
            throw OperationsError("\(self.node.name) has no mesh address", remedy: "add one in cluster.yaml")
        }
        let timeouts = self.settings.timeouts
        var configuration = RouterNode.Configuration(
            name: self.node.name,
            incarnation: parts.incarnation,
            mesh: try self.meshSettings(parts),
            meshHost: address.host,
            meshPort: address.port,
            routers: self.settings.listedRouters,
            shards: shards,
            session: { self.session($0, parts) },
            writersPerShard: self.settings.limits.shardWriters,
            readersPerShard: self.settings.limits.shardReaders,
            writerBounds: self.writerBounds,
            viewPolicy: ViewPolicy(
                // Time for a link that is only being dialled again.
                suspectAfter: timeouts.heartbeat,
                // Half an interval more than a living router takes.
                staleLeaseAfter: timeouts.leaseRenewal * 3 / 2,
                // The link is the only witness then, so it has to be gone for as long as a lease lives.
                suspectWithoutLeaseAfter: timeouts.nodeLease
            ),
            leaseTimeToLive: timeouts.nodeLease,
            leaseReadInterval: timeouts.leaseRenewal,
            requestTimeout: timeouts.request,
            typingMembersMax: self.settings.limits.presenceMembers
        )
        let addresses = ShardAddresses(connection: parts.registry, cluster: self.settings.cluster)
        let logger = parts.logger
        configuration.publicConnections = self.publicConnections
        configuration.publish = { entries in
            do {
                try await addresses.publish(entries)
            } catch {
                logger.debug("where the shards are could not be told", metadata: ["reason": "\(error)"])
            }
        }
        configuration.changedConversationsMax = self.settings.limits.changedConversations
        configuration.relayedFromEdges = self.settings.limits.relayedFromEdges
        let router = RouterNode(
            configuration,
            registry: SessionRegistry(connection: parts.registry, cluster: self.settings.cluster),
            leases: parts.leases,
            group: parts.group,
            metrics: parts.metrics,
            logger: parts.logger
        )
        return RouterService(router: router, shutdownTimeout: timeouts.shutdown)
    }

    private func meshSettings(_ parts: Parts) throws(OperationsError) -> MeshSettings {
        let timeouts = self.settings.timeouts
        let limits = self.settings.limits
        let secret = try self.required(self.secrets.mesh, "secrets.mesh_secret")
        var mesh = MeshSettings(cluster: self.settings.cluster, secret: secret.exposedBytes)
        mesh.heartbeatInterval = TimeAmount(timeouts.heartbeat)
        mesh.silenceLimit = TimeAmount(timeouts.silence)
        mesh.connectTimeout = TimeAmount(timeouts.connect)
        mesh.handshakeTimeout = TimeAmount(timeouts.connect)
        mesh.compression = BlockCompression(
            thresholdBytes: limits.meshCompressionThresholdBytes,
            level: limits.meshCompressionLevel
        )
        mesh.outboundQueueBytesMax = limits.meshQueueBytes
        mesh.versionMax = UInt16(clamping: limits.meshVersionMax)
        mesh.creditItems = limits.meshCreditItems
        mesh.creditBytes = limits.meshCreditBytes
        mesh.certificates = parts.certificates.mesh
        return mesh
    }

    /// The shards of the file; without any, those that other routers have told by way of Redis.
    func findShards(_ parts: Parts) async throws -> [ShardDescriptor] {
        guard self.settings.shards.isEmpty else { return self.settings.shards.map { self.secrets.descriptor(of: $0) } }
        let entries = try await ShardAddresses(connection: parts.registry, cluster: self.settings.cluster).read()
        guard !entries.isEmpty else {
            throw OperationsError(
                "no shard is known: the file lists none, and no router has told any",
                remedy: "list them under `shards`, or start a router first whose file does"
            )
        }
        return entries.map { ShardDescriptor(name: $0.name, connectionString: $0.connection) }
    }

    private var publicConnections: [String: String] {
        let shards = self.settings.shards.filter { !$0.connection.holdsPassword }
        return Dictionary(shards.map { ($0.name, $0.connection.exposedText) }) { first, _ in first }
    }

    private func session(_ shard: ShardDescriptor, _ parts: Parts) -> ShardSession.Configuration {
        ShardSession.Configuration(
            cluster: self.settings.cluster,
            shard: shard,
            applicationName: self.node.name,
            connectTimeout: self.settings.timeouts.connect,
            statementTimeout: self.settings.timeouts.statement,
            logger: parts.logger
        )
    }

    private var writerBounds: ShardWriter.Bounds {
        let limits = self.settings.limits
        let writers = max(1, limits.shardWriters)
        // The limits are those of a shard; its writers share them evenly.
        return ShardWriter.Bounds(
            queuedCallsMax: max(1, limits.shardQueueMessages / writers),
            queuedBytesMax: max(1, limits.shardQueueBytes / writers),
            batchMessagesMax: limits.batchMessages,
            batchBytesMax: limits.batchBytes,
            beginInterval: TimeAmount(self.settings.timeouts.commitInterval),
            conversationsMax: limits.cachedConversationsPerWriter,
            receiptMembersMax: limits.receiptMembers
        )
    }
}

extension ClusterSettings {
    /// The routers that the file lists.
    var listedRouters: [RouterBook.Entry] {
        self.routers.compactMap { router in
            router.meshToDial.map { RouterBook.Entry(name: router.name, host: $0.host, port: $0.port) }
        }
    }
}

/// A router as one node.
struct RouterService: NodeService {
    let router: RouterNode
    let shutdownTimeout: Duration

    func start() async throws {
        try await self.router.start()
    }

    func notReadyReasons() -> [String] {
        self.router.notReadyReasons()
    }

    var isDraining: Bool { self.router.isDraining }

    func shutdown() async {
        await self.router.shutdown(within: self.shutdownTimeout)
    }
}
