// SPDX-License-Identifier: Apache-2.0

import Directory
import Messaging
import Redis
import Synchronization
import TestSupport
import Testing

@Suite("Leases of nodes", .timeLimit(.minutes(2)))
struct NodeLeasesTests {
    private func lease(_ name: String, _ role: NodeRole = .router, state: NodeState = .ready) -> NodeLease {
        NodeLease(
            name: name,
            incarnation: .generate(),
            role: role,
            state: state,
            meshAddress: role == .router ? "10.0.0.1:7100" : nil,
            httpAddress: "[::1]:8080",
            version: "0.1.0",
            since: 1_700_000_000_000
        )
    }

    @Test("Leases are listed by name with all they say, until they expire")
    func listing() async throws {
        let fixture = try await DirectoryFixture()
        #expect(try await fixture.leases.leases() == NodeLeases.Listing())
        let router = self.lease("router-1")
        var edge = self.lease("edge-1", .edge, state: .starting)
        let short = self.lease("router-0")
        for lease in [router, edge] {
            #expect(try await fixture.leases.renewLease(lease, timeToLive: .seconds(60)) == .held)
        }
        #expect(try await fixture.leases.leases().leases == [edge, router])
        #expect(try await fixture.leases.renewLease(short, timeToLive: .milliseconds(300)) == .held)
        try await eventually("its end") { try await fixture.leases.leases().leases == [edge, router] }
        #expect(try await fixture.send("SCARD", "trunkline:\(DirectoryFixture.cluster):nodes") == .integer(2))
        edge.state = .draining
        #expect(try await fixture.leases.renewLease(edge, timeToLive: .seconds(60)) == .held)
        #expect(try await fixture.leases.leases().leases == [edge, router])
        await fixture.connection.shutdown()
    }

    @Test("The mark differs after every change of a lease, and after an emptied Redis, but not after a renewal")
    func changeMark() async throws {
        let fixture = try await DirectoryFixture()
        let leases = fixture.leases
        var marks: [String?] = [try await leases.changeMark()]
        #expect(marks == [nil])
        var edge = self.lease("edge-1", .edge, state: .starting)
        func renew(_ lease: NodeLease, for time: Duration = .seconds(60)) async throws {
            #expect(try await leases.renewLease(lease, timeToLive: time) == .held)
        }
        try await renew(edge)
        marks.append(try await leases.changeMark())
        try await renew(edge)
        #expect(try await leases.changeMark() == marks.last)
        edge.state = .ready
        try await renew(edge)
        marks.append(try await leases.changeMark())
        // One whose end is found by whoever reads the leases.
        try await renew(self.lease("router-1"), for: .milliseconds(100))
        marks.append(try await leases.changeMark())
        try await eventually("its end") { try await leases.leases().leases == [edge] }
        marks.append(try await leases.changeMark())
        #expect(try await leases.releaseLease(name: "edge-1", incarnation: edge.incarnation))
        marks.append(try await leases.changeMark())
        _ = try await fixture.send("FLUSHALL")
        #expect(try await leases.changeMark() == nil)
        try await renew(edge)
        marks.append(try await leases.changeMark())
        #expect(Set(marks.map { $0 ?? "" }).count == marks.count, "\(marks)")
        await fixture.connection.shutdown()
    }

    @Test("A watch tells of nodes that come and go, and of nothing while Redis is away")
    func watch() async throws {
        let fixture = try await DirectoryFixture()
        let seen = Mutex<[[String]]>([])
        var timing = NodeWatch.Timing()
        timing.interval = .milliseconds(10)
        let watch = NodeWatch(leases: fixture.leases, timing: timing)
        let task = Task { await watch.run { leases in seen.withLock { $0.append(leases.map(\.name)) } } }
        try await eventually("the first reading") { seen.withLock { $0.last == [] } }
        let router = self.lease("router-1")
        _ = try await fixture.leases.renewLease(router, timeToLive: .seconds(60))
        try await eventually("it came") { seen.withLock { $0.last == ["router-1"] } }
        try await fixture.restartServer()
        try await eventually("Redis is empty") { seen.withLock { $0.last == [] } }
        _ = try await fixture.leases.renewLease(router, timeToLive: .seconds(60))
        try await eventually("it is back") { seen.withLock { $0.last == ["router-1"] } }
        task.cancel()
        await task.value
        await fixture.connection.shutdown()
    }

