// SPDX-License-Identifier: Apache-2.0

import Directory
import Messaging
import Redis
import TestSupport
import Testing

@Suite("Registry of sessions", .timeLimit(.minutes(2)))
struct SessionRegistryTests {
    private let user = UserID.generate()
    private let device = DeviceID.generate()

    @Test("Registering answers with what it replaced, and the newest is what is read")
    func register() async throws {
        let fixture = try await DirectoryFixture()
        let first = TestEdge("edge-1").session()
        let second = TestEdge("edge-2").session()
        #expect(try await fixture.registry.register(self.user, self.device, first) == nil)
        #expect(try await fixture.registry.register(self.user, self.device, second) == first)
        #expect(try await fixture.registry.register(self.user, self.device, second) == second)
        let other = DeviceID.generate()
        #expect(try await fixture.registry.register(self.user, other, first) == nil)

        let nobody = UserID.generate()
        let snapshot = try await fixture.registry.locations(of: [self.user, nobody], completenessOf: [])
        #expect(snapshot.sessions.keys.map { $0 } == [self.user])
        #expect(
            Set(snapshot.sessions[self.user] ?? [])
                == [
                    RegisteredSession(device: self.device, location: second),
                    RegisteredSession(device: other, location: first),
                ]
        )
        #expect(snapshot.malformedEntries == 0)
        let life = try await fixture.send("PTTL", fixture.userKey(self.user))?.integer ?? 0
        #expect(life > 23 * 3_600_000 && life <= 24 * 3_600_000)
        await fixture.connection.shutdown()
    }

    @Test("A late close never erases a newer registration")
    func compareAndDelete() async throws {
        let fixture = try await DirectoryFixture()
        let edge = TestEdge("edge-1")
        let old = edge.session()
        let new = edge.session()
        try await fixture.registry.register(self.user, self.device, old)
        try await fixture.registry.register(self.user, self.device, new)
        #expect(try await fixture.registry.unregister(self.user, self.device, old) == false)
        #expect(
            try await fixture.registry.locations(of: [self.user], completenessOf: []).sessions[self.user]
                == [RegisteredSession(device: self.device, location: new)]
        )
        #expect(try await fixture.registry.unregister(self.user, self.device, new))
        #expect(try await fixture.registry.unregister(self.user, self.device, new) == false)
        #expect(try await fixture.registry.locations(of: [self.user], completenessOf: []).sessions.isEmpty)
        await fixture.connection.shutdown()
    }

    @Test("A registration that was on its way for long does not take the place of a newer session elsewhere")
    func outdatedRegistration() async throws {
        let fixture = try await DirectoryFixture()
        let (one, two) = (TestEdge("edge-1"), TestEdge("edge-2"))
        let old = one.session()
        let new = two.session()
        try await fixture.registry.register(self.user, self.device, new)
        await #expect(throws: DirectoryError.self) {
            try await fixture.registry.register(self.user, self.device, old)
        }
        let read = try await fixture.registry.locations(of: [self.user], completenessOf: []).sessions[self.user]
        #expect(read == [RegisteredSession(device: self.device, location: new)])
        // In another life of that edge the session that seems newer is gone.
        let reborn = TestEdge("edge-2").session()
        try await fixture.registry.register(self.user, self.device, reborn)
        await fixture.connection.shutdown()
    }

    @Test("An edge whose clock is ahead does not keep a device that goes to another edge from being registered")
    func clockAhead() async throws {
        let fixture = try await DirectoryFixture()
        let (ahead, right) = (TestEdge("edge-1"), TestEdge("edge-2"))
        var early = ahead.session()
        early.session = SessionID.lowerBound(at: WallClock.now() + 600_000)
        try await fixture.registry.register(self.user, self.device, early)
        #expect(try await fixture.registry.register(self.user, self.device, right.session()) == early)
        await fixture.connection.shutdown()
    }

    @Test("The scripts survive a restart of Redis")
    func forgottenScripts() async throws {
        let fixture = try await DirectoryFixture()
        let location = TestEdge("edge-1").session()
        try await fixture.registry.register(self.user, self.device, location)
        try await fixture.restartServer()
        #expect(try await fixture.registry.register(self.user, self.device, location) == nil)
        #expect(try await fixture.registry.unregister(self.user, self.device, location))
        await fixture.connection.shutdown()
    }

    @Test("A user may have so many devices and not one more")
    func deviceBound() async throws {
        let fixture = try await DirectoryFixture()
        let edge = TestEdge("edge-1")
        var last = DeviceID.generate()
        for _ in 0..<DirectoryLimits.devicesPerUserMax {
            last = DeviceID.generate()
            try await fixture.registry.register(self.user, last, edge.session())
        }
        let error = await #expect(throws: DirectoryError.self) {
            try await fixture.registry.register(self.user, .generate(), edge.session())
        }
        #expect(error?.code == .tooManyDevices)
        #expect(try await fixture.registry.register(self.user, last, edge.session()) != nil)
        await fixture.connection.shutdown()
    }

    @Test("A refill writes what is missing and leaves newer sessions alone")
    func registerAll() async throws {
        let fixture = try await DirectoryFixture()
        let own = TestEdge("edge-1")
        let ownEarlierLife = TestEdge("edge-1")
        let other = TestEdge("edge-2")
        let users = (0..<6).map { _ in UserID.generate() }
        let olderElsewhere = other.session()
        let ownSessions = users.map { _ in own.session() }
        let newerElsewhere = other.session()
        let newerOwn = own.session()
        let newerButDead = ownEarlierLife.session()

        // User 0 is absent; the others are registered somewhere.
        try await fixture.registry.register(users[1], self.device, ownSessions[1])
        try await fixture.registry.register(users[2], self.device, olderElsewhere)
        try await fixture.registry.register(users[3], self.device, newerElsewhere)
        try await fixture.registry.register(users[4], self.device, newerOwn)
        try await fixture.registry.register(users[5], self.device, newerButDead)

        let stayed = try await fixture.registry.registerAll(
            zip(users, ownSessions).map { SessionRegistration(user: $0, device: self.device, location: $1) }
        )
        #expect(
            stayed == [
                SessionRegistration(user: users[3], device: self.device, location: newerElsewhere),
                SessionRegistration(user: users[4], device: self.device, location: newerOwn),
            ]
        )
        let snapshot = try await fixture.registry.locations(of: users, completenessOf: [])
        let locations = users.map { snapshot.sessions[$0]?.first?.location }
        #expect(
            locations == [ownSessions[0], ownSessions[1], ownSessions[2], newerElsewhere, newerOwn, ownSessions[5]]
        )
        await fixture.connection.shutdown()
    }

    @Test("A refill of many batches is complete, also when Redis has just lost the scripts")
    func largeRefill() async throws {
        let fixture = try await DirectoryFixture()
        let edge = TestEdge("edge-1")
        try await fixture.registry.registerAll([
            SessionRegistration(user: self.user, device: self.device, location: edge.session())
        ])
        try await fixture.restartServer()
        let registrations = (0..<1000).map { _ in
            SessionRegistration(user: .generate(), device: .generate(), location: edge.session())
        }
        #expect(try await fixture.registry.refill(edge.life, registrations) == [])
        let snapshot = try await fixture.registry.locations(
            of: registrations.map(\.user),
            completenessOf: [edge.life.edge]
        )
        #expect(snapshot.completeEdges == [edge.life])
        for registration in registrations {
            #expect(
                snapshot.sessions[registration.user]
                    == [RegisteredSession(device: registration.device, location: registration.location)]
            )
        }
        await fixture.connection.shutdown()
    }

    @Test("Garbage is skipped and counted, and does not stop a registration")
    func garbage() async throws {
        let fixture = try await DirectoryFixture()
        let good = TestEdge("edge|with|bars").session()
        try await fixture.registry.register(self.user, self.device, good)
        let identifier = "\(DeviceID.generate())"
        let key = fixture.userKey(self.user)
        let values = [
            "", "|", "x", "edge|\(identifier)", "|\(identifier)|\(identifier)", "edge|\(identifier)|not-a-session-id",
            "edge \(identifier) \(identifier)", "\(String(repeating: "n", count: 200))|\(identifier)|\(identifier)",
        ]
        for value in values {
            _ = try await fixture.send("HSET", key, "\(DeviceID.generate())", value)
        }
        _ = try await fixture.send("HSET", key, "no-device", "edge|\(identifier)|\(identifier)")
        let wrongType = UserID.generate()
        _ = try await fixture.send("SET", fixture.userKey(wrongType), "a string")

        let snapshot = try await fixture.registry.locations(of: [wrongType, self.user], completenessOf: ["edge-9"])
        #expect(snapshot.sessions == [self.user: [RegisteredSession(device: self.device, location: good)]])
        #expect(snapshot.malformedEntries == values.count + 2)

        _ = try await fixture.send("HSET", key, "\(self.device)", "rubbish")
        let again = SessionRegistration(user: self.user, device: self.device, location: good)
        #expect(try await fixture.registry.registerAll([again]) == [])
        #expect(try await fixture.registry.unregister(self.user, self.device, good))
        _ = try await fixture.send("HSET", key, "\(self.device)", "rubbish")
        #expect(try await fixture.registry.register(self.user, self.device, good) == nil)
        do throws(DirectoryError) {
            try await fixture.registry.register(wrongType, self.device, good)
            Issue.record("registered under a key that holds a string")
        } catch {
            #expect(error.code == .refused)
        }
        await fixture.connection.shutdown()
    }

    @Test("Reads have a bound")
    func readBound() async throws {
        let fixture = try await DirectoryFixture()
        let users = (0...DirectoryLimits.usersPerReadMax).map { _ in UserID.generate() }
        let error = await #expect(throws: DirectoryError.self) {
            try await fixture.registry.locations(of: users, completenessOf: [])
        }
        #expect(error?.code == .tooLarge)
        #expect(try await fixture.registry.locations(of: [], completenessOf: []).sessions.isEmpty)
        let name = String(repeating: "e", count: DirectoryLimits.nodeNameBytesMax + 1)
        await #expect(throws: DirectoryError.self) {
            try await fixture.registry.register(self.user, self.device, TestEdge(name).session())
        }
        await fixture.connection.shutdown()
    }

    @Test("Without Redis every call fails as unavailable")
    func unavailable() async throws {
        let fixture = try await DirectoryFixture()
        try fixture.server.kill()
        try await eventually("the loss") { !fixture.connection.state.isConnected }
        try await eventually("unavailability") {
            do throws(DirectoryError) {
                _ = try await fixture.registry.locations(of: [self.user], completenessOf: ["edge-1"])
                return false
            } catch {
                return error.code == .unavailable
            }
        }
        await fixture.connection.shutdown()
    }
}
