// SPDX-License-Identifier: Apache-2.0

import Directory
import Messaging
import TestSupport
import Testing

@testable import Operations

@Suite("The lease of a node")
struct LeaseKeeperTests {
    @Test("is refused while another life of the name renews it, and says which")
    func nameIsTaken() async throws {
        let bed = try await LeaseBed()
        let living = bed.keeper(bed.lease("edge-1"))
        try await living.acquire { false }
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { await living.run { _ in } }
            let second = bed.keeper(bed.lease("edge-1"))
            let error = try await #require(throws: OperationsError.self) { try await second.acquire { false } }
            #expect(error.message.contains("edge-1 is running already at 127.0.0.1:8101"))
            #expect(bed.log.count(of: "waiting for it to run out") == 1)
            group.cancelAll()
        }
        await bed.end()
    }

    @Test("of a life that died is taken over once it has run out")
    func takeOver() async throws {
        let bed = try await LeaseBed()
        let dead = bed.lease("edge-1")
        #expect(try await bed.leases.renewLease(dead, timeToLive: .milliseconds(600)) == .held)
        let next = bed.lease("edge-1")
        let keeper = bed.keeper(next, timeToLive: .seconds(60))
        try await keeper.acquire { false }
        #expect(try await bed.stored("edge-1")?.incarnation == next.incarnation)
        await bed.end()
    }

    @Test("is not waited for when the process is told to stop")
    func stopWhileWaiting() async throws {
        let bed = try await LeaseBed()
        #expect(try await bed.leases.renewLease(bed.lease("edge-1"), timeToLive: .seconds(60)) == .held)
        let stop = OneShot<Void>()
        let keeper = bed.keeper(bed.lease("edge-1"), timeToLive: .seconds(60))
        let waiting = Task { try await keeper.acquire { stop.value != nil } }
        try await eventually("the log says that it waits") { bed.log.count(of: "waiting for it to run out") == 1 }
        stop.set(())
        try await waiting.value
        await bed.end()
    }

    @Test("is waited for while Redis is away by a router that others find in no other way, until it is told to stop")
    func foundByLeaseAlone() async throws {
        let bed = try await LeaseBed()
        try await blocking { try bed.server.kill() }
        let (lease, stop) = (bed.lease("router-3"), OneShot<Void>())
        let stopped = bed.keeper(bed.lease("router-4"), isFoundByLeaseAlone: true)
        let stopping = Task { try await stopped.acquire { stop.value != nil } }
        let keeper = bed.keeper(lease, isFoundByLeaseAlone: true)
        let waiting = Task {
            try await keeper.acquire { false }
            return keeper.isRedisReachable
        }
        try await eventually("both wait") { bed.log.count(of: "no file lists this router") == 2 }
        stop.set(())
        try await stopping.value
        try await blocking { try bed.server.start() }
        #expect(try await waiting.value == true)
        #expect(try await bed.stored("router-3")?.incarnation == lease.incarnation)
        await bed.end()
    }

    @Test("does not stop a node while Redis is away; that is said once, and the lease is written afterwards")
    func redisAway() async throws {
        let bed = try await LeaseBed()
        let lease = bed.lease("router-1")
        let keeper = bed.keeper(lease)
        try await keeper.acquire { false }
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask {
                await keeper.run { error in Issue.record("the lease counts as lost: \(error)") }
            }
            try await blocking { try bed.server.kill() }
            try await eventually("the log says that the lease cannot be written") {
                bed.log.count(of: "cannot be written to Redis") == 1
            }
            // Some renewals more, all of them in vain.
            let failed = bed.log.lines.count
            try await eventually("more renewals were tried") {
                await keeper.enter(.starting)
                return bed.log.lines.count >= failed
            }
            #expect(bed.log.count(of: "cannot be written to Redis") == 1)
            try await blocking { try bed.server.start() }
            try await eventually("the lease is back in an empty Redis") {
                (try? await bed.stored("router-1"))??.incarnation == lease.incarnation
            }
            #expect(bed.log.count(of: "Redis answers again") == 1)
            group.cancelAll()
        }
        await bed.end()
    }

    @Test("that an earlier life seems to hold after a fail-over of Redis is waited for")
    func earlierLife() async throws {
        let bed = try await LeaseBed()
        let earlier = bed.lease("router-1")
        let lease = bed.lease("router-1")
        let keeper = bed.keeper(lease, timeToLive: .seconds(60))
        try await keeper.acquire { false }
        // As on a replica that had heard of the earlier life only.
        try await blocking { try bed.server.flushAll() }
        #expect(try await bed.leases.renewLease(earlier, timeToLive: .milliseconds(600)) == .held)
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask {
                await keeper.run { error in Issue.record("the lease counts as lost: \(error)") }
            }
            try await eventually("the lease is this life's again") {
                try await bed.stored("router-1")?.incarnation == lease.incarnation
            }
            group.cancelAll()
        }
        await bed.end()
    }

    @Test("that an earlier life holds for longer than a lease lives ends this one")
    func earlierLifeThatLives() async throws {
        let bed = try await LeaseBed()
        #expect(try await bed.leases.renewLease(bed.lease("router-1"), timeToLive: .seconds(60)) == .held)
        let keeper = bed.keeper(bed.lease("router-1"), timeToLive: .milliseconds(300))
        let lost = OneShot<OperationsError>()
        await keeper.run { lost.set($0) }
        #expect(lost.value?.message.contains("router-1 is running already") == true)
        await bed.end()
    }

    @Test("that another life has taken ends this one")
    func lost() async throws {
        let bed = try await LeaseBed()
        let keeper = bed.keeper(bed.lease("router-1"))
        try await keeper.acquire { false }
        try await blocking { try bed.server.flushAll() }
        #expect(try await bed.leases.renewLease(bed.lease("router-1"), timeToLive: .seconds(60)) == .held)
        let lost = OneShot<OperationsError>()
        await keeper.run { lost.set($0) }
        #expect(lost.value?.message.contains("router-1 is running already") == true)
        await keeper.release()
        #expect(try await bed.stored("router-1") != nil, "the other life's lease was released")
        await bed.end()
    }
}
