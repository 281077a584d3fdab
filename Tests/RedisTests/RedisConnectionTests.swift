// SPDX-License-Identifier: Apache-2.0

import Logging
import Synchronization
import TestSupport
import Testing

@testable import Redis

/// A logger that says nothing: the tests look at states, not at text.
let silentLogger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }

func connect(
    _ server: RedisServer,
    password: String? = nil,
    _ change: (inout RedisConfiguration) -> Void = { _ in }
) throws -> RedisConnection {
    var configuration = RedisConfiguration(
        endpoint: RedisEndpoint(host: "127.0.0.1", port: server.port, password: password)
    )
    change(&configuration)
    return try RedisConnection(configuration: configuration, logger: silentLogger)
}

@Suite("Connection to a real Redis", .timeLimit(.minutes(2)))
struct RedisConnectionTests {
    /// Counts completions and keeps what they brought.
    final class Outcomes: Sendable {
        private let results = Mutex<[Result<[RedisValue], RedisError>]>([])

        var count: Int { self.results.withLock { $0.count } }
        var all: [Result<[RedisValue], RedisError>] { self.results.withLock { $0 } }
        var codes: Set<RedisError.Code> {
            Set(
                self.all.compactMap { result in
                    if case .failure(let error) = result { error.code } else { nil }
                }
            )
        }

        func add(_ result: Result<[RedisValue], RedisError>) {
            self.results.withLock { $0.append(result) }
        }
    }

