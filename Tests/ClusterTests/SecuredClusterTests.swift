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
    @Suite("A cluster with TLS everywhere", .serialized, .timeLimit(.minutes(3)))
    struct SecuredClusterTests {
        /// Edges with the addresses that clients use.
        private static func edges(_ cluster: TestCluster) -> [EdgeAddress] {
            cluster.edges.map { EdgeAddress(host: "127.0.0.1", port: Int($0.httpPort), isSecure: true) }
        }

        private static func with(
            _ edges: [EdgeAddress],
            trust: EdgeTrust,
            _ body: (TrunklineHTTP) async throws -> Void
        ) async throws {
            var settings = TrunklineHTTP.Settings()
            settings.trust = trust
            settings.repeatRule = RepeatRule(attemptsMax: 1)
            let http = TrunklineHTTP(
                edges: edges,
                eventLoops: MultiThreadedEventLoopGroup.singleton,
                settings: settings
            )
            do {
                try await body(http)
            } catch {
                await http.shutDown()
                throw error
            }
            await http.shutDown()
        }

        /// What a device sees, from the moment when its session is open.
        private static func open(
            _ tokens: TokenResponse,
            on edge: EdgeAddress,
            trust: EdgeTrust
        ) async throws -> Device {
            let eventLoop = MultiThreadedEventLoopGroup.singleton.next()
            let events = Events()
            let socket = try await eventLoop.submit {
                var settings = TrunklineSocket.Settings()
                settings.trust = trust
                let socket = TrunklineSocket(edge: edge, eventLoop: eventLoop, settings: settings) { event in
                    events.all.withLock { $0.append(event) }
                }
                socket.open(token: tokens.accessToken, device: tokens.deviceID)
                return NIOLoopBound(socket, eventLoop: eventLoop)
            }.get()
            return Device(eventLoop: eventLoop, socket: socket, events: events)
        }

        private struct Device: Sendable {
            var eventLoop: any EventLoop
            var socket: NIOLoopBound<TrunklineSocket>
            var events: Events
        }

        private static func send(_ body: String, in conversation: ConversationResponse, _ device: Device) async throws {
            let request = SendMessageRequest(
                conversationID: conversation.conversationID,
                clientMessageID: .generate(),
                kind: .text,
                body: body
            )
            let socket = device.socket
            _ = try await device.eventLoop.submit { socket.value.send(request) }.get()
        }

        private final class Events: Sendable {
            let all = Mutex<[TrunklineSocket.Event]>([])

            var isOpen: Bool {
                self.all.withLock { $0.contains { if case .authenticated = $0 { true } else { false } } }
            }

            var bodies: [String] {
                self.all.withLock { $0.compactMap { if case .message(let message) = $0 { message.body } else { nil } } }
            }

            var closure: SocketClosure? {
                self.all.withLock { events in
                    events.lazy.compactMap { if case .closed(let closure) = $0 { closure } else { nil } }.first
                }
            }
        }

        @Test("Messages pass between edges, operators see it, load runs, and certificates change under way")
        func everything() async throws {
            let cluster = try await TestCluster(routers: 2, edges: 2, shards: 1, isSecured: true)
            let trust = try EdgeTrust(authorityFile: cluster.authorityPath)
            let edges = Self.edges(cluster)
            try await Self.with(edges, trust: trust) { http in
                let anna = try await http.register(
                    RegisterRequest(username: "anna", password: "correct horse"),
                    edge: 0
                )
                let ben = try await http.register(
                    RegisterRequest(username: "ben", password: "battery staple"),
                    edge: 1
                )
                let annas = try await Self.open(anna, on: edges[0], trust: trust)
                let bens = try await Self.open(ben, on: edges[1], trust: trust)
                try await eventually("both are open") { annas.events.isOpen && bens.events.isOpen }
                let conversation = try await http.createConversation(
                    CreateConversationRequest(kind: .direct, memberIDs: [ben.userID]),
                    token: anna.accessToken,
                    edge: 0
                )
                try await Self.send("first", in: conversation, annas)
                try await eventually("it arrives") { bens.events.bodies == ["first"] }

                let status = try await cluster.trunkline("status", "--json")
                #expect(status.contains("\"warnings\" : [\n\n  ]") || status.contains("\"warnings\" : []"), "\(status)")

                #expect(try await cluster.trunkline("health", "edge-1").contains("\(edges[0].port) is ready"))
                let there = "https://127.0.0.1:\(edges[0].port)"
                #expect(
                    try await cluster.trunkline("health", "--http", there).contains("the node at \(there) is ready")
                )

                let examined = try await CommandLineTests.run(["doctor", "--json"], cluster)
                for check in ["tls.certificates", "mesh.reachable", "mesh.certificates", "mesh.secret"] {
                    let findings = try JSONValue(json: examined.text)["findings"]?.array ?? []
                    let levels = findings.filter { $0["check"]?.string == check }.map { $0["level"]?.string }
                    #expect(levels == ["ok"], "\(check): \(examined.text)")
                }

                try await cluster.makeCertificate(of: "edge-1", days: 20)
                let log = try cluster.process("edge-1")
                try await eventually("the new one is in use", within: .seconds(30)) {
                    log.text.contains("new certificates are in use")
                }
                try await Self.send("second", in: conversation, annas)
                try await eventually("the connection goes on") { bens.events.bodies == ["first", "second"] }
                #expect(annas.events.closure == nil)
                let metrics = try await http.metrics(edge: 0)
                #expect(metrics.contains("trunkline_tls_certificate_expires_seconds{use=\"clients\"}"))

                for device in [annas, bens] {
                    let socket = device.socket
                    try await device.eventLoop.submit { socket.value.close() }.get()
                }
            }
            try await Self.refusesStrangers(cluster)
            try await Self.carriesLoad(cluster)
        }

        /// Clients that believe somebody else, or speak no TLS, and a node with a certificate of another authority.
        private static func refusesStrangers(_ cluster: TestCluster) async throws {
            let edge = Self.edges(cluster)[0]
            try await Self.with([edge], trust: .system) { http in
                await #expect(throws: TrunklineError.self) {
                    try await http.register(RegisterRequest(username: "carl", password: "long enough"), edge: 0)
                }
            }
            try await cluster.trunkline("certs", "authority", "--out", cluster.folder + "/other")
            try await cluster.trunkline(
                "certs",
                "node",
                "edge-9",
                "--authority",
                cluster.folder + "/other",
                "--out",
                cluster.folder
            )
            try cluster.join("edge-9")
            let process = try cluster.process("edge-9")
            try await eventually("it does not start") { process.exitStatus != nil }
            #expect(process.exitStatus == 78)
            #expect(process.text.contains("is not signed by the authority"), "\(process.text)")
            try await cluster.trunkline("config", "check", "--node", "edge-1")
        }

        private static func carriesLoad(_ cluster: TestCluster) async throws {
            let edges = Self.edges(cluster).flatMap { ["--edge", $0.url] }
            let load = try GuardedProcess(
                [TestCluster.program("trunkline-load"), "--ca", cluster.authorityPath] + edges + [
                    "--users", "10", "--rate", "100", "--duration", "2s", "--warmup", "0s",
                ],
                environment: cluster.environment,
                output: cluster.folder + "/load.log"
            )
            try await eventually("the load has run", within: .seconds(60)) { load.exitStatus != nil }
            #expect(load.exitStatus == 0, "\(load.text)")
        }
    }
}
