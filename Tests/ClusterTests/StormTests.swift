// SPDX-License-Identifier: Apache-2.0

import ClientProtocol
import Messaging
import NIOCore
import NIOPosix
import Synchronization
import TestSupport
import Testing
import TrunklineClient

extension ClusterTests {
    @Suite("A storm of reconnects", .timeLimit(.minutes(3)))
    struct StormTests {
        private static let clients = 600
        private static let rate = 200
        private static let burst = 50

        @Test(
            "All clients of an edge that dies come back on the other, at the rate that it admits, each after one wait"
        )
        func storm() async throws {
            let cluster = try await TestCluster(
                routers: 1,
                edges: 2,
                shards: 1,
                settings: """
                    rates:
                      authentications_per_node: \(Self.rate)/s burst \(Self.burst)
                    timeouts:
                      authenticate: 120s

                    """
            )
            let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
            let edges = cluster.edges.map { EdgeAddress(host: "127.0.0.1", port: Int($0.httpPort)) }
            let http = TrunklineHTTP(edges: edges, eventLoops: group, settings: TrunklineHTTP.Settings())
            let log = StormLog()
            let crowd = try await Self.start(http, group, log)
            try await eventually("everybody is on the first edge", within: .seconds(60)) {
                log.all.count { $0 == .connected(edge: 0) } == Self.clients
            }
            // They begin on the first edge as a storm too, so it has made them wait.
            #expect(try cluster.metric("trunkline_edge_rate_limited_total", of: "edge-1") > 0)
            let memoryBefore = try cluster.metric("process_resident_memory_bytes", of: "edge-2")
            let began = ContinuousClock.now
            log.clear()
            try cluster.kill("edge-1")
            try await eventually("everybody is on the second edge", within: .seconds(60)) {
                log.all.count { $0 == .connected(edge: 1) } == Self.clients
            }
            let needed = Duration.seconds(Double(Self.clients - Self.burst) / Double(Self.rate))
            #expect(ContinuousClock.now - began >= needed, "faster than the rate allows")
            // The loss of the first edge is all that happened: whoever had to wait did so on its connection. A few may
            // have tried the dead one twice.
            let losses = log.all.compactMap { if case .disconnected(let reason) = $0 { reason } else { nil } }
            #expect(Set(losses).isSubset(of: ["connection_lost", "not_connected"]), "\(Set(losses))")
            #expect(try cluster.metric("trunkline_edge_sessions", of: "edge-2") == Double(Self.clients))
            let refused = try cluster.metric("trunkline_edge_rate_limited_total", of: "edge-2")
            #expect(refused > 0 && refused <= Double(Self.clients), "everybody waits at most once")
            // A connection takes some KiB; a hundred each would be a queue that nobody bounds.
            let memory = try cluster.metric("process_resident_memory_bytes", of: "edge-2") - memoryBefore
            #expect(memory < Double(Self.clients * 100 << 10), "\(Int(memory) >> 10) KiB more")
            try await crowd.end()
            await http.shutDown()
            try await group.shutdownGracefully()
        }

        private static func start(
            _ http: TrunklineHTTP,
            _ group: MultiThreadedEventLoopGroup,
            _ log: StormLog
        ) async throws -> Crowd {
            let eventLoop = group.next()
            return try await eventLoop.submit {
                // On a busy machine slowness is no loss.
                var settings = TrunklineSession.Settings()
                settings.socket.openTimeout = .seconds(120)
                settings.silence = .seconds(120)
                let sessions = (0..<Self.clients).map { _ in
                    let (user, device) = (UserID.generate(), DeviceID.generate())
                    let token = AccessTokenForgery.token(user: "\(user)", device: "\(device)", expiresIn: 3600)
                    let tokens = TokenResponse(
                        userID: user,
                        deviceID: device,
                        accessToken: token,
                        refreshToken: "",
                        expiresIn: 3600
                    )
                    let session = TrunklineSession(
                        credentials: SessionCredentials(tokens, now: .now()),
                        http: http,
                        edge: 0,
                        eventLoop: eventLoop,
                        settings: settings
                    ) { log.add($0) }
                    session.start()
                    return session
                }
                return Crowd(eventLoop: eventLoop, sessions: NIOLoopBound(sessions, eventLoop: eventLoop))
            }.get()
        }
    }
}

/// Many clients on one event loop.
private struct Crowd: Sendable {
    let eventLoop: any EventLoop
    let sessions: NIOLoopBound<[TrunklineSession]>

    func end() async throws {
        try await self.eventLoop.submit {
            for session in self.sessions.value { session.close() }
        }.get()
    }
}

/// What the clients were told.
private final class StormLog: Sendable {
    enum Entry: Equatable {
        case connected(edge: Int)
        case disconnected(String)
        case other
    }

    private let entries = Mutex<[Entry]>([])

    var all: [Entry] { self.entries.withLock { $0 } }

    func clear() {
        self.entries.withLock { $0 = [] }
    }

    func add(_ event: TrunklineSession.Event) {
        let entry: Entry =
            switch event {
            case .connected(let edge): .connected(edge: edge)
            case .disconnected(let error, _): .disconnected(error.name)
            default: .other
            }
        self.entries.withLock { $0.append(entry) }
    }
}