    @Test("A name in use is reported, and nothing is overwritten")
    func heldBy() async throws {
        let fixture = try await DirectoryFixture()
        let first = self.lease("router-1")
        let second = self.lease("router-1")
        #expect(try await fixture.leases.renewLease(first, timeToLive: .seconds(60)) == .held)
        #expect(try await fixture.leases.renewLease(second, timeToLive: .seconds(60)) == .heldBy(first))
        let begin = ContinuousClock.now
        let outcome = try await fixture.leases.acquireLease(
            second,
            timeToLive: .seconds(60),
            waitingAtMost: .milliseconds(250)
        )
        #expect(outcome == .heldBy(first))
        #expect(begin.duration(to: .now) >= .milliseconds(250))
        #expect(try await fixture.leases.releaseLease(name: "router-1", incarnation: second.incarnation) == false)
        #expect(try await fixture.leases.leases().leases == [first])
        #expect(try await fixture.leases.releaseLease(name: "router-1", incarnation: first.incarnation))
        #expect(try await fixture.leases.leases().leases == [])
        #expect(try await fixture.leases.renewLease(second, timeToLive: .seconds(60)) == .held)
        await fixture.connection.shutdown()
    }

    @Test("A name whose holder died is had after its lease")
    func acquiredAfterExpiry() async throws {
        let fixture = try await DirectoryFixture()
        let dead = self.lease("edge-1", .edge)
        let next = self.lease("edge-1", .edge)
        #expect(try await fixture.leases.renewLease(dead, timeToLive: .milliseconds(300)) == .held)
        let outcome = try await fixture.leases.acquireLease(
            next,
            timeToLive: .seconds(60),
            waitingAtMost: .seconds(20)
        )
        #expect(outcome == .held)
        #expect(try await fixture.leases.renewLease(dead, timeToLive: .seconds(60)) == .heldBy(next))
        await fixture.connection.shutdown()
    }

    @Test("A lease lost with Redis is written again by its next renewal")
    func emptied() async throws {
        let fixture = try await DirectoryFixture()
        let lease = self.lease("router-1")
        #expect(try await fixture.leases.renewLease(lease, timeToLive: .seconds(60)) == .held)
        try fixture.server.flushAll()
        #expect(try await fixture.leases.leases().leases == [])
        #expect(try await fixture.leases.renewLease(lease, timeToLive: .seconds(60)) == .held)
        #expect(try await fixture.leases.leases().leases == [lease])
        await fixture.connection.shutdown()
    }

