// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import Redis

@Suite("A server that is not Redis", .timeLimit(.minutes(1)))
struct HostileServerTests {
    struct Example: Sendable, CustomTestStringConvertible {
        var testDescription: String
        var answer: [UInt8]

        init(_ description: String, _ answer: String) {
            self.testDescription = description
            self.answer = Array(answer.utf8)
        }
    }

    private func outcome(of server: HostileServer) async throws -> Result<[RedisValue], RedisError> {
        var configuration = RedisConfiguration(endpoint: RedisEndpoint(host: "127.0.0.1", port: server.port))
        configuration.replyBytesMax = 256 * 1024
        configuration.replyElementsMax = 1000
        configuration.commandTimeout = .milliseconds(500)
        let connection = try RedisConnection(configuration: configuration, logger: silentLogger)
        let result = await withCheckedContinuation { continuation in
            connection.send([RedisCommand("GET", "k")]) { continuation.resume(returning: $0) }
        }
        await connection.shutdown()
        return result
    }

    @Test(
        "Answers beyond the bounds end the connection",
        arguments: [
            Example("array of two thousand million", "*2147483647\r\n"),
            Example("array of one more than the bound", "*1001\r\n" + String(repeating: ":1\r\n", count: 1001)),
            Example("too large an array inside another", "*2\r\n:1\r\n*1001\r\n"),
            Example("negative length", "*-5\r\n"),
            Example("arrays inside each other", String(repeating: "*1\r\n", count: 20)),
            Example("string above the bound", "$1048576\r\n" + String(repeating: "x", count: 1_048_576) + "\r\n"),
            Example("a line without end", "+" + String(repeating: "x", count: 600_000)),
            Example("no Redis at all", "HTTP/1.1 400 Bad Request\r\n\r\n"),
            Example("bad length", "$abc\r\n"),
        ]
    )
    func beyondBounds(_ example: Example) async throws {
        let server = try #require(HostileServer(answer: example.answer))
        defer { server.stop() }
        let result = try await self.outcome(of: server)
        guard case .failure(let error) = result else {
            Issue.record("accepted as \(result)")
            return
        }
        #expect(error.code == .protocolViolation, "\(error)")
    }

    @Test("An answer at the bounds is accepted")
    func atBounds() async throws {
        let text =
            "*1000\r\n" + String(repeating: "*1\r\n$200\r\n\(String(repeating: "y", count: 200))\r\n", count: 1000)
        let server = try #require(HostileServer(answer: Array(text.utf8)))
        defer { server.stop() }
        let elements = try await self.outcome(of: server).get().first?.array
        #expect(elements?.count == 1000)
    }

    @Test("Answers that nobody asked for are not taken for the next command's")
    func unsolicited() async throws {
        let server = try #require(HostileServer(answer: Array("+ONE\r\n+TWO\r\n".utf8)))
        defer { server.stop() }
        var configuration = RedisConfiguration(endpoint: RedisEndpoint(host: "127.0.0.1", port: server.port))
        configuration.reconnectDelayMin = .milliseconds(1)
        configuration.reconnectDelayMax = .milliseconds(5)
        let connection = try RedisConnection(configuration: configuration, logger: silentLogger)
        var answers: [String?] = []
        let deadline = ContinuousClock.now + .seconds(20)
        while answers.count < 5, ContinuousClock.now < deadline {
            if let reply = try? await connection.send([RedisCommand("GET", "k")]).first {
                answers.append(reply.text)
            }
        }
        #expect(answers == Array(repeating: "ONE", count: 5))
        #expect(connection.state.connectionGeneration >= 5)
        await connection.shutdown()
    }

    @Test("A server that sends a byte now and then does not outlive the command timeout")
    func trickle() async throws {
        let answer = Array(("+" + String(repeating: "z", count: 200)).utf8)
        let server = try #require(HostileServer(answer: answer, pauseMicroseconds: 20_000))
        defer { server.stop() }
        let begin = ContinuousClock.now
        let result = try await self.outcome(of: server)
        #expect(begin.duration(to: .now) < .seconds(3))
        guard case .failure(let error) = result else {
            Issue.record("accepted as \(result)")
            return
        }
        #expect(error.code == .timedOut)
    }
}
