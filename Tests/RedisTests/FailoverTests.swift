// SPDX-License-Identifier: Apache-2.0

import Logging
import TestSupport
import Testing

@testable import Redis

/// Two servers, the second of which follows the first.
final class ReplicatedPair: Sendable {
    let one: RedisServer
    let two: RedisServer

    init(password: String? = nil) throws {
        self.one = try RedisServer(password: password)
        self.two = try RedisServer(replicaOf: self.one)
    }

    func servers(_ order: [RedisServer]? = nil) -> RedisEndpoint.Place {
        .servers((order ?? [self.one, self.two]).map { RedisAddress(host: "127.0.0.1", port: $0.port) })
    }

    /// The second one becomes the primary and the first one follows it.
    func swap() throws {
        try self.two.promote()
        try self.one.follow(self.two)
        try self.one.catchUp(with: self.two)
    }

    func connect(
        _ place: RedisEndpoint.Place? = nil,
        password: String? = nil,
        _ change: (inout RedisConfiguration) -> Void = { _ in }
    ) throws -> RedisConnection {
        let endpoint = RedisEndpoint(place: place ?? self.servers(), password: password)
        var configuration = RedisConfiguration(endpoint: endpoint)
        change(&configuration)
        return try RedisConnection(configuration: configuration, logger: silentLogger)
    }
}

extension RedisConnection {
    /// Writes until it is taken.
    func write(_ value: String, within time: Duration = .seconds(20)) async throws {
        try await eventually("\(value) is written", within: time) {
            (try? await self.send([RedisCommand("SET", "k", value)])) == [.status("OK")]
        }
    }
}

@Suite("Fail-over between servers", .timeLimit(.minutes(3)))
struct FailoverTests {
    @Test("A replica is gone past, wherever it stands")
    func pastReplica() async throws {
        let pair = try ReplicatedPair()
        for order in [[pair.one, pair.two], [pair.two, pair.one]] {
            let connection = try pair.connect(pair.servers(order))
            #expect(try await connection.send([RedisCommand("SET", "k", "v")]) == [.status("OK")])
            #expect(connection.state.address?.port == pair.one.port)
            await connection.shutdown()
        }
    }

    @Test("A single server that is a replica is refused with the reason, and used once it is promoted")
    func singleReplica() async throws {
        let pair = try ReplicatedPair()
        let connection = try pair.connect(pair.servers([pair.two])) { $0.reconnectDelayMax = .milliseconds(100) }
        let error = await #expect(throws: RedisError.self) { try await connection.send([RedisCommand("PING")]) }
        #expect(error?.code == .unavailable)
        #expect(error?.message == "Redis at 127.0.0.1:\(pair.two.port) is a replica.")
        try pair.two.promote()
        try await connection.write("promoted")
        await connection.shutdown()
    }

    @Test("Without any primary the error names every address with its reason")
    func noPrimary() async throws {
        let pair = try ReplicatedPair()
        try pair.one.kill()
        let connection = try pair.connect()
        let error = await #expect(throws: RedisError.self) { try await connection.send([RedisCommand("PING")]) }
        #expect(error?.message.contains("127.0.0.1:\(pair.one.port) cannot be reached") == true, "\(error as Any)")
        #expect(error?.message.contains("127.0.0.1:\(pair.two.port) is a replica.") == true, "\(error as Any)")
        await connection.shutdown()
    }

    @Test("A primary that is demoted under a connection: READONLY, then the new one, with a write that succeeds")
    func demoted() async throws {
        let pair = try ReplicatedPair()
        let connection = try pair.connect { $0.roleCheckInterval = .seconds(3600) }
        try await connection.write("before")
        let before = connection.state
        try pair.swap()
        let refused = try? await connection.send([RedisCommand("SET", "k", "refused")]).first
        #expect(refused?.errorText?.hasPrefix("READONLY") == true)
        try await connection.write("after", within: .seconds(5))
        let after = connection.state
        #expect(after.address?.port == pair.two.port)
        #expect(after.serverRunID != before.serverRunID)
        #expect(after.reign == before.reign + 1)
        await connection.shutdown()
    }

    @Test("A script that writes finds the new primary too, which does not know it")
    func demotedUnderScript() async throws {
        let pair = try ReplicatedPair()
        let connection = try pair.connect()
        let script = RedisScript("redis.call('SET', KEYS[1], ARGV[1]) return 1")
        let call = RedisScript.Call(keys: ["k"], arguments: ["v"])
        #expect(try await connection.evaluate(script, [call]) == [.integer(1)])
        try pair.swap()
        try await eventually("the script is carried out") {
            (try? await connection.evaluate(script, [call])) == [.integer(1)]
        }
        #expect(connection.state.address?.port == pair.two.port)
        await connection.shutdown()
    }

