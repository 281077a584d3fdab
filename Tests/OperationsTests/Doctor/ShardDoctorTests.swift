// SPDX-License-Identifier: Apache-2.0

import ClusterConfiguration
import TestSupport
import Testing

@testable import Operations

@Suite("What `trunkline doctor` finds at shards", .timeLimit(.minutes(5)))
struct ShardDoctorTests {
    /// Nothing runs there, which is worth a warning.
    private static let usual = ["nodes.running"]

    @Test("Before the first start all is well, but for the nodes")
    func well() async throws {
        let report = await DoctorBed.report(of: try await DoctorBed())
        #expect(report.isWell && report.findings(.unknown).isEmpty, "\(report.text())")
        #expect(report.complaints == Self.usual, "\(report.text())")
        let ids = DoctorCheck.all.map(\.id)
        #expect(Set(ids).count == ids.count)
        #expect(report.findings.count == ids.count + 1)
        #expect(report.text().hasSuffix("All is well: \(ids.count) ok, 1 warning.\n"))
    }

    @Test("A shard that cannot be reached, and the others are looked at all the same")
    func unreachable() async throws {
        var bed = try await DoctorBed()
        try bed.use([bed.connection("one"), "host=127.0.0.1 port=\(freePort()) dbname=two user=postgres"])
        let report = await bed.report()
        let finding = try #require(report.of("shards.reachable").first)
        #expect(finding.level == .fails && finding.subject == "shard-2")
        #expect(finding.message.contains("refused") && finding.remedy?.contains("start Postgres") == true)
        #expect(finding.remedy?.contains("shards[1].connection") == true)
        #expect(report.of("shards.schema").map(\.level) == [.unknown], "of shard-2 nothing is known")
        #expect(report.of("redis.reachable").map(\.level) == [.ok])
        #expect(report.complaints == ["shards.reachable"] + Self.usual)
    }

    @Test(
        "Why Postgres lets nobody in is answered with what helps",
        arguments: [
            ("dbname=three user=postgres", "CREATE DATABASE"), ("dbname=one user=nobody", "CREATE ROLE"),
            ("dbname=one user=postgres sslmode=require", "sslmode"),
            ("dbname=one user=postgres host=nowhere.invalid", "correct the host"),
        ]
    )
    func refused(parameters: String, remedy: String) async throws {
        var bed = try await DoctorBed()
        try bed.use(["host=127.0.0.1 port=\(bed.postgres.port) \(parameters)"])
        let finding = try #require(await bed.report().of("shards.reachable").first)
        #expect(finding.level == .fails && finding.remedy?.contains(remedy) == true, "\(finding)")
    }

    @Test("Two shards that name one database by two addresses")
    func sameDatabase() async throws {
        var bed = try await DoctorBed()
        try bed.use([bed.connection("one"), "host=LOCALHOST port=\(bed.postgres.port) dbname=one user=postgres"])
        let report = await bed.report()
        let finding = try #require(report.of("shards.distinct").first)
        #expect(finding.level == .fails && finding.message.contains("same database as shard-1"))
    }

    @Test("Connection strings that were exchanged")
    func exchanged() async throws {
        var bed = try await DoctorBed()
        try bed.use([bed.connection("two"), bed.connection("one")])
        let report = await bed.report()
        #expect(report.complaints == ["shards.identity", "shards.identity"] + Self.usual, "\(report.text())")
        #expect(
            report.of("shards.identity").map(\.message).first
                == "its database belongs to shard shard-2 of cluster testing"
        )
    }

    @Test("Schemas that are missing, older and newer")
    func schema() async throws {
        let bed = try await DoctorBed(migrate: false)
        let empty = await bed.report().of("shards.schema")
        #expect(empty.map(\.level) == [.fails, .fails])
        #expect(empty.allSatisfy { $0.remedy == "run `trunkline migrate`" })
        try await bed.migrate()
        try await bed.sql("DELETE FROM schema_migrations WHERE version > 1", "one")
        try await bed.sql("INSERT INTO schema_migrations (version, name) VALUES (99, 'of tomorrow')", "two")
        let report = await bed.report()
        #expect(report.of("shards.schema").map(\.level) == [.fails, .warning], "\(report.text())")
        #expect(report.of("shards.schema").first?.message.contains("version 1") == true)
    }

    @Test("A map that names a shard that the file does not list")
    func map() async throws {
        var bed = try await DoctorBed()
        try bed.use([bed.connection("one")])
        let report = await bed.report()
        let finding = try #require(report.of("shards.map").first)
        #expect(finding.level == .fails && finding.subject == "shard-2", "\(report.text())")
        // Told by the catalog it is looked at as those of the file are.
        try await bed.sql("UPDATE shard_map SET connections = ARRAY['', '\(bed.connection("two"))']", "one")
        try await bed.sql("DELETE FROM schema_migrations WHERE version > 1", "two")
        let told = await bed.report()
        #expect(told.of("shards.map").map(\.level) == [.ok], "\(told.text())")
        #expect(told.of("shards.schema").map(\.subject) == ["shard-2"], "\(told.text())")
    }
}

extension DoctorBed {
    static func report(of bed: DoctorBed) async -> DoctorReport { await bed.report() }
}
