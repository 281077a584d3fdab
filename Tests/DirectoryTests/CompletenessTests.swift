// SPDX-License-Identifier: Apache-2.0

import Directory
import Logging
import Messaging
import Redis
import TestSupport
import Testing

@Suite("Completeness of edges", .timeLimit(.minutes(2)))
struct CompletenessTests {
    private let user = UserID.generate()
    private let device = DeviceID.generate()

    private func complete(_ fixture: DirectoryFixture, _ edges: String...) async throws -> Set<EdgeLife> {
        try await fixture.registry.locations(of: [self.user], completenessOf: edges).completeEdges
    }

    @Test("Only edges with a marker of this life count, and only those that were asked for")
    func markers() async throws {
        let fixture = try await DirectoryFixture()
        let one = TestEdge("edge-1").life
        let two = TestEdge("edge-2").life
        #expect(try await self.complete(fixture, "edge-1", "edge-2") == [])
        try await fixture.registry.refill(two, [])
        #expect(try await self.complete(fixture, "edge-1", "edge-2") == [two])
        try await fixture.registry.refill(one, [])
        #expect(try await self.complete(fixture, "edge-1", "edge-2") == [one, two])
        #expect(try await self.complete(fixture, "edge-1") == [one])
        #expect(try await fixture.registry.isComplete(one))

        let next = TestEdge("edge-1").life
        #expect(try await fixture.registry.isComplete(next) == false)
        #expect(try await fixture.registry.renewComplete(next) == false)
        #expect(try await fixture.registry.clearComplete(next) == false)
        #expect(try await self.complete(fixture, "edge-1") == [one])
        try await fixture.registry.refill(next, [])
        #expect(try await self.complete(fixture, "edge-1") == [next])
        #expect(try await fixture.registry.clearComplete(one) == false)
        #expect(try await fixture.registry.clearComplete(next))
        #expect(try await self.complete(fixture, "edge-1", "edge-2") == [two])
        _ = try await fixture.send("SET", "trunkline:\(DirectoryFixture.cluster):complete:edge-1", "garbage")
        #expect(try await self.complete(fixture, "edge-1", "edge-2") == [two])
        await fixture.connection.shutdown()
    }

    @Test("An emptied Redis drops the markers, and the snapshot says so until the refill")
    func emptied() async throws {
        let fixture = try await DirectoryFixture()
        let edge = TestEdge("edge-1")
        let registration = SessionRegistration(user: self.user, device: self.device, location: edge.session())
        try await fixture.registry.refill(edge.life, [registration])
        #expect(try await fixture.registry.renewComplete(edge.life))
        #expect(try await self.complete(fixture, "edge-1") == [edge.life])
        try fixture.server.flushAll()
        let emptied = try await fixture.registry.locations(of: [self.user], completenessOf: ["edge-1"])
        #expect(emptied.sessions.isEmpty && emptied.completeEdges.isEmpty)
        #expect(try await fixture.registry.renewComplete(edge.life) == false)
        try await fixture.registry.refill(edge.life, [registration])
        let refilled = try await fixture.registry.locations(of: [self.user], completenessOf: ["edge-1"])
        #expect(refilled.completeEdges == [edge.life])
        #expect(refilled.sessions[self.user]?.first?.location == registration.location)
        await fixture.connection.shutdown()
    }

    @Test("A marker that comes back with an old dump is not believed")
    func oldDump() async throws {
        let fixture = try await DirectoryFixture()
        let edge = TestEdge("edge-1")
        try await fixture.registry.refill(edge.life, [])
        try fixture.server.save()
        // Registered after the dump: lost with the restart, while the marker is not.
        try await fixture.registry.register(self.user, self.device, edge.session())
        try await fixture.restartServer()
        let marker = try await fixture.send("GET", "trunkline:\(DirectoryFixture.cluster):complete:edge-1")
        #expect(marker?.text?.hasPrefix("\(edge.life.incarnation)") == true)
        let snapshot = try await fixture.registry.locations(of: [self.user], completenessOf: ["edge-1"])
        #expect(snapshot.sessions.isEmpty && snapshot.completeEdges.isEmpty)
        #expect(try await fixture.registry.isComplete(edge.life) == false)
        #expect(try await fixture.registry.renewComplete(edge.life) == false)
        #expect(try await fixture.registry.clearComplete(edge.life))
        await fixture.connection.shutdown()
    }

