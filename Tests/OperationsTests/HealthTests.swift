// SPDX-License-Identifier: Apache-2.0

import ClusterConfiguration
import Foundation
import NIOCore
import NIOPosix
import Synchronization
import TestSupport
import Testing

@testable import Operations

@Suite("Health of a router over HTTP")
struct HealthTests {
    private final class Reasons: Sendable {
        let now = Mutex(["not in the view of shard shard-1"])
    }

    private let group = MultiThreadedEventLoopGroup.singleton

    private func server(_ address: NetworkAddress, _ reasons: Reasons) -> HealthServer {
        HealthServer(
            address: address,
            group: self.group,
            notReadyReasons: { reasons.now.withLock { $0 } },
            metrics: { "trunkline_test 1\n" },
            logger: LogRecorder().logger
        )
    }

    private func ready(_ seen: ClusterObservation.Seen<ClusterObservation.Probe>) -> Bool? {
        if case .value(let probe) = seen { probe.ready } else { nil }
    }

    @Test("/ready answers 503 with the reasons, then 200; after the end nothing listens")
    func readiness() async throws {
        let address = try #require(NetworkAddress(host: "127.0.0.1", port: try freePort()))
        let probe = ReadinessProbe(group: self.group, timeout: .seconds(5))
        let reasons = Reasons()
        let server = self.server(address, reasons)
        let running = Task { try await server.run() }
        try await eventually("the server says that it is not ready") { self.ready(await probe.ask(address)) == false }
        guard case .value(let seen) = await probe.ask(address) else { throw Unexpected(description: "no answer") }
        #expect(seen.reasons == ["not in the view of shard shard-1"])

        reasons.now.withLock { $0 = [] }
        #expect(self.ready(await probe.ask(address)) == true)

        running.cancel()
        _ = await running.result
        try await eventually("connections are refused") {
            if case .unreachable(let reason) = await probe.ask(address) { reason.contains("refused") } else { false }
        }
    }

    @Test("/health and /metrics answer as documented")
    func documents() async throws {
        let address = try #require(NetworkAddress(host: "127.0.0.1", port: try freePort()))
        let server = self.server(address, Reasons())
        let running = Task { try await server.run() }
        let probe = ReadinessProbe(group: self.group, timeout: .seconds(5))
        try await eventually("the server answers") { self.ready(await probe.ask(address)) != nil }
        #expect(try await Self.curl("http://\(address)/health") == #"{"status":"alive"} 200 application/json"#)
        #expect(
            try await Self.curl("http://\(address)/metrics")
                == "trunkline_test 1\n 200 text/plain; version=0.0.4; charset=utf-8"
        )
        #expect(
            try await Self.curl("http://\(address)/ready")
                == #"{"ready":false,"reasons":["not in the view of shard shard-1"]} 503 application/json"#
        )
        running.cancel()
        _ = await running.result
    }

    @Test("an address in use is an error, not a silence")
    func addressInUse() async throws {
        let listener = try Listener()
        defer { listener.close() }
        let address = try #require(NetworkAddress(host: "127.0.0.1", port: listener.port))
        let server = self.server(address, Reasons())
        await #expect(throws: (any Error).self) { try await server.run() }
    }

    @Test("a probe of something that accepts and never answers ends in time")
    func silence() async throws {
        let listener = try Listener()
        defer { listener.close() }
        let address = try #require(NetworkAddress(host: "127.0.0.1", port: listener.port))
        let seen = await ReadinessProbe(group: self.group, timeout: .milliseconds(200)).ask(address)
        guard case .unreachable(let reason) = seen else { throw Unexpected(description: "there was an answer") }
        #expect(reason.contains("no answer within"))
    }

    /// The body, the status and the media type.
    private static func curl(_ url: String) async throws -> String {
        try await blocking { try Self.runCurl(url) }
    }

    private static func runCurl(_ url: String) throws -> String {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/curl")
        process.arguments = ["-sS", "--max-time", "10", "-w", " %{http_code} %{content_type}", url]
        let output = Pipe()
        process.standardOutput = output
        try process.run()
        let data = output.fileHandleForReading.readDataToEndOfFile()
        process.waitUntilExit()
        return String(decoding: data, as: UTF8.self)
    }
}
