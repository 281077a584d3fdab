// SPDX-License-Identifier: Apache-2.0

import ClusterConfiguration
import Messaging
import TestSupport
import Testing

@testable import Operations

@Suite("What `trunkline doctor` finds at Postgres servers", .timeLimit(.minutes(5)))
struct ShardServerDoctorTests {
    @Test("fsync and full_page_writes that are off, and autovacuum")
    func durability() async throws {
        let bed = try await DoctorBed(durability: .withoutFsync, postgresSettings: ["autovacuum=off"])
        try await bed.sql("ALTER SYSTEM SET full_page_writes = off")
        try await bed.sql("SELECT pg_reload_conf()")
        try await eventually("it is off") { await bed.report().of("shards.durability").count == 4 }
        let report = await bed.report()
        let findings = report.of("shards.durability")
        #expect(findings.allSatisfy { $0.level == .fails })
        #expect(findings.first?.remedy == "ALTER SYSTEM SET fsync = on, then SELECT pg_reload_conf()")
        #expect(report.of("shards.vacuum").map(\.level) == [.warning, .warning])
    }

    @Test("Fewer connections than the routers keep: of the server, of the user, of the database")
    func connections() async throws {
        var bed = try await DoctorBed()
        bed.settings.limits.shardWriters = 40
        let server = try #require(await bed.report().of("shards.connections").first)
        #expect(server.level == .fails && server.subject == "shard-1, shard-2")
        #expect(server.message.contains("max_connections = 64") && server.message.contains("keep 86"), "\(server)")
        #expect(server.remedy?.contains("max_connections = 91") == true, "\(server)")

        try await bed.sql("CREATE ROLE narrow LOGIN CONNECTION LIMIT 8")
        try await bed.sql("ALTER DATABASE one CONNECTION LIMIT 3")
        let port = bed.postgres.port
        try bed.use(["one", "two"].map { "host=127.0.0.1 port=\(port) user=narrow dbname=\($0)" })
        let narrow = await bed.report().of("shards.connections")
        #expect(narrow.map(\.level) == [.fails, .fails], "\(narrow)")
        #expect(narrow.first?.remedy?.contains("ALTER ROLE … CONNECTION LIMIT 15") == true, "\(narrow)")
        #expect(narrow.last?.remedy == "ALTER DATABASE … CONNECTION LIMIT -1")
    }

    @Test("Time limits that somebody gave a user or a database")
    func timeouts() async throws {
        let bed = try await DoctorBed()
        try await bed.sql("ALTER ROLE postgres SET idle_session_timeout = '10s'")
        try await bed.sql("ALTER DATABASE two SET lock_timeout = '5ms'")
        // A session sets this one for itself.
        try await bed.sql("ALTER ROLE postgres SET statement_timeout = '1s'")
        let findings = await bed.report().of("shards.timeouts")
        #expect(findings.map(\.level) == [.warning, .warning, .warning])
        #expect(findings.count { $0.message.contains("idle_session_timeout") } == 2)
        #expect(findings.last?.message.contains("lock_timeout gives up after 5 ms") == true, "\(findings)")
    }

    @Test("A database whose encoding is not UTF-8")
    func encoding() async throws {
        var bed = try await DoctorBed()
        try await bed.sql("CREATE DATABASE old TEMPLATE template0 ENCODING 'LATIN1' LOCALE 'C'")
        try bed.use([bed.connection("one"), bed.connection("old")])
        let finding = try #require(await bed.report().of("shards.encoding").first)
        #expect(finding.level == .fails && finding.subject == "shard-2" && finding.message.contains("LATIN1"))
    }

    @Test("A replica, and a user who may only read")
    func readOnly() async throws {
        var bed = try await DoctorBed()
        let primary = bed.postgres
        let replica = try await blocking { try PostgresServer(replicaOf: primary, named: "copy") }
        try await bed.sql("CREATE ROLE reader LOGIN IN ROLE pg_read_all_data")
        try await bed.sql("ALTER ROLE reader SET default_transaction_read_only = on")
        try bed.use([
            replica.connectionString(database: "one"),
            "host=127.0.0.1 port=\(primary.port) user=reader dbname=two",
        ])
        let findings = await bed.report().of("shards.writable")
        #expect(findings.map(\.level) == [.fails, .fails], "\(findings)")
        #expect(findings.first?.remedy?.contains("target_session_attrs=read-write") == true)
        #expect(findings.last?.message.contains("default_transaction_read_only") == true)
    }

    @Test("A pooler that hands out servers for one transaction at a time")
    func pooler() async throws {
        var bed = try await DoctorBed()
        let postgres = bed.postgres
        let pooler = try await blocking { try PgBouncer(in: postgres) }
        try bed.use([bed.connection("one"), pooler.connectionString(database: "two")])
        let report = await bed.report()
        let finding = try #require(report.of("shards.pooler").first)
        #expect(finding.level == .fails && finding.subject == "shard-2", "\(report.text())")
        #expect(finding.remedy?.contains("pool_mode = session") == true)
        #expect(report.of("shards.schema").map(\.level) == [.ok], "\(report.text())")
    }

    @Test("Clocks: ours, when all others agree; else theirs")
    func clocks() async throws {
        var bed = try await DoctorBed()
        let ours = try #require(await bed.report { WallClock.now() + 7000 }.of("clocks").first)
        #expect(ours.level == .fails && ours.subject == "this machine", "\(ours)")
        #expect(ours.message == "all others agree that its clock is 7.0 s ahead", "\(ours)")
        #expect(ours.remedy?.contains("chrony") == true)
        // Ours is off from the only one there is: who knows whose is wrong.
        bed.settings.shards = []
        let theirs = await bed.report { WallClock.now() - 3000 }.of("clocks")
        #expect(theirs.map(\.subject) == ["Redis"], "\(theirs)")
        #expect(theirs.first?.message == "its clock is 3.0 s ahead of ours", "\(theirs)")
    }
}
