// SPDX-License-Identifier: Apache-2.0

import TestSupport
import Testing

@testable import Operations

@Suite("What `trunkline doctor` finds at Redis with a replica", .timeLimit(.minutes(5)))
struct RedisReplicationDoctorTests {
    /// A bed whose Redis has a replica; the file names both.
    private func bed() async throws -> (bed: DoctorBed, replica: RedisServer) {
        var bed = try await DoctorBed()
        let primary = bed.redis
        let replica = try await blocking { try RedisServer(replicaOf: primary) }
        try bed.use(redisURL: primary.url(with: replica))
        return (bed, replica)
    }

    @Test("A primary and its replica: which is which, and nothing to complain of; whichever comes first")
    func pair() async throws {
        var (bed, replica) = try await self.bed()
        for url in [bed.redis.url(with: replica), replica.url(with: bed.redis)] {
            try bed.use(redisURL: url)
            let report = await bed.report()
            let primary = try #require(report.of("redis.primary").first)
            #expect(primary.level == .ok && primary.message == "it is the primary", "\(report.text())")
            #expect(primary.subject == "127.0.0.1:\(bed.redis.port)")
            let linked = try #require(report.of("redis.replica").first)
            #expect(linked.level == .ok && linked.message == "127.0.0.1:\(replica.port) follows it")
            #expect(!report.complaints.contains { $0.hasPrefix("redis") }, "\(report.text())")
        }
    }

    @Test("A replica that is gone, and one that follows nobody")
    func replicaAway() async throws {
        let (bed, replica) = try await self.bed()
        try await blocking { try replica.kill() }
        let gone = await bed.report(timeout: .seconds(2))
        #expect(gone.of("redis.reachable").map(\.level) == [.ok])
        #expect(gone.of("redis.primary").map(\.level) == [.ok])
        let warnings = gone.of("redis.replica").filter { $0.level == .warning }
        #expect(warnings.count == 2, "\(gone.text())")
        #expect(warnings.first?.subject == "127.0.0.1:\(replica.port)")
        #expect(warnings.last?.message.contains("no replica follows it") == true)
        #expect(warnings.last?.remedy?.contains("REPLICAOF 127.0.0.1 \(bed.redis.port)") == true)
    }

    @Test("Two primaries")
    func twoPrimaries() async throws {
        let (bed, replica) = try await self.bed()
        try await blocking { try replica.promote() }
        let finding = try #require(await bed.report().of("redis.primary").first)
        #expect(finding.level == .fails && finding.message.contains("each say that they are the primary"))
        #expect(finding.remedy?.contains("REPLICAOF") == true)
    }

    @Test("A primary that is gone, and its replica not promoted")
    func noPrimary() async throws {
        let (bed, replica) = try await self.bed()
        let primary = bed.redis
        try await blocking { try primary.kill() }
        let report = await bed.report(timeout: .seconds(2))
        #expect(report.of("redis.reachable").map(\.level) == [.fails])
        let finding = try #require(report.of("redis.primary").first)
        #expect(finding.level == .fails && finding.remedy?.contains("REPLICAOF NO ONE") == true, "\(report.text())")
        try await eventually("the replica knows that it is alone") {
            await bed.report(timeout: .seconds(2)).of("redis.replica").contains {
                $0.subject == "127.0.0.1:\(replica.port)" && $0.message.contains("hears nothing")
            }
        }
    }

    @Test("Sentinels: all is well, one is gone, none knows the name")
    func sentinels() async throws {
        var (bed, replica) = try await self.bed()
        let primary = bed.redis
        let sentinel = try await blocking { try RedisSentinel(watching: primary) }
        let name = RedisSentinel.primaryName
        try bed.use(redisURL: "redis-sentinel://127.0.0.1:\(sentinel.port)#\(name)")
        let well = await bed.report()
        #expect(!well.complaints.contains { $0.hasPrefix("redis") }, "\(well.text())")
        #expect(well.of("redis.primary").first?.subject == "127.0.0.1:\(primary.port)")
        #expect(well.of("redis.replica").first?.message == "127.0.0.1:\(replica.port) follows it")

        let dead = try freePort()
        try bed.use(redisURL: "redis-sentinel://127.0.0.1:\(dead),127.0.0.1:\(sentinel.port)#\(name)")
        let one = await bed.report()
        #expect(one.of("redis.sentinels").map(\.level) == [.warning], "\(one.text())")
        #expect(one.of("redis.sentinels").first?.subject == "127.0.0.1:\(dead)")
        #expect(one.of("redis.reachable").map(\.level) == [.ok])

        try bed.use(redisURL: "redis-sentinel://127.0.0.1:\(sentinel.port)#another")
        let unknown = try #require(await bed.report().of("redis.reachable").first)
        #expect(unknown.level == .fails && unknown.remedy == "correct the name after # in redis.url", "\(unknown)")
    }

    @Test("An address of a sentinel where a server should be")
    func sentinelAsServer() async throws {
        var (bed, replica) = try await self.bed()
        defer { withExtendedLifetime(replica) {} }
        let primary = bed.redis
        let sentinel = try await blocking { try RedisSentinel(watching: primary) }
        try bed.use(redisURL: "redis://127.0.0.1:\(sentinel.port)")
        let finding = try #require(await bed.report().of("redis.reachable").first)
        #expect(finding.level == .fails && finding.remedy?.contains("redis-sentinel://") == true, "\(finding)")
    }
}
