// SPDX-License-Identifier: Apache-2.0

import Directory
import Logging
import Messaging
import Redis
import TestSupport

/// A private Redis, a connection to it, and the two halves of the directory on top.
///
/// A class, like ``TestEdge``, so that a closure captures one word of it: Swift 6.3.1 without optimisation corrupts the
/// stack in async closures that capture more `UInt128` values than fit into registers.
final class DirectoryFixture: Sendable {
    static let cluster = "test"

    let server: RedisServer
    let connection: RedisConnection
    let registry: SessionRegistry
    let leases: NodeLeases

    init(lifetimes: SessionRegistry.Lifetimes = SessionRegistry.Lifetimes()) async throws {
        let server = try RedisServer()
        let connection = try RedisConnection(
            configuration: RedisConfiguration(endpoint: RedisEndpoint(host: "127.0.0.1", port: server.port)),
            logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
        )
        try await eventually("the connection") { connection.state.isConnected }
        self.server = server
        self.connection = connection
        self.registry = SessionRegistry(connection: connection, cluster: Self.cluster, lifetimes: lifetimes)
        self.leases = NodeLeases(connection: connection, cluster: Self.cluster)
    }

    /// Crashes the server and starts it again, and waits until the connection knows.
    func restartServer() async throws {
        let generation = self.connection.state.connectionGeneration
        try self.server.restart()
        try await eventually("the connection after the restart") {
            self.connection.state.isConnected && self.connection.state.connectionGeneration > generation
        }
    }

    func send(_ name: String, _ arguments: String...) async throws -> RedisValue? {
        try await self.connection.send([RedisCommand(name, arguments)]).first
    }

    func userKey(_ user: UserID) -> String { "trunkline:\(Self.cluster):user:\(user)" }
}

/// An edge in one of its lives.
final class TestEdge: Sendable {
    let life: EdgeLife

    init(_ name: String) {
        self.life = EdgeLife(edge: name, incarnation: .generate())
    }

    /// A session that begins now; later ones have larger ids.
    func session() -> SessionLocation {
        SessionLocation(edge: self.life.edge, incarnation: self.life.incarnation, session: .generate())
    }
}