    @Test(
        "A refill during which Redis is restarted or emptied does not make the edge complete",
        arguments: [true, false]
    )
    func emptiedDuringRefill(restarts: Bool) async throws {
        let fixture = try await DirectoryFixture()
        let edge = TestEdge("edge-1")
        let registration = SessionRegistration(user: self.user, device: self.device, location: edge.session())
        let refill = try await fixture.registry.beginRefill(of: edge.life)
        try await fixture.registry.registerAll([registration])
        if restarts {
            try await fixture.restartServer()
        } else {
            try fixture.server.flushAll()
        }
        await #expect(throws: DirectoryError.self) { try await fixture.registry.endRefill(refill) }
        #expect(try await self.complete(fixture, "edge-1") == [])
        try await fixture.registry.refill(edge.life, [registration])
        #expect(try await self.complete(fixture, "edge-1") == [edge.life])
        await fixture.connection.shutdown()
    }

    @Test("A refill that takes too long, and one that another has taken the place of, set no marker")
    func outdatedRefill() async throws {
        var lifetimes = SessionRegistry.Lifetimes()
        lifetimes.refill = .milliseconds(1)
        let fixture = try await DirectoryFixture(lifetimes: lifetimes)
        let edge = TestEdge("edge-1").life
        let late = try await fixture.registry.beginRefill(of: edge)
        try await eventually("the end of its time") {
            try await fixture.send("EXISTS", "trunkline:\(DirectoryFixture.cluster):refill:edge-1") == .integer(0)
        }
        await #expect(throws: DirectoryError.self) { try await fixture.registry.endRefill(late) }
        #expect(try await self.complete(fixture, "edge-1") == [])
        await fixture.connection.shutdown()
    }

    @Test("A renewal prolongs the marker; one that is not renewed expires")
    func expiry() async throws {
        let fixture = try await DirectoryFixture()
        let edge = TestEdge("edge-1").life
        let key = "trunkline:\(DirectoryFixture.cluster):complete:edge-1"
        try await fixture.registry.refill(edge, [])
        let life = try #require(try await fixture.send("PTTL", key)?.integer)
        #expect(life > 0 && life <= 10_000)
        _ = try await fixture.send("PERSIST", key)
        #expect(try await fixture.send("PTTL", key) == .integer(-1))
        #expect(try await fixture.registry.renewComplete(edge))
        let renewed = try #require(try await fixture.send("PTTL", key)?.integer)
        #expect(renewed > 0 && renewed <= 10_000)
        _ = try await fixture.send("PEXPIRE", key, "1")
        try await eventually("its end") { try await self.complete(fixture, "edge-1") == [] }
        #expect(try await fixture.registry.renewComplete(edge) == false)
        await fixture.connection.shutdown()
    }

    /// Every read while Redis is emptied and refilled again and again either has the session or says that it is not
    /// sure of the edge.
    @Test("Emptying and refilling beside reads never makes a session vanish silently")
    func neverSilent() async throws {
        let fixture = try await DirectoryFixture()
        let edge = TestEdge("edge-1")
        let users = (0..<300).map { _ in UserID.generate() }
        let registrations = users.map {
            SessionRegistration(user: $0, device: self.device, location: edge.session())
        }
        try await fixture.registry.refill(edge.life, registrations)
        let reader = try RedisConnection(
            configuration: RedisConfiguration(endpoint: RedisEndpoint(host: "127.0.0.1", port: fixture.server.port)),
            logger: .init(label: "test") { _ in SwiftLogNoOpLogHandler() }
        )
        let readerRegistry = SessionRegistry(connection: reader, cluster: DirectoryFixture.cluster)
        try await eventually("the reader") { reader.state.isConnected }
        var unsure = 0
        var sure = 0
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask {
                for _ in 0..<40 {
                    _ = try await fixture.send("FLUSHALL")
                    try await fixture.registry.refill(edge.life, registrations)
                }
            }
            for _ in 0..<150 {
                let snapshot = try await readerRegistry.locations(of: users, completenessOf: ["edge-1"])
                if snapshot.completeEdges == [edge.life] {
                    sure += 1
                    #expect(snapshot.sessions.count == users.count)
                } else {
                    unsure += 1
                }
            }
            try await group.waitForAll()
        }
        #expect(sure > 0)
        #expect(sure + unsure == 150)
        await reader.shutdown()
        await fixture.connection.shutdown()
    }
}
