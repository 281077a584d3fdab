// SPDX-License-Identifier: Apache-2.0

import ClusterConfiguration
import TestSupport
import Testing

@testable import Operations

@Suite("What `trunkline doctor` finds at Redis", .timeLimit(.minutes(5)))
struct RedisDoctorTests {
    private static func command(_ line: String, _ bed: DoctorBed) async throws {
        let redis = bed.redis
        let answer = try await blocking { try redis.command(line) }
        guard answer == "+OK" else { throw Unexpected(description: "\(line): \(answer)") }
    }

    @Test("Redis that is away, and one that refuses the password: the shards are looked at all the same")
    func unreachable() async throws {
        var bed = try await DoctorBed(redisPassword: "the-right-one")
        let refused = await bed.report()
        #expect(refused.of("redis.reachable").first?.remedy?.contains("redis.password") == true, "\(refused.text())")
        #expect(refused.of("redis.eviction").map(\.level) == [.unknown])
        let redis = bed.redis
        try await blocking { try redis.stop() }
        let gone = await bed.report(timeout: .seconds(2))
        let finding = try #require(gone.of("redis.reachable").first)
        #expect(finding.level == .fails && finding.remedy?.contains("start Redis") == true, "\(gone.text())")
        #expect(gone.of("shards.schema").map(\.level) == [.ok])
        #expect(gone.of("nodes.running").map(\.level) == [.unknown])
        bed.settings.shards = []
        #expect(await !bed.report(timeout: .seconds(2)).isWell)
    }

    @Test("Redis that answers nothing does not hold the others up")
    func frozen() async throws {
        let bed = try await DoctorBed()
        let redis = bed.redis
        try await blocking { try redis.pause() }
        let begun = ContinuousClock.now
        let report = await bed.report(timeout: .seconds(1))
        #expect(ContinuousClock.now - begun < .seconds(15))
        #expect(report.of("redis.reachable").map(\.level) == [.fails])
        #expect(report.of("shards.identity").map(\.level) == [.ok])
        try await blocking { try redis.resume() }
    }

    @Test("Redis that throws things away, or has no memory left")
    func memory() async throws {
        let bed = try await DoctorBed()
        try await Self.command("CONFIG SET maxmemory-policy volatile-lru", bed)
        #expect(await bed.report().of("redis.eviction").map(\.level) == [.warning], "as long as there is no limit")
        try await Self.command("CONFIG SET maxmemory 1000000000", bed)
        let evicts = try #require(await bed.report().of("redis.eviction").first)
        #expect(evicts.level == .fails && evicts.remedy?.contains("maxmemory-policy noeviction") == true)
        try await Self.command("CONFIG SET maxmemory-policy noeviction", bed)
        #expect(await bed.report().of("redis.memory").map(\.level) == [.ok])
        try await Self.command("CONFIG SET maxmemory 100000", bed)
        let full = try #require(await bed.report().of("redis.memory").first)
        #expect(full.level == .fails && full.message.contains("of 100000 bytes"), "\(full)")
    }

    @Test("A replica")
    func replica() async throws {
        let bed = try await DoctorBed()
        let other = try await blocking { try RedisServer() }
        try await Self.command("REPLICAOF 127.0.0.1 \(other.port)", bed)
        let finding = try #require(await bed.report().of("redis.primary").first)
        #expect(finding.level == .fails && finding.remedy == "name the primary in redis.url")
    }

    @Test("Fewer connections than the nodes keep")
    func clients() async throws {
        let bed = try await DoctorBed()
        try await Self.command("CONFIG SET maxclients 3", bed)
        let finding = try #require(await bed.report().of("redis.clients").first)
        #expect(finding.level == .fails && finding.message.contains("2 nodes keep 4"), "\(finding)")
    }

    @Test("Redis that cannot save and refuses writes because of that")
    func saving() async throws {
        let bed = try await DoctorBed(redisOptions: ["--enable-protected-configs", "yes"])
        try await Self.command("CONFIG SET dir /proc", bed)
        try await Self.command("CONFIG SET save \"3600 1\"", bed)
        let redis = bed.redis
        _ = try await blocking { try redis.command("BGSAVE") }
        try await eventually("the save has failed") { await bed.report().of("redis.reachable").first?.level == .fails }
        let refuses = try #require(await bed.report().of("redis.reachable").first)
        #expect(refuses.message.contains("MISCONF") && refuses.remedy?.contains("turns saving off") == true)
        try await Self.command("CONFIG SET stop-writes-on-bgsave-error no", bed)
        #expect(await bed.report().of("redis.saving").map(\.level) == [.warning])
    }
}
