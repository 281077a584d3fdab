// SPDX-License-Identifier: Apache-2.0

import ClusterConfiguration
import Directory
import Edge
import Messaging

extension NodeRunner {
    /// An edge as `cluster.yaml` says: links and sessions, and REST and WebSockets on one port in front of them.
    func makeEdge(_ parts: Parts) throws -> EdgeService {
        let settings = self.settings
        let passwords = settings.passwords
        let tokens = AccessTokens(
            secret: try self.required(self.secrets.token, "secrets.token_secret").exposedBytes,
            issuer: settings.cluster,
            lifetime: settings.tokens.accessLifetime
        )
        let edge = EdgeNode(
            settings: settings,
            node: self.node,
            incarnation: parts.incarnation,
            meshSecret: try self.required(self.secrets.mesh, "secrets.mesh_secret").exposedBytes,
            meshCertificates: parts.certificates.mesh,
            directory: SessionRegistry(connection: parts.registry, cluster: settings.cluster),
            routers: settings.listedRouters,
            watch: NodeWatch(leases: parts.leases),
            verifier: tokens,
            group: parts.group,
            metrics: parts.metrics,
            logger: parts.logger
        )
        let cost = ScryptCost(
            log2N: passwords.scryptLog2N,
            blockSize: passwords.scryptR,
            parallelism: passwords.scryptP
        )
        guard cost.isAcceptable else {
            throw OperationsError(
                "passwords.scrypt_log2_n, scrypt_r and scrypt_p ask for more than an edge spends on one password",
                remedy: "lower them; `trunkline config reference` has the defaults"
            )
        }
        let hasher = PasswordHasher(
            cost: cost,
            concurrent: passwords.concurrentHashes,
            queuedMax: passwords.queuedHashesMax
        )
        let accounts = Accounts(
            routers: edge.routers,
            tokens: tokens,
            hasher: hasher,
            admission: edge.admission,
            refreshLifetime: settings.tokens.refreshLifetime
        )
        let interface = RESTInterface(
            RESTInterface.Environment(
                routers: edge.routers,
                accounts: accounts,
                tokens: tokens,
                admission: edge.admission,
                metrics: parts.metrics,
                bodyBytesMax: settings.limits.httpBodyBytes,
                unreadyReasons: { edge.unreadyReasons }
            )
        )
        var http = HTTPSettings(settings, node: self.node)
        http.certificates = parts.certificates.clients
        let front = HTTPFront(
            settings: http,
            api: interface,
            acceptor: edge,
            admission: edge.admission,
            eventLoops: parts.group,
            logger: parts.logger
        )
        return EdgeService(
            edge: edge,
            front: front,
            hasher: hasher,
            shutdownTimeout: settings.timeouts.shutdown
        )
    }
}

/// An edge and its port as one node.
struct EdgeService: NodeService {
    let edge: EdgeNode
    let front: HTTPFront
    let hasher: PasswordHasher
    let shutdownTimeout: Duration

    /// Returns once clients can connect; throws when the address cannot be listened on.
    func start() async throws {
        self.edge.start()
        _ = try await self.front.listeningPort()
    }

    func notReadyReasons() -> [String] {
        self.edge.unreadyReasons
    }

    var isDraining: Bool { self.edge.isDraining }

    /// First nobody new comes in, then the sessions are told to go; requests under way are answered meanwhile.
    func shutdown() async {
        self.edge.beginStop()
        await self.front.stop()
        await self.edge.shutdown(within: self.shutdownTimeout)
        await self.hasher.shutdown()
    }
}