    @Test("Garbage is skipped and counted, unknown fields are skipped, and a name held by garbage is not taken")
    func garbage() async throws {
        let fixture = try await DirectoryFixture()
        let prefix = "trunkline:\(DirectoryFixture.cluster):"
        let good = self.lease("good")
        #expect(try await fixture.leases.renewLease(good, timeToLive: .seconds(60)) == .held)
        let incarnation = Incarnation.generate()
        let json = #"{"role":"edge","state":"ready","version":"9","since":1,"new_field":{"a":[1]},"#
        let values = [
            "bare": "", "text": "garbage", "cut": "\(incarnation) {",
            "liar": "\(incarnation) \(json)\"name\":\"good\"}",
            "role":
                "\(incarnation) {\"name\":\"role\",\"role\":\"king\",\"state\":\"ready\",\"version\":\"\",\"since\":1}",
            "large": "\(incarnation) \(json)\"name\":\"large\",\"pad\":\"\(String(repeating: "x", count: 5000))\"}",
        ]
        for (name, value) in values {
            _ = try await fixture.send("SET", "\(prefix)node:\(name)", value)
            _ = try await fixture.send("SADD", "\(prefix)nodes", name)
        }
        _ = try await fixture.send("SET", "\(prefix)node:later", "\(incarnation) \(json)\"name\":\"later\"}")
        _ = try await fixture.send("SADD", "\(prefix)nodes", "later")
        let listing = try await fixture.leases.leases()
        #expect(listing.leases.map(\.name) == ["good", "later"])
        #expect(listing.leases.last?.incarnation == incarnation)
        #expect(listing.malformedEntries == values.count)
        #expect(try await fixture.leases.renewLease(self.lease("text"), timeToLive: .seconds(1)) == .heldByUnreadable)
        await fixture.connection.shutdown()
    }

    @Test("One name is looked at by itself, and what nobody can read under it is taken away if it is still the same")
    func record() async throws {
        let fixture = try await DirectoryFixture()
        let leases = fixture.leases
        #expect(try await leases.record(of: "edge-1") == .none)
        let lease = self.lease("edge-1", .edge)
        #expect(try await leases.renewLease(lease, timeToLive: .seconds(60)) == .held)
        guard case .lease(lease, let left) = try await leases.record(of: "edge-1") else {
            Issue.record("its lease is not seen")
            return
        }
        #expect(left > .seconds(50) && left <= .seconds(60))
        let key = "trunkline:\(DirectoryFixture.cluster):node:edge-2"
        let bytes: [UInt8] = [0xFF, 0x00, 0x20]
        _ = try await fixture.connection.send([RedisCommand("SET", arguments: [Array(key.utf8), bytes])])
        _ = try await fixture.send("SADD", "trunkline:\(DirectoryFixture.cluster):nodes", "edge-2")
        #expect(try await leases.record(of: "edge-2") == .unreadable(bytes))
        #expect(try await leases.leases().malformedNames == ["edge-2"])
        #expect(try await !leases.discard(unreadable: [0xFF], of: "edge-2"))
        let mark = try await leases.changeMark()
        #expect(try await leases.discard(unreadable: bytes, of: "edge-2"))
        #expect(try await leases.changeMark() != mark)
        #expect(try await leases.record(of: "edge-2") == .none)
        #expect(try await leases.leases().malformedEntries == 0)
        #expect(try await leases.leases().leases == [lease])
        await fixture.connection.shutdown()
    }

    @Test("What is too large is not written")
    func bounds() async throws {
        let fixture = try await DirectoryFixture()
        var lease = self.lease(String(repeating: "n", count: DirectoryLimits.nodeNameBytesMax + 1))
        for _ in 0..<2 {
            let tooLarge = lease
            let error = await #expect(throws: DirectoryError.self) {
                try await fixture.leases.renewLease(tooLarge, timeToLive: .seconds(1))
            }
            #expect(error?.code == .tooLarge)
            lease.name = "router-1"
            lease.version = String(repeating: "v", count: DirectoryLimits.leaseBytesMax)
        }
        let names = (0..<DirectoryLimits.nodesMax).map { "node-\($0)" }
        _ = try await fixture.connection.send([
            RedisCommand("SADD", ["trunkline:\(DirectoryFixture.cluster):nodes"] + names)
        ])
        let error = await #expect(throws: DirectoryError.self) {
            try await fixture.leases.renewLease(self.lease("one-more"), timeToLive: .seconds(60))
        }
        #expect(error?.code == .tooManyNodes)
        // A listing forgets the names that have no lease.
        #expect(try await fixture.leases.leases().leases == [])
        #expect(try await fixture.leases.renewLease(self.lease("one-more"), timeToLive: .seconds(60)) == .held)
        await fixture.connection.shutdown()
    }
}
