// SPDX-License-Identifier: Apache-2.0

import Glibc
import TestSupport
import Testing

/// The relay against a target that sends back what it gets: Redis, which answers `PING`.
@Suite("TCP relay", .serialized)
struct TCPRelayTests {
    private static let ping = Array("PING\r\n".utf8)
    private static let pong = Array("+PONG\r\n".utf8)

    private func withRelay(
        _ body: @escaping @Sendable (RedisServer, TCPRelay) throws -> Void
    ) async throws {
        try await onThread {
            let redis = try RedisServer()
            let relay = try TCPRelay(port: try TCPConnection.stablePorts(1)[0], target: redis.port, seed: 1)
            defer { relay.end() }
            try body(redis, relay)
        }
    }

    private static func answers(_ connection: TCPConnection, withinMilliseconds time: Int32 = 10_000) -> Bool {
        connection.send(Self.ping)
        guard connection.isReadable(withinMilliseconds: time) else { return false }
        return connection.receive(atMost: 100) == Self.pong
    }

    @Test("It passes bytes on, and what ends one side ends the other")
    func passes() async throws {
        try await self.withRelay { redis, relay in
            let connection = try TCPConnection(port: relay.port)
            #expect(Self.answers(connection))
            #expect(relay.connectionCount == 1)
            try redis.kill()
            #expect(connection.isClosedByPeer())
        }
    }

    @Test("More bytes than it may hold arrive whole and in order")
    func large() async throws {
        try await self.withRelay { _, relay in
            let connection = try TCPConnection(port: relay.port)
            let value = String(repeating: "0123456789", count: 40_000)
            let bulk = "$\(value.utf8.count)\r\n\(value)\r\n"
            connection.send(Array("*3\r\n$3\r\nSET\r\n$3\r\nkey\r\n\(bulk)GET key\r\n".utf8))
            let expected = Array("+OK\r\n\(bulk)".utf8)
            var answer: [UInt8] = []
            while answer.count < expected.count, let bytes = connection.receive(), !bytes.isEmpty { answer += bytes }
            let isWhole = answer == expected
            #expect(isWhole, "\(answer.count) of \(expected.count) bytes")
        }
    }

    @Test("Cutting resets what there is and takes what comes")
    func cut() async throws {
        try await self.withRelay { _, relay in
            let connection = try TCPConnection(port: relay.port)
            #expect(Self.answers(connection))
            relay.cut()
            #expect(connection.isClosedByPeer())
            #expect(Self.answers(try TCPConnection(port: relay.port)))
        }
    }

    @Test("Refusing: nobody can connect until it heals")
    func refuse() async throws {
        try await self.withRelay { _, relay in
            try relay.behave(.init(accepting: .refuse))
            #expect(throws: TCPConnection.Failure.self) { try TCPConnection(port: relay.port) }
            try relay.heal()
            #expect(Self.answers(try TCPConnection(port: relay.port)))
        }
    }

    @Test("Silent: connections are taken and not answered, and are gone once it heals", arguments: [true, false])
    func silent(isForward: Bool) async throws {
        try await self.withRelay { _, relay in
            let old = try TCPConnection(port: relay.port)
            #expect(Self.answers(old))
            // Both ways of silence look the same to who dials: an address that never answers, and bytes that vanish.
            try relay.behave(isForward ? .init(forward: .swallow) : .init(accepting: .silent))
            let silent = isForward ? old : try TCPConnection(port: relay.port)
            #expect(!Self.answers(silent, withinMilliseconds: 100))
            try relay.heal()
            #expect(silent.isClosedByPeer())
            #expect(Self.answers(try TCPConnection(port: relay.port)))
        }
    }

    @Test("Swallowing one way only: the request arrives and the answer does not")
    func oneWay() async throws {
        try await self.withRelay { redis, relay in
            let connection = try TCPConnection(port: relay.port)
            #expect(Self.answers(connection))
            try relay.behave(.init(backward: .swallow))
            connection.send(Array("SET arrived yes\r\n".utf8))
            let deadline = ContinuousClock.now + .seconds(10)
            while try redis.command("EXISTS arrived") != ":1", ContinuousClock.now < deadline { usleep(1000) }
            #expect(try redis.command("EXISTS arrived") == ":1")
            #expect(connection.waitingBytes == 0)
        }
    }

    @Test("What is late comes all the same, and not before its time")
    func delay() async throws {
        try await self.withRelay { _, relay in
            try relay.behave(.init(forward: .delay(milliseconds: 60, jitter: 20)))
            let connection = try TCPConnection(port: relay.port)
            let begin = ContinuousClock.now
            #expect(Self.answers(connection))
            #expect(ContinuousClock.now - begin >= .milliseconds(60))
        }
    }

    @Test("A target that is away resets who dials")
    func targetAway() async throws {
        try await self.withRelay { redis, relay in
            try redis.kill()
            #expect(try TCPConnection(port: relay.port).isClosedByPeer())
        }
    }
}
