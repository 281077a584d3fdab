// SPDX-License-Identifier: Apache-2.0

import ClusterConfiguration
import Directory
import Edge
import Logging
import Messaging
import NIOCore
import NIOPosix
import Observability
import Redis
import Router
import Storage

/// `trunkline run NODE`: puts one node of `cluster.yaml` together and runs it until the process is told to stop.
package struct NodeRunner: Sendable {
    let settings: ClusterSettings
    let node: ClusterSettings.Node
    let secrets: ResolvedSecrets
    private let certificates: NodeCertificates
    /// Where the settings and the secrets came from; for the doctor, who judges that too.
    let source: Source

    package struct Source: Sendable {
        /// Of the file.
        package var path: String
        package var environment: [String: String]

        package init(path: String, environment: [String: String]) {
            self.path = path
            self.environment = environment
        }
    }

    package init(
        settings: ClusterSettings,
        node: ClusterSettings.Node,
        secrets: ResolvedSecrets,
        certificates: NodeCertificates,
        source: Source
    ) {
        self.settings = settings
        self.node = node
        self.secrets = secrets
        self.certificates = certificates
        self.source = source
    }

    /// What the node is made of, whatever its role.
    struct Parts: Sendable {
        var incarnation: Incarnation
        /// For as long as the process: its event loops end with it.
        var group: MultiThreadedEventLoopGroup
        var metrics: MetricsRegistry
        /// Leases have a connection of their own, so that they never wait behind the registry's traffic.
        var leases: NodeLeases
        var registry: RedisConnection
        var certificates: NodeCertificates
        var logger: Logger
    }

    /// The group of the process, so that what libraries start by themselves shares its threads.
    private var eventLoopGroup: MultiThreadedEventLoopGroup {
        if self.settings.limits.eventLoops > 0 {
            NIOSingletons.groupLoopCountSuggestion = self.settings.limits.eventLoops
        }
        return .singleton
    }

    /// Sets up the whole process: logging, signals, limits. Call once, first thing.
    ///
    /// - Throws: `OperationsError` when the node cannot start or has to end.
    package func run() async throws {
        LogBootstrap.install(
            level: Logger.Level(rawValue: self.settings.log.level.rawValue) ?? .info,
            format: self.settings.log.format == .json ? .json : .text
        )
        var logger = Logger(label: self.node.role.rawValue)
        logger[.node] = "\(self.node.name)"
        let descriptors = FileDescriptorLimit.raise()
        let incarnation = Incarnation.generate()
        logger.notice(
            "starting",
            metadata: .keys([
                .version: "\(ProgramVersion.current)", .role: "\(self.node.role)", .incarnation: "\(incarnation)",
            ]).merging(["cluster": "\(self.settings.cluster)", "descriptors": "\(descriptors)"]) { first, _ in first }
        )
        try PortCheck.check(self.node, in: self.settings)

        let leaseConnection = try self.connectRedis(logger)
        let registryConnection = try self.connectRedis(logger)
        let parts = Parts(
            incarnation: incarnation,
            group: self.eventLoopGroup,
            metrics: MetricsRegistry(),
            leases: NodeLeases(connection: leaseConnection, cluster: self.settings.cluster),
            registry: registryConnection,
            certificates: self.certificates,
            logger: logger
        )
        parts.metrics.collectProcessMetrics()
        parts.metrics.gauge(
            "trunkline_node_identity",
            help: "Always 1; the labels tell which node this is.",
            labels: ["node": self.node.name, "role": self.node.role.rawValue, "version": ProgramVersion.current]
        ).set(1)
        parts.metrics.collectLogMetrics()
        self.certificates.register(in: parts.metrics)
        let result = await self.live(parts)
        await registryConnection.shutdown()
        await leaseConnection.shutdown()
        try result.get()
    }

    // MARK: - Private

    private func live(_ parts: Parts) async -> Result<Void, OperationsError> {
        let service: any NodeService
        let companion: @Sendable () async throws -> Void
        do {
            switch self.node.role {
            case .router:
                let shards = try await self.findShards(parts)
                let router = try self.makeRouter(parts, shards)
                let health = self.makeHealthServer(of: router, shards, parts)
                (service, companion) = (router, { try await health.run() })
            case .edge:
                // An edge serves health and metrics on its clients' port itself.
                let edge = try self.makeEdge(parts)
                (service, companion) = (edge, { try await edge.front.run() })
            }
        } catch {
            return .failure(
                OperationsError("the node cannot be put together: \(error)", remedy: "see `trunkline config check`")
            )
        }
        let keeper = self.makeKeeper(parts)
        NodeMetrics.register(in: parts.metrics, node: service, keeper: keeper)
        let life = NodeLife(
            node: service,
            keeper: keeper,
            shutdownTimeout: self.settings.timeouts.shutdown,
            readyMetadata: self.readyMetadata,
            logger: parts.logger
        )
        let reloader = CertificateReloader(self.certificates, logger: parts.logger)
        let signals = StopSignals { life.stop(.signal($0)) }
        defer { withExtendedLifetime(signals) {} }
        do throws(OperationsError) {
            try await life.run { try await reloader.run(beside: companion) }
            return .success(())
        } catch {
            return .failure(error)
        }
    }

    private func makeHealthServer(
        of service: RouterService,
        _ shards: [ShardDescriptor],
        _ parts: Parts
    ) -> HealthServer {
        HealthServer(
            address: self.node.http,
            group: parts.group,
            notReadyReasons: { service.notReadyReasons() },
            metrics: { parts.metrics.render() },
            admin: self.makeAdminInterface(of: service.router, shards, parts),
            logger: parts.logger
        )
    }

    private func makeKeeper(_ parts: Parts) -> LeaseKeeper {
        LeaseKeeper(
            leases: parts.leases,
            lease: NodeLease(
                name: self.node.name,
                incarnation: parts.incarnation,
                role: self.node.role == .router ? .router : .edge,
                state: .starting,
                meshAddress: self.node.meshToDial?.description,
                httpAddress: self.node.httpToAsk.description,
                version: ProgramVersion.current,
                meshVersion: UInt16(clamping: self.settings.limits.meshVersionMax),
                since: WallClock.now()
            ),
            timeToLive: self.settings.timeouts.nodeLease,
            renewal: self.settings.timeouts.leaseRenewal,
            isFoundByLeaseAlone: self.node.role == .router && !self.settings.isListed(self.node.name),
            logger: parts.logger
        )
    }

    /// A secret that a node of this role cannot do without.
    func required(_ secret: Secret?, _ key: String) throws(OperationsError) -> Secret {
        guard let secret else {
            throw OperationsError("there is no \(key)", remedy: "see `trunkline config check --node \(self.node.name)`")
        }
        return secret
    }

    private func connectRedis(_ logger: Logger) throws -> RedisConnection {
        do throws(RedisError) {
            return try RedisConnection(
                configuration: RedisConfiguration(settings: self.settings, secrets: self.secrets),
                logger: logger
            )
        } catch {
            throw OperationsError(error.message, remedy: "raise the limits of the system, or end other programs")
        }
    }

    private var readyMetadata: Logger.Metadata {
        let secured = self.certificates.clients == nil ? "" : "s"
        var metadata: Logger.Metadata = ["http": "http\(secured)://\(self.node.http)"]
        metadata["mesh"] = self.node.mesh.map { "\($0)" }
        metadata["websocket"] = self.node.role == .edge ? "ws\(secured)://\(self.node.http)/ws" : nil
        return metadata
    }
}
