// SPDX-License-Identifier: Apache-2.0

import Directory
import Logging
import Messaging
import Redis
import TestSupport
import Testing

@Suite("The registry after a fail-over of Redis", .timeLimit(.minutes(2)))
struct RegistryFailoverTests {
    private func connect(_ servers: [RedisServer]) throws -> RedisConnection {
        let addresses = servers.map { RedisAddress(host: "127.0.0.1", port: $0.port) }
        return try RedisConnection(
            configuration: RedisConfiguration(endpoint: RedisEndpoint(place: .servers(addresses))),
            logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
        )
    }

    @Test("What the replica did not get is there again after a refill; until then its marker is not believed")
    func lost() async throws {
        let one = try RedisServer()
        let two = try RedisServer(replicaOf: one)
        let connection = try self.connect([one, two])
        let registry = SessionRegistry(connection: connection, cluster: DirectoryFixture.cluster)
        try await eventually("the connection") { connection.state.isConnected }
        let edge = TestEdge("edge-1")
        let sessions = (0..<2).map { _ in
            SessionRegistration(user: .generate(), device: .generate(), location: edge.session())
        }
        let users = sessions.map(\.user)
        var registration = EdgeRegistration()
        let begin = registration.tick(now: .now, life: registry.life)
        #expect(begin == .refill)
        try await registry.refill(edge.life, [sessions[0]])
        _ = registration.refillEnded(succeeded: true, life: registry.life)
        let before = try #require(registration.completeIn)
        try two.catchUp(with: one)

        // From here on the replica hears nothing, and becomes the primary without the second session.
        try two.promote()
        try await registry.register(sessions[1].user, sessions[1].device, sessions[1].location)
        registration.registered(in: registry.life)
        #expect(registration.completeIn == before)
        let complete = try await registry.locations(of: users, completenessOf: ["edge-1"])
        #expect(complete.sessions.count == 2 && complete.completeEdges == [edge.life])
        try one.kill()
        try await eventually("the other server is used") {
            connection.state.isConnected && connection.state.address?.port == two.port
        }

        let behind = try await registry.locations(of: users, completenessOf: ["edge-1"])
        #expect(behind.sessions.count == 1, "asynchronous replication loses what was written last")
        #expect(behind.completeEdges.isEmpty, "the marker that was copied is that of another life")
        #expect(behind.serverRunID != complete.serverRunID)
        #expect(try await registry.renewComplete(edge.life) == false)
        let action = registration.tick(now: .now, life: registry.life)
        #expect(action == .refill)
        #expect(registration.completeIn == nil)
        try await registry.refill(edge.life, sessions)
        _ = registration.refillEnded(succeeded: true, life: registry.life)
        #expect(registration.completeIn != nil && registration.completeIn != before)
        let after = try await registry.locations(of: users, completenessOf: ["edge-1"])
        #expect(after.sessions.count == 2 && after.completeEdges == [edge.life])
        await connection.shutdown()
    }

    @Test("A refill that a fail-over interrupts sets no marker that counts")
    func duringRefill() async throws {
        let one = try RedisServer()
        let two = try RedisServer(replicaOf: one)
        let connection = try self.connect([one, two])
        let registry = SessionRegistry(connection: connection, cluster: DirectoryFixture.cluster)
        try await eventually("the connection") { connection.state.isConnected }
        let edge = TestEdge("edge-1")
        let refill = try await registry.beginRefill(of: edge.life)
        try two.catchUp(with: one)
        try two.promote()
        let registration = SessionRegistration(user: .generate(), device: .generate(), location: edge.session())
        try await registry.registerAll([registration])
        try one.kill()
        try await eventually("the other server is used") {
            connection.state.isConnected && connection.state.address?.port == two.port
        }
        // The beginning of the refill was copied, what it registered was not.
        _ = try? await registry.endRefill(refill)
        let snapshot = try await registry.locations(of: [registration.user], completenessOf: ["edge-1"])
        #expect(snapshot.sessions.isEmpty && snapshot.completeEdges.isEmpty)
        #expect(try await registry.renewComplete(edge.life) == false)
        await connection.shutdown()
    }
}
