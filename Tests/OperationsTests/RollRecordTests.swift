// SPDX-License-Identifier: Apache-2.0

import TestSupport
import Testing

@testable import Operations

@Suite("What shards know of a walk over the nodes", .timeLimit(.minutes(2)))
struct RollRecordTests {
    private static func record(_ bed: DoctorBed) -> RollRecord {
        RollRecord(settings: bed.settings, secrets: testSecrets)
    }

    @Test("A second walk is refused until the first has ended, and a lock is there again after Postgres was")
    func lock() async throws {
        let bed = try await DoctorBed(durability: .withoutFsync)
        let (first, second) = (Self.record(bed), Self.record(bed))
        try await first.claim()
        let error = try await #require(throws: OperationsError.self) { try await second.claim() }
        #expect(error.message.contains("starts the nodes again"), "\(error)")

        try await blocking { try bed.postgres.stop(.immediate) }
        let nobody = try await #require(throws: OperationsError.self) { try await first.claim() }
        #expect(nobody.remedy.contains("Postgres"), "\(nobody)")
        #expect(await first.note("roll node", "nobody hears it") != nil)
        try await blocking { try bed.postgres.start() }
        try await first.claim()
        await #expect(throws: OperationsError.self) { try await second.claim() }

        // A shard forgets the lock, and somebody else is there first.
        try await blocking { try bed.postgres.restart() }
        try await second.claim()
        await #expect(throws: OperationsError.self) { try await first.claim() }
        await second.end()
        try await eventually("the server has seen the end") {
            do throws(OperationsError) {
                try await first.claim()
                return true
            } catch {
                return false
            }
        }
        #expect(await first.note("roll end", "back: edge-1") == nil)
        let orders = ShardOrders(settings: bed.settings, secrets: testSecrets)
        let (log, unreachable) = try await orders.readLog(last: 10)
        #expect(unreachable.isEmpty)
        #expect(log.entries.map(\.action) == ["roll end"])
        #expect(log.entries.first?.shards == ["shard-1", "shard-2"])
        await first.end()
    }
}
