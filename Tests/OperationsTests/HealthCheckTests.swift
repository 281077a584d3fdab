// SPDX-License-Identifier: Apache-2.0

import ClusterConfiguration
import NIOPosix
import Synchronization
import Testing

@testable import Operations

@Suite("Asking a node how it is")
struct HealthCheckTests {
    private final class Reasons: Sendable {
        let now: Mutex<[String]>

        init(_ reasons: [String]) {
            self.now = Mutex(reasons)
        }
    }

    private static let group = MultiThreadedEventLoopGroup.singleton
    private let check = HealthCheck(group: Self.group, timeout: .seconds(5))

    /// Runs the body beside a server that listens.
    private func beside(
        _ reasons: Reasons,
        _ body: (HealthCheck.Place) async throws -> Void
    ) async throws {
        let address = try #require(NetworkAddress(host: "127.0.0.1", port: try freePort()))
        let server = HealthServer(
            address: address,
            group: Self.group,
            notReadyReasons: { reasons.now.withLock { $0 } },
            metrics: { "" },
            logger: LogRecorder().logger
        )
        let running = Task { try await server.run() }
        let place = try #require(HealthCheck.Place("\(address)"))
        let begun = await self.check.ask(.alive, at: [place], within: .seconds(20))
        #expect(begun.isGood, "\(begun.line)")
        try await body(place)
        running.cancel()
        _ = await running.result
    }

    @Test("Alive is another question than ready, and each answer is one line with where and why")
    func questions() async throws {
        let reasons = Reasons(["no link to a router", "no shard map"])
        try await self.beside(reasons) { place in
            let unready = await self.check.ask(.ready, of: "router-1", at: [place])
            #expect(!unready.isGood)
            #expect(unready.line == "router-1 at \(place) is not ready: no link to a router; no shard map")
            let alive = await self.check.ask(.alive, at: [place])
            #expect(alive == .init(isGood: true, line: "the node at \(place) is alive"))
            reasons.now.withLock { $0 = [] }
            let ready = await self.check.ask(.ready, at: [place])
            #expect(ready == .init(isGood: true, line: "the node at \(place) is ready"))
        }
    }

    @Test("The first place that answers decides; those that do not are told of when none does")
    func places() async throws {
        let nobody = try #require(HealthCheck.Place("127.0.0.1:\(try freePort())"))
        try await self.beside(Reasons(["being drained"])) { place in
            let secured = try #require(HealthCheck.Place("https://\(place)"))
            let verdict = await self.check.ask(.ready, at: [nobody, secured, place])
            #expect(verdict.line == "the node at \(place) is not ready: being drained")
            let silence = await self.check.ask(.alive, at: [nobody, secured])
            #expect(!silence.isGood)
            #expect(silence.line.contains("\(nobody) does not answer: Connection refused; "), "\(silence.line)")
            #expect(silence.line.contains("https://\(place) does not answer: "), "\(silence.line)")
        }
    }

    @Test("A node that is not ready is asked again for as long as it is waited for")
    func waiting() async throws {
        let reasons = Reasons(["not yet"])
        try await self.beside(reasons) { place in
            let check = self.check
            async let verdict = check.ask(.ready, at: [place], within: .seconds(60))
            // Whether this comes before the first question or after it, the answer is the same.
            reasons.now.withLock { $0 = [] }
            #expect(await verdict.isGood)
        }
    }

    @Test("A node that accepts and never answers is told of in time")
    func silence() async throws {
        let listener = try Listener()
        defer { listener.close() }
        let place = try #require(HealthCheck.Place("127.0.0.1:\(listener.port)"))
        let check = HealthCheck(group: Self.group, timeout: .milliseconds(200))
        for question in [HealthCheck.Question.alive, .ready] {
            let verdict = await check.ask(question, at: [place])
            #expect(!verdict.isGood && verdict.line.contains("no answer within"), "\(verdict.line)")
        }
    }

    @Test("Places are addresses, with or without TLS", arguments: ["8200", "http://a:1", "https://", "a b:1", ""])
    func misspelt(text: String) {
        #expect(HealthCheck.Place(text) == nil)
    }

    @Test("A node of the file is asked where it listens; edges over TLS where they speak it, routers without")
    func configured() throws {
        let settings = try makeSettings()
        let edge = try #require(settings.node(named: "edge-1"))
        #expect("\(HealthCheck.Place(of: edge, in: settings))" == "127.0.0.1:8201")
        var secured = settings
        secured.tls.clients.certificate = "{node}.pem"
        secured.tls.clients.privateKey = "{node}.key"
        #expect("\(HealthCheck.Place(of: edge, in: secured))" == "https://127.0.0.1:8201")
        let router = try #require(settings.node(named: "router-1"))
        #expect("\(HealthCheck.Place(of: router, in: secured))" == "127.0.0.1:8101")
    }
}
