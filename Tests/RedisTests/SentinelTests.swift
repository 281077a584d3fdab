// SPDX-License-Identifier: Apache-2.0

import Logging
import TestSupport
import Testing

@testable import Redis

@Suite("Sentinel", .timeLimit(.minutes(5)))
struct SentinelTests {
    private func place(
        _ ports: [UInt16],
        name: String = RedisSentinel.primaryName,
        password: String? = nil
    ) -> RedisEndpoint.Place {
        .sentinels(ports.map { RedisAddress(host: "127.0.0.1", port: $0) }, primaryName: name, password: password)
    }

    /// A server that answers every question with this.
    private func impostor(_ answer: String) throws -> HostileServer {
        try #require(HostileServer(answer: Array(answer.utf8), hasIntroduction: false))
    }

    private static func answer(_ port: UInt16) -> String {
        "*2\r\n$9\r\n127.0.0.1\r\n$\("\(port)".count)\r\n\(port)\r\n"
    }

    @Test("kill -9 of the primary: Sentinel promotes the replica and the connection follows")
    func failover() async throws {
        let pair = try ReplicatedPair()
        let sentinel = try RedisSentinel(watching: pair.one)
        let connection = try pair.connect(self.place([sentinel.port])) { $0.reconnectDelayMax = .milliseconds(200) }
        try await connection.write("before")
        #expect(connection.state.address?.port == pair.one.port)
        try pair.two.catchUp(with: pair.one)
        try pair.one.kill()
        try await connection.write("after", within: .seconds(60))
        #expect(connection.state.address?.port == pair.two.port)
        await connection.shutdown()
    }

    @Test("A fail-over that an operator orders: nobody is killed, the old primary becomes a replica")
    func ordered() async throws {
        let pair = try ReplicatedPair()
        let sentinel = try RedisSentinel(watching: pair.one)
        let connection = try pair.connect(self.place([sentinel.port])) { $0.reconnectDelayMax = .milliseconds(200) }
        try await connection.write("before")
        try await eventually("the sentinel takes the order") {
            try sentinel.command("SENTINEL FAILOVER \(RedisSentinel.primaryName)") == "+OK"
        }
        try await eventually("the connection follows", within: .seconds(60)) {
            (try? await connection.send([RedisCommand("SET", "k", "after")])) == [.status("OK")]
                && connection.state.address?.port == pair.two.port
        }
        await connection.shutdown()
    }

    @Test("All sentinels dead: the connection to the primary stays")
    func sentinelsDead() async throws {
        let pair = try ReplicatedPair()
        let sentinel = try RedisSentinel(watching: pair.one)
        let connection = try pair.connect(self.place([sentinel.port])) {
            $0.roleCheckInterval = .milliseconds(1)
            $0.reconnectDelayMax = .milliseconds(100)
        }
        try await connection.write("before")
        try sentinel.kill()
        for number in 0..<50 {
            #expect(try await connection.send([RedisCommand("SET", "k", "\(number)")]) == [.status("OK")])
        }
        #expect(connection.state.connectionGeneration == 1)
        // Once it is lost there is nobody to ask, and that is said.
        try pair.one.dropClients()
        try await eventually("the reason is told") {
            connection.state.lastError?.message.contains("The sentinel at 127.0.0.1:\(sentinel.port) cannot be reached")
                == true
        }
        await connection.shutdown()
    }

    @Test(
        "A sentinel that is dead, garbles or knows nothing is gone past",
        arguments: [
            "HTTP/1.1 400 Bad Request\r\n\r\n", "$-1\r\n", "*-1\r\n", "*2\r\n$1\r\na\r\n:1\r\n",
            "-NOAUTH who are you\r\n",
            "*2147483647\r\n", "+OK\r\n+OK\r\n", "",
        ]
    )
    func odd(_ answer: String) async throws {
        let pair = try ReplicatedPair()
        let impostor = try self.impostor(answer)
        defer { impostor.stop() }
        let good = try self.impostor(Self.answer(pair.one.port))
        defer { good.stop() }
        let dead = try TCPConnection.freePorts(1)[0]
        let connection = try pair.connect(self.place([dead, impostor.port, good.port])) {
            $0.commandTimeout = .milliseconds(500)
        }
        #expect(try await connection.send([RedisCommand("SET", "k", "v")]) == [.status("OK")])
        await connection.shutdown()
    }

    @Test("A sentinel that has missed a fail-over is not believed: the next one is asked")
    func stale() async throws {
        let pair = try ReplicatedPair()
        let (stale, gone, good) = (
            try self.impostor(Self.answer(pair.two.port)),
            try self.impostor(Self.answer(try TCPConnection.freePorts(1)[0])),
            try self.impostor(Self.answer(pair.one.port))
        )
        defer { for server in [stale, gone, good] { server.stop() } }
        let connection = try pair.connect(self.place([stale.port, gone.port, good.port]))
        #expect(try await connection.send([RedisCommand("SET", "k", "v")]) == [.status("OK")])
        #expect(connection.state.address?.port == pair.one.port)
        await connection.shutdown()
    }

    @Test("A name that no sentinel knows is told as such")
    func unknownName() async throws {
        let pair = try ReplicatedPair()
        let sentinel = try RedisSentinel(watching: pair.one)
        let connection = try pair.connect(self.place([sentinel.port], name: "another"))
        let error = await #expect(throws: RedisError.self) { try await connection.send([RedisCommand("PING")]) }
        #expect(error?.message.contains("watches no primary named \"another\"") == true, "\(error as Any)")
        await connection.shutdown()
    }

    @Test("Passwords of the sentinel and of the server are their own; a wrong one is told apart")
    func passwords() async throws {
        let pair = try ReplicatedPair(password: "of-redis")
        let sentinel = try RedisSentinel(watching: pair.one, password: "of-sentinel")
        let right = try pair.connect(self.place([sentinel.port], password: "of-sentinel"), password: "of-redis")
        #expect(try await right.send([RedisCommand("SET", "k", "v")]) == [.status("OK")])
        await right.shutdown()
        for wrong in ["of-redis", nil] {
            let connection = try pair.connect(self.place([sentinel.port], password: wrong), password: "of-redis")
            let error = await #expect(throws: RedisError.self) { try await connection.send([RedisCommand("PING")]) }
            #expect(error?.message.contains("The sentinel at 127.0.0.1:\(sentinel.port) refuses") == true)
            #expect(error?.message.contains("of-redis") != true)
            await connection.shutdown()
        }
    }

    @Test("A sentinel that is taken for a server is refused as one")
    func sentinelAsServer() async throws {
        let pair = try ReplicatedPair()
        let sentinel = try RedisSentinel(watching: pair.one)
        let place = RedisEndpoint.Place.servers([RedisAddress(host: "127.0.0.1", port: sentinel.port)])
        let connection = try pair.connect(place)
        let error = await #expect(throws: RedisError.self) { try await connection.send([RedisCommand("PING")]) }
        #expect(error?.message.contains("is a sentinel") == true, "\(error as Any)")
        await connection.shutdown()
    }
}
