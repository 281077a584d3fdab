// SPDX-License-Identifier: Apache-2.0

import ClusterConfiguration
import Logging
import NIOPosix
import Synchronization
import TestSupport
import Testing

@testable import Operations

@Suite("`trunkline migrate` and `trunkline status` against real servers")
struct ShardMigrationTests {
    private final class Lines: Sendable {
        private let said = Mutex<[String]>([])
        var all: [String] { self.said.withLock { $0 } }
        func say(_ line: String) { self.said.withLock { $0.append(line) } }
    }

    private static func postgres(with databases: [String]) async throws -> PostgresServer {
        try await blocking {
            let server = try PostgresServer()
            for database in databases {
                try server.createDatabase(database)
            }
            return server
        }
    }

    @Test("every shard is brought to the schema, a second run changes nothing, and status shows them")
    func migrateTwice() async throws {
        let postgres = try await Self.postgres(with: ["one", "two"])
        let redis = try await blocking { try RedisServer() }
        let settings = try makeSettings(
            redisPort: redis.port,
            shards: ["one", "two"].map { postgres.connectionString(database: $0) },
            routerHTTP: freePort(),
            edgeHTTP: freePort()
        )
        let migration = ShardMigration(settings: settings, secrets: testSecrets, wait: .seconds(10))
        let first = Lines()
        try await migration.run(say: first.say)
        #expect(first.all.count == 2)
        #expect(first.all.allSatisfy { $0.contains("applied 1 initial schema") })
        let second = Lines()
        try await migration.run(say: second.say)
        #expect(
            second.all.map { $0.split(separator: " (").first ?? "" } == ["shard-1: up to date", "shard-2: up to date"]
        )

        let status = await StatusCollector(
            settings: settings,
            secrets: testSecrets,
            group: MultiThreadedEventLoopGroup.singleton,
            logger: LogRecorder().logger
        ).collect()
        #expect(status.redisProblem == nil)
        #expect(status.shards.map(\.reachable) == [true, true])
        #expect(status.shards.map(\.epoch) == [0, 0])
        #expect(status.shards.map(\.slots) == [2048, 2048])
        #expect(status.warnings.contains("router router-1 is not running"))
        #expect(status.warnings.contains("shard shard-1 has no router: its slots are served by nobody"))
    }

    @Test("two runs at once do it once")
    func migrateAtOnce() async throws {
        let postgres = try await Self.postgres(with: ["one"])
        let settings = try makeSettings(shards: [postgres.connectionString(database: "one")])
        let lines = Lines()
        try await withThrowingTaskGroup(of: Void.self) { group in
            for _ in 0..<4 {
                group.addTask {
                    let migration = ShardMigration(settings: settings, secrets: testSecrets, wait: .seconds(10))
                    try await migration.run(say: lines.say)
                }
            }
            try await group.waitForAll()
        }
        #expect(lines.all.count { $0.contains("applied") } == 1)
        #expect(lines.all.count { $0.contains("up to date") } == 3)
    }

    @Test("a shard that comes up late is waited for")
    func waits() async throws {
        let postgres = try await Self.postgres(with: ["one"])
        try await blocking { try postgres.stop(.fast) }
        let settings = try makeSettings(shards: [postgres.connectionString(database: "one")])
        let lines = Lines()
        let running = Task {
            try await ShardMigration(settings: settings, secrets: testSecrets, wait: .seconds(60)).run(say: lines.say)
        }
        try await eventually("it says that it waits") { lines.all.contains { $0.contains("cannot be reached yet") } }
        try await blocking { try postgres.start() }
        try await running.value
        #expect(lines.all.last?.contains("applied 1 initial schema") == true)
    }

    @Test("a shard that does not come up is an error that names it and what to correct, without the password")
    func unreachable() async throws {
        let port = try freePort()
        var settings = try makeSettings(shards: ["host=127.0.0.1 port=\(port) dbname=one user=me password=hidden"])
        settings.timeouts.connect = .seconds(1)
        let migration = ShardMigration(settings: settings, secrets: testSecrets, wait: .zero)
        let error = try await #require(throws: OperationsError.self) { try await migration.run { _ in } }
        #expect(error.message.contains("shard shard-1"))
        #expect(
            error.remedy.contains("shards[0].connection (host=127.0.0.1 port=\(port) dbname=one user=me password=***)")
        )
        #expect(!"\(error)".contains("hidden"))
    }
}