    @Test("Every type of answer is copied")
    func values() async throws {
        let server = try RedisServer()
        let connection = try connect(server)
        let bytes: [UInt8] = [0, 13, 10, 255, 0]
        let replies = try await connection.send([
            RedisCommand("SET", arguments: [Array("k".utf8), bytes]),
            RedisCommand("GET", "k"),
            RedisCommand("GET", "missing"),
            RedisCommand("INCR", "n"),
            RedisCommand("INCR", "k"),
            RedisCommand("EVAL", "return {1, 'two', {}, {{'deep'}}, false}", "0"),
            RedisCommand("SET", "empty", ""),
            RedisCommand("GET", "empty"),
        ])
        #expect(replies[0] == .status("OK"))
        #expect(replies[1] == .string(bytes))
        #expect(replies[2] == .null)
        #expect(replies[3] == .integer(1))
        #expect(replies[4].errorText?.hasPrefix("ERR") == true)
        #expect(
            replies[5]
                == .array([
                    .integer(1), .string(Array("two".utf8)), .array([]),
                    .array([.array([.string(Array("deep".utf8))])]),
                    .null,
                ])
        )
        #expect(replies[7] == .string([]))
        #expect(try await connection.send([]) == [])
        await connection.shutdown()
    }

    @Test("10,000 commands sent one by one are answered in order")
    func pipelining() async throws {
        let server = try RedisServer()
        let connection = try connect(server)
        let outcomes = Outcomes()
        for _ in 0..<10_000 {
            connection.send([RedisCommand("INCR", "counter")]) { outcomes.add($0) }
        }
        try await eventually("all answers", within: .seconds(30)) { outcomes.count == 10_000 }
        let numbers = outcomes.all.map { try? $0.get().first?.integer }
        #expect(numbers == (1...10_000).map { Int64($0) })
        #expect(connection.held == (0, 0))
        await connection.shutdown()
    }

    @Test("10,000 commands in one request are answered in order")
    func largeRequest() async throws {
        let server = try RedisServer()
        let connection = try connect(server)
        let payload = String(repeating: "x", count: 300)
        let replies = try await connection.send((0..<10_000).map { RedisCommand("ECHO", "\($0)\(payload)") })
        #expect(replies.map(\.text) == (0..<10_000).map { "\($0)\(payload)" })
        await connection.shutdown()
    }

    @Test("Requests of many tasks do not mix")
    func concurrentRequests() async throws {
        let server = try RedisServer()
        let connection = try connect(server) { $0.pipelineCommandsMax = 7 }
        try await withThrowingTaskGroup(of: Void.self) { group in
            for task in 0..<16 {
                group.addTask {
                    for round in 0..<100 {
                        let words = (0..<(1 + round % 5)).map { "\(task).\(round).\($0)" }
                        let replies = try await connection.send(words.map { RedisCommand("ECHO", $0) })
                        #expect(replies.map(\.text) == words)
                    }
                }
            }
            try await group.waitForAll()
        }
        await connection.shutdown()
    }

    @Test("Killed with commands on the wire: all are failed, and the connection comes back")
    func killed() async throws {
        let server = try RedisServer()
        let connection = try connect(server)
        _ = try await connection.send([RedisCommand("PING")])
        let generation = connection.state.connectionGeneration
        let outcomes = Outcomes()
        // BLPOP keeps the answers of all that follow it back.
        connection.send([RedisCommand("BLPOP", "nothing", "0")]) { outcomes.add($0) }
        for _ in 0..<999 {
            connection.send([RedisCommand("PING")]) { outcomes.add($0) }
        }
        try server.kill()
        try await eventually("all completions") { outcomes.count == 1000 }
        #expect(outcomes.all.allSatisfy { if case .failure = $0 { true } else { false } })
        #expect(outcomes.codes.isSubset(of: [.connectionLost, .unavailable]))
        #expect(connection.held == (0, 0))
        try await eventually("refusal at once") {
            await (try? connection.send([RedisCommand("PING")])) == nil && !connection.state.isConnected
        }
        try server.start()
        try await eventually("a new connection") { connection.state.isConnected }
        #expect(connection.state.connectionGeneration > generation)
        #expect(try await connection.send([RedisCommand("PING")]) == [.status("PONG")])
        await connection.shutdown()
    }

    @Test("The end of an idle connection is noticed, and the server's new life is known")
    func idleRestart() async throws {
        let server = try RedisServer()
        let states = Mutex<[Bool]>([])
        let connection = try RedisConnection(
            configuration: RedisConfiguration(endpoint: RedisEndpoint(host: "127.0.0.1", port: server.port)),
            logger: silentLogger
        ) { state in states.withLock { $0.append(state.isConnected) } }
        try await eventually("the first connection") { connection.state.isConnected }
        let first = connection.state
        #expect(first.serverRunID.count == 40)
        #expect(first.lastError == nil)
        try server.kill()
        try await eventually("the loss") { !connection.state.isConnected }
        #expect(connection.state.lastError != nil)
        try server.start()
        try await eventually("the second connection") { connection.state.isConnected }
        #expect(connection.state.connectionGeneration == first.connectionGeneration + 1)
        #expect(connection.state.serverRunID != first.serverRunID)
        await connection.shutdown()
        let seen = states.withLock { $0 }
        #expect(seen.first == true)
        #expect(seen.contains(false))
        #expect(!connection.state.isConnected)
    }

    @Test("A frozen server: commands time out, the queue stays bounded, and the thaw is noticed")
    func frozen() async throws {
        let server = try RedisServer()
        let connection = try connect(server) { $0.queuedCommandsMax = 100 }
        _ = try await connection.send([RedisCommand("PING")])
        try server.pause()
        let outcomes = Outcomes()
        let begin = ContinuousClock.now
        for _ in 0..<500 {
            connection.send([RedisCommand("PING")]) { outcomes.add($0) }
            #expect(connection.held.commands <= 100)
        }
        #expect(outcomes.count >= 400)
        #expect(outcomes.codes.contains(.overloaded))
        try await eventually("all completions") { outcomes.count == 500 }
        let elapsed = begin.duration(to: .now)
        #expect(elapsed > .milliseconds(900))
        #expect(elapsed < .milliseconds(2500))
        #expect(outcomes.codes.contains(.timedOut))
        #expect(outcomes.codes.isSubset(of: [.overloaded, .timedOut, .unavailable]))
        let refusal = ContinuousClock.now
        await #expect(throws: RedisError.self) { try await connection.send([RedisCommand("PING")]) }
        #expect(refusal.duration(to: .now) < .milliseconds(500))
        try server.resume()
        try await eventually("the thaw") { connection.state.isConnected }
        #expect(try await connection.send([RedisCommand("PING")]) == [.status("PONG")])
        await connection.shutdown()
    }

    @Test("The password is sent, a wrong or missing one is told apart from an absent server")
    func password() async throws {
        let server = try RedisServer(password: "correct")
        let right = try connect(server, password: "correct")
        #expect(try await right.send([RedisCommand("PING")]) == [.status("PONG")])
        for wrong in ["wrong", nil] {
            let connection = try connect(server, password: wrong)
            let error = await #expect(throws: RedisError.self) { try await connection.send([RedisCommand("PING")]) }
            #expect(error?.code == .authenticationRefused)
            #expect(error?.message.contains("wrong") != true)
            await connection.shutdown()
        }
        await right.shutdown()
    }

    @Test("The database is selected")
    func database() async throws {
        let server = try RedisServer()
        let third = try connect(server) { $0.endpoint.database = 3 }
        let zeroth = try connect(server)
        _ = try await third.send([RedisCommand("SET", "k", "v")])
        #expect(try await zeroth.send([RedisCommand("GET", "k")]) == [.null])
        #expect(try await third.send([RedisCommand("GET", "k")]).first?.text == "v")
        let beyond = try connect(server) { $0.endpoint.database = 99 }
        let error = await #expect(throws: RedisError.self) { try await beyond.send([RedisCommand("PING")]) }
        #expect(error?.code == .authenticationRefused)
        for connection in [third, zeroth, beyond] {
            await connection.shutdown()
        }
    }

    @Test("No server: the first commands fail with the first attempt, later ones at once")
    func absent() async throws {
        let server = try RedisServer()
        try server.stop()
        let connection = try connect(server)
        let error = await #expect(throws: RedisError.self) { try await connection.send([RedisCommand("PING")]) }
        #expect(error?.code == .unavailable)
        #expect(connection.state.connectionGeneration == 0)
        await connection.shutdown()
    }

    @Test("Shutting down fails what waits and ends the thread")
    func shutdown() async throws {
        let server = try RedisServer()
        let connection = try connect(server)
        let outcomes = Outcomes()
        _ = try await connection.send([RedisCommand("PING")])
        try server.pause()
        for _ in 0..<10 {
            connection.send([RedisCommand("PING")]) { outcomes.add($0) }
        }
        await connection.shutdown()
        #expect(outcomes.count == 10)
        #expect(outcomes.codes.isSubset(of: [.timedOut, .shutDown, .unavailable]))
        let error = await #expect(throws: RedisError.self) { try await connection.send([RedisCommand("PING")]) }
        #expect(error?.code == .shutDown)
        await connection.shutdown()
    }

    @Test("A dropped connection is closed without being told to")
    func dropped() async throws {
        let server = try RedisServer()
        do {
            let connection = try connect(server)
            _ = try await connection.send([RedisCommand("CLIENT", "SETNAME", "dropped")])
            _ = connection
        }
        let observer = try connect(server)
        try await eventually("its end on the server") {
            let clients = try await observer.send([RedisCommand("CLIENT", "LIST")]).first?.text
            return clients?.contains("name=dropped") == false
        }
        await observer.shutdown()
    }

    @Test("A script is sent again to a server that has forgotten it")
    func forgottenScript() async throws {
        let server = try RedisServer()
        let connection = try connect(server)
        let script = RedisScript("return redis.call('INCRBY', KEYS[1], ARGV[1])")
        let calls = (1...5).map { RedisScript.Call(keys: ["sum"], arguments: ["\($0)"]) }
        #expect(try await connection.evaluate(script, calls) == [1, 3, 6, 10, 15].map { .integer($0) })
        try server.restart()
        try await eventually("the second connection") {
            connection.state.isConnected && connection.state.connectionGeneration == 2
        }
        #expect(try await connection.evaluate(script, calls) == [1, 3, 6, 10, 15].map { .integer($0) })
        #expect(try await connection.evaluate(script, []) == [])
        let broken = RedisScript("this is not Lua")
        await #expect(throws: RedisError.self) { try await connection.evaluate(broken, calls) }
        await connection.shutdown()
    }
}
