// SPDX-License-Identifier: Apache-2.0

import ClusterConfiguration
import Directory
import Logging
import Messaging
import NIOCore
import NIOHTTP1
import Placement
import Redis
import Storage

/// Looks at a cluster from outside for one question at a time, and changes nothing.
package struct ClusterLook: Sendable {
    let settings: ClusterSettings
    let secrets: ResolvedSecrets
    let group: any EventLoopGroup
    let timeout: Duration
    let logger: Logger

    /// - Parameter timeout: for each thing that is asked.
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

    var status: StatusCollector {
        StatusCollector(
            settings: self.settings,
            secrets: self.secrets,
            group: self.group,
            timeout: self.timeout,
            logger: self.logger
        )
    }

    /// Where slots are, and how each shard is reached.
    struct Whereabouts: Sendable {
        var table = RoutingTable()
        var map: ShardMap
        /// By the shard's name: those of the file and those that the catalog tells of.
        var shards: [String: ShardDescriptor]
    }

    /// The newest shard map, and the views of the shards that can be reached.
    ///
    /// - Throws: `OperationsError` when no shard has a map.
    func whereabouts() async throws(OperationsError) -> Whereabouts {
        let seen = await self.status.readShards()
        var table = RoutingTable()
        var reasons: [String] = []
        for (name, seen) in seen.sorted(by: { $0.key < $1.key }) {
            switch seen {
            case .value(let state):
                if let map = state.map { table.adopt(map) }
                table.adopt(state.view)
            case .unreachable(let reason):
                reasons.append(reason.hasPrefix("shard ") ? reason : "\(name): \(reason)")
            }
        }
        guard let map = table.map else {
            let text = reasons.joined(separator: "; ").split(whereSeparator: \.isWhitespace).joined(separator: " ")
            throw OperationsError(
                text.isEmpty ? "no shard has a map" : "no shard can be asked for the map: \(text)",
                remedy: "see `trunkline doctor`"
            )
        }
        var shards: [String: ShardDescriptor] = [:]
        for shard in ClusterObservation.newestCatalog(in: seen)?.shards ?? [] where !shard.connection.isEmpty {
            shards[shard.name] = ShardDescriptor(name: shard.name, connectionString: shard.connection)
        }
        // What the file says wins: it has the password.
        for shard in self.settings.shards { shards[shard.name] = self.secrets.descriptor(of: shard) }
        return Whereabouts(table: table, map: map, shards: shards)
    }

    /// Reads from one shard, on a thread of its own.
    func read<Value: Sendable>(
        _ name: String,
        _ whereabouts: Whereabouts,
        _ body: @escaping @Sendable (ShardSession) throws(StorageError) -> Value
    ) async throws(OperationsError) -> Value {
        guard let shard = whereabouts.shards[name] else {
            throw OperationsError(
                "neither the file nor the shards' catalog says how to reach shard \(name)",
                remedy: "use the file of a machine where it is known; see `trunkline doctor`"
            )
        }
        let configuration = ShardSession.Configuration(
            cluster: self.settings.cluster,
            shard: shard,
            applicationName: "trunkline look",
            connectTimeout: self.timeout,
            statementTimeout: self.timeout,
            logger: self.logger
        )
        let result = await onOwnThread(named: "look") { () -> Result<Value, StorageError> in
            let session = ShardSession(configuration)
            defer { session.close() }
            return Result { () throws(StorageError) in try body(session) }
        }
        guard let result else {
            throw OperationsError("the system has no thread left", remedy: "raise its limits, or end other programs")
        }
        do throws(StorageError) {
            return try result.get()
        } catch {
            throw OperationsError(
                error.message.split(whereSeparator: \.isWhitespace).joined(separator: " "),
                remedy: "see `trunkline doctor`"
            )
        }
    }

    /// The leases.
    func leases() async throws(OperationsError) -> [NodeLease] {
        switch await self.status.readLeases() {
        case .value(let listing): return listing.leases
        case .unreachable(let reason):
            throw OperationsError("Redis cannot be asked: \(reason)", remedy: "see `trunkline doctor`")
        }
    }

    /// Reads from Redis over a connection of its own.
    func withRedis<Value: Sendable>(
        _ body: (RedisConnection) async throws(DirectoryError) -> Value
    ) async throws(OperationsError) -> Value {
        var configuration = RedisConfiguration(settings: self.settings, secrets: self.secrets)
        configuration.connectTimeout = self.timeout
        configuration.commandTimeout = self.timeout
        let remedy = "see `trunkline doctor`"
        let connection: RedisConnection
        do throws(RedisError) {
            connection = try RedisConnection(configuration: configuration, logger: self.logger)
        } catch {
            throw OperationsError(error.message, remedy: remedy)
        }
        let result: Result<Value, DirectoryError>
        do throws(DirectoryError) {
            result = .success(try await body(connection))
        } catch {
            result = .failure(error)
        }
        await connection.shutdown()
        switch result {
        case .success(let value): return value
        case .failure(let error): throw OperationsError("Redis cannot be asked: \(error.message)", remedy: remedy)
        }
    }
}
