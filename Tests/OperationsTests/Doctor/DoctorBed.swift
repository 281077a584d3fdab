// SPDX-License-Identifier: Apache-2.0

import ClusterConfiguration
import Logging
import Messaging
import NIOPosix
import TestSupport

@testable import Operations

/// One Postgres with the databases `one` and `two`, one Redis, and a file that makes them the shards of a cluster with a
/// router and an edge, which do not run. All is well with it until a test breaks something.
struct DoctorBed: Sendable {
    static let secrets = [
        "TRUNKLINE_MESH_SECRET": "the mesh's secret of the tests",
        "TRUNKLINE_TOKEN_SECRET": "the tokens' secret of the tests",
    ]

    let postgres: PostgresServer
    let redis: RedisServer
    var settings: ClusterSettings
    var environment = Self.secrets

    init(
        durability: PostgresServer.Durability = .fsync,
        postgresSettings: [String] = [],
        redisOptions: [String] = [],
        redisPassword: String? = nil,
        migrate: Bool = true
    ) async throws {
        let (postgres, redis) = try await blocking {
            let postgres = try PostgresServer(durability: durability, settings: postgresSettings)
            try postgres.createDatabase("one")
            try postgres.createDatabase("two")
            return (postgres, try RedisServer(password: redisPassword, options: redisOptions))
        }
        self.postgres = postgres
        self.redis = redis
        self.settings = try Self.settings(redis, ["one", "two"].map { postgres.connectionString(database: $0) })
        // Of the machine of the tests, whatever it allows.
        self.settings.limits.sessionsPerEdge = 100
        if migrate { try await self.migrate() }
    }

    static func settings(
        _ redis: RedisServer,
        _ shards: [String],
        redisURL: String? = nil
    ) throws -> ClusterSettings {
        var settings = try makeSettings(
            redisPort: redis.port,
            redisURL: redisURL,
            shards: shards,
            routerMesh: freePort(),
            routerHTTP: freePort(),
            edgeHTTP: freePort()
        )
        settings.limits.sessionsPerEdge = 100
        return settings
    }

    func migrate() async throws {
        let secrets = try self.settings.resolveSecrets(environment: self.environment)
        try await ShardMigration(settings: self.settings, secrets: secrets, wait: .seconds(10)).run { _ in }
    }

    mutating func use(_ shards: [String]) throws {
        self.settings = try Self.settings(self.redis, shards)
    }

    /// Another place where Redis is, as in the file.
    mutating func use(redisURL: String) throws {
        let shards = ["one", "two"].map(self.connection)
        self.settings = try Self.settings(self.redis, shards, redisURL: redisURL)
    }

    func connection(_ database: String) -> String { self.postgres.connectionString(database: database) }

    func sql(_ text: String, _ database: String = "postgres") async throws {
        let postgres = self.postgres
        try await blocking { try postgres.run(sql: text, database: database) }
    }

    func report(
        timeout: Duration = .seconds(10),
        path: String? = nil,
        now: @escaping @Sendable () -> UnixMilliseconds = { WallClock.now() }
    ) async -> DoctorReport {
        let collector = DoctorCollector(
            settings: self.settings,
            path: path,
            environment: self.environment,
            group: MultiThreadedEventLoopGroup.singleton,
            timeout: timeout,
            now: now,
            logger: LogRecorder().logger
        )
        return DoctorReport(await collector.collect())
    }
}

extension DoctorReport {
    func findings(_ level: DoctorFinding.Level) -> [DoctorFinding] { self.findings.filter { $0.level == level } }

    /// The checks that fail or warn.
    var complaints: [String] {
        self.findings.filter { $0.level == .fails || $0.level == .warning }.map(\.check)
    }

    func of(_ check: String) -> [DoctorFinding] { self.findings.filter { $0.check == check } }
}