    @Test("A connection that only reads notices that its server became a replica")
    func demotedUnderReads() async throws {
        let pair = try ReplicatedPair()
        let connection = try pair.connect { $0.roleCheckInterval = .milliseconds(50) }
        _ = try await connection.send([RedisCommand("GET", "k")])
        try pair.swap()
        try await eventually("reads come from the new primary") {
            _ = try? await connection.send([RedisCommand("GET", "k")])
            return connection.state.address?.port == pair.two.port
        }
        await connection.shutdown()
    }

    @Test("kill -9 of the primary: the promoted replica is used, with the data that it has")
    func killed() async throws {
        let pair = try ReplicatedPair()
        let connection = try pair.connect { $0.reconnectDelayMax = .milliseconds(200) }
        try await connection.write("before")
        try pair.two.catchUp(with: pair.one)
        try pair.one.kill()
        try await eventually("it is noticed") { !connection.state.isConnected }
        let error = await #expect(throws: RedisError.self) { try await connection.send([RedisCommand("GET", "k")]) }
        #expect(error?.isOutcomeUnknown == false)
        try pair.two.promote()
        try await eventually("the replica is used") { connection.state.isConnected }
        #expect(try await connection.send([RedisCommand("GET", "k")]).first?.text == "before")
        #expect(connection.state.address?.port == pair.two.port)
        await connection.shutdown()
    }

    @Test("With the replica promoted already, a lost connection costs no pause")
    func noPause() async throws {
        let pair = try ReplicatedPair()
        // A pause would be longer than the test waits.
        let connection = try pair.connect {
            $0.reconnectDelayMin = .seconds(60)
            $0.reconnectDelayMax = .seconds(60)
        }
        try await connection.write("before")
        try pair.two.promote()
        try pair.one.kill()
        try await connection.write("after", within: .seconds(5))
        await connection.shutdown()
    }

    @Test("A first address that accepts and says nothing holds the first command up, and does not fail it")
    func silentFirst() async throws {
        let pair = try ReplicatedPair()
        let silent = try RedisServer()
        try silent.pause()
        let connection = try pair.connect(pair.servers([silent, pair.one])) { $0.commandTimeout = .milliseconds(500) }
        #expect(try await connection.send([RedisCommand("SET", "k", "v")]) == [.status("OK")])
        #expect(connection.state.address?.port == pair.one.port)
        try silent.resume()
        await connection.shutdown()
    }

    @Test("A server that was a replica in between counts as another one, though its life is the same")
    func thereAndBack() async throws {
        let pair = try ReplicatedPair()
        let connection = try pair.connect { $0.roleCheckInterval = .seconds(3600) }
        try await connection.write("before")
        let before = connection.state
        // Without a word from us in between.
        try pair.swap()
        try pair.one.promote()
        try pair.two.follow(pair.one)
        try pair.one.dropClients()
        try await connection.write("after")
        let after = connection.state
        #expect(after.address?.port == pair.one.port)
        #expect(after.serverRunID == before.serverRunID)
        #expect(after.reign == before.reign + 1)
        // A connection that was only cut is to the same.
        try pair.one.dropClients()
        try await connection.write("again")
        #expect(connection.state.reign == after.reign)
        await connection.shutdown()
    }

    @Test("Back and forth under load: every answer belongs to its command")
    func backAndForth() async throws {
        let pair = try ReplicatedPair()
        let connection = try pair.connect { $0.reconnectDelayMax = .milliseconds(50) }
        try await connection.write("begin")
        try await withThrowingTaskGroup(of: Void.self) { group in
            for task in 0..<4 {
                group.addTask {
                    for round in 0..<400 {
                        let word = "\(task).\(round)"
                        guard
                            let replies = try? await connection.send([
                                RedisCommand("SET", "k\(task)", word), RedisCommand("ECHO", word),
                            ])
                        else { continue }
                        #expect(replies.last?.text == word)
                    }
                }
            }
            group.addTask {
                for _ in 0..<4 {
                    try pair.swap()
                    try pair.one.promote()
                    try pair.two.follow(pair.one)
                    try pair.two.catchUp(with: pair.one)
                }
            }
            try await group.waitForAll()
        }
        try await connection.write("end")
        #expect(connection.held == (0, 0))
        await connection.shutdown()
    }
}
