// SPDX-License-Identifier: Apache-2.0

import Foundation
import Messaging
import NIOCore
import TestSupport
import Testing
import Wire

@testable import Mesh

extension SocketTests {
    /// Whatever comes from the network ends the one connection that it came over, with a reason, and nothing else.
    @Suite("Wrong and hostile peers")
    struct HostileTests {
        /// A router with one good link, which must be as it was when the body is over.
        private static func besideGoodLink(
            settings: MeshSettings = Cluster.settings(),
            _ body: (Cluster, MeshNode, SocketAddress) async throws -> Void
        ) async throws {
            try await Cluster.run { cluster in
                let (edgeSide, routerSide) = (Recorder(), Recorder.echo())
                let (edge, router, address) = try await cluster.pair(
                    edge: edgeSide,
                    router: routerSide,
                    settings: settings
                )
                try await body(cluster, router, address)
                #expect(try await edge.ask("unaffected").get().status == 7)
                #expect(edgeSide.links == [.up(router.identity)])
            }
        }

        // MARK: - Before the handshake is done

        @Test("Another cluster, another secret: refused on both sides, with the reason")
        func wrongNodes() async throws {
            try await Self.besideGoodLink { cluster, router, address in
                var otherCluster = Cluster.settings()
                otherCluster.cluster = "elsewhere"
                var otherSecret = Cluster.settings()
                otherSecret.secret = Array("guessed".utf8)
                for (settings, code) in [(otherCluster, Refusal.Code.wrongCluster), (otherSecret, .wrongSecret)] {
                    let stranger = cluster.node("stranger", .edge, Recorder(), settings: settings)
                    stranger.setPeers([.at(address, "router")])
                    try await eventually("refused with \(code), more than once") {
                        stranger.counters.snapshot().refusalsByPeers[code, default: 0] >= 2
                    }
                    #expect(router.counters.snapshot().refusals[code, default: 0] >= 2)
                    #expect(router.peer(named: "stranger") == nil && stranger.peers.isEmpty)
                    await stranger.shutdown()
                }
            }
        }

        @Test("A node that does not know the secret learns nothing from dialling")
        func noProofForStrangers() async throws {
            try await Self.besideGoodLink { _, _, address in
                var configuration = RawPeer.configuration("stranger")
                configuration.secret = Array("guessed".utf8)
                let connection = try await RawConnection.open(address)
                let handshake = Handshake(
                    configuration: configuration,
                    side: .dialler(peerName: "router", peerRole: .router, lane: .control, linkID: 1),
                    nonce: [UInt8](repeating: 0, count: 32)
                )
                await #expect(throws: Refusal.self) { try await connection.shakeHands(handshake) }
                #expect(connection.refusal?.code == .wrongSecret)
                #expect(!connection.frames.contains { $0.name == "proof" })
            }
        }

        @Test("A future version of the protocol is refused with both ranges")
        func futureVersion() async throws {
            try await Self.besideGoodLink { _, _, address in
                var configuration = RawPeer.configuration("future")
                configuration.versions = 7...9
                let connection = try await RawConnection.open(address)
                var handshake = Handshake(
                    configuration: configuration,
                    side: .dialler(peerName: "router", peerRole: .router, lane: .control, linkID: 1),
                    nonce: [UInt8](repeating: 0, count: 32)
                )
                connection.send(handshake.connected())
                try await eventually("refused and closed") { connection.isClosed }
                let refusal = try #require(connection.refusal)
                #expect(refusal.code == .unsupportedVersion)
                #expect(
                    refusal.message.contains("7 to 9")
                        && refusal.message.contains("\(MeshVersion.oldest) to \(MeshVersion.newest)")
                )
            }
        }

        @Test("Two edges do not connect")
        func edges() async throws {
            try await Cluster.run { cluster in
                let edge = cluster.node("edge-2", .edge, Recorder())
                let address = try await edge.listen(host: "127.0.0.1", port: 0)
                await #expect {
                    try await RawPeer.link(to: address, configuration: RawPeer.configuration("edge-1"), node: "edge-2")
                } throws: {
                    ($0 as? Refusal)?.code == .wrongRole
                }
                #expect(edge.peers.isEmpty)
            }
        }

        @Test("Another node at the address than the one that was dialled")
        func wrongPeer() async throws {
            try await Self.besideGoodLink { cluster, router, address in
                let other = cluster.node("other-edge", .edge, Recorder())
                other.setPeers([.at(address, "router-77")])
                try await eventually("it notices") { other.counters.snapshot().refusals[.wrongPeer, default: 0] >= 1 }
                try await eventually("the router is told") {
                    router.counters.snapshot().refusalsByPeers[.wrongPeer, default: 0] >= 1
                }
                #expect(other.peers.isEmpty && router.peer(named: "other-edge") == nil)
            }
        }

        @Test("Garbage is refused and the connection closed", arguments: HostileSamples.garbage.indices)
        func garbage(index: Int) async throws {
            let (name, bytes, code) = HostileSamples.garbage[index]
            try await Self.besideGoodLink { _, router, address in
                let connection = try await RawConnection.open(address)
                connection.send(bytes)
                try await eventually("\(name): refused and closed") { connection.isClosed }
                #expect(router.counters.snapshot().refusals == [code: 1], "\(name)")
            }
        }

        @Test("A handshake that is drawn out is ended, and too many at once are not let in")
        func slowHandshake() async throws {
            let settings = Cluster.settings {
                $0.handshakeTimeout = .milliseconds(300)
                $0.unauthenticatedConnectionsMax = 5
            }
            try await Self.besideGoodLink(settings: settings) { _, router, address in
                var connections: [RawConnection] = []
                for _ in 0..<10 {
                    let connection = try await RawConnection.open(address)
                    connection.send(ByteBuffer(bytes: [0x54]))
                    connections.append(connection)
                }
                try await eventually("the ones over the bound are closed, then the others") {
                    connections.allSatisfy { $0.isClosed }
                }
                let counters = router.counters.snapshot()
                #expect(counters.connectionsRefused == 5)
                #expect(counters.refusals == [.timedOut: 5])
                // There is room again.
                let peer = try await RawPeer.link(to: address, configuration: RawPeer.configuration("edge-2"))
                try await eventually("a good peer is let in") { router.peer(named: "edge-2") != nil }
                peer.bulk.close()
            }
        }

        @Test("One lane without the other is ended by the handshake's time")
        func halfLink() async throws {
            let settings = Cluster.settings { $0.handshakeTimeout = .milliseconds(200) }
            try await Self.besideGoodLink(settings: settings) { _, router, address in
                let connection = try await RawConnection.open(address)
                let handshake = Handshake(
                    configuration: RawPeer.configuration("half"),
                    side: .dialler(peerName: "router", peerRole: .router, lane: .bulk, linkID: 5),
                    nonce: [UInt8](repeating: 0, count: 32)
                )
                _ = try await connection.shakeHands(handshake)
                try await eventually("closed") { connection.isClosed }
                #expect(router.peer(named: "half") == nil)
                #expect(router.counters.snapshot().refusals[.timedOut] == 1)
            }
        }

        // MARK: - With the secret

        @Test(
            "A peer of the cluster that breaks the protocol loses its link",
            arguments: HostileSamples.offences.indices
        )
        func offence(index: Int) async throws {
            let (name, lane, bytes) = HostileSamples.offences[index]
            try await Self.besideGoodLink { _, router, address in
                let peer = try await RawPeer.link(to: address, configuration: RawPeer.configuration("edge-2"))
                try await eventually("the link is up") { router.peer(named: "edge-2") != nil }
                (lane == .control ? peer.control : peer.bulk).send(bytes)
                try await eventually("\(name): both lanes are closed") { peer.control.isClosed && peer.bulk.isClosed }
                #expect(router.peer(named: "edge-2") == nil)
                #expect(router.counters.snapshot().protocolErrors == 1, "\(name)")
            }
        }

        @Test("A frame that may be skipped does no harm")
        func skippable() async throws {
            try await Self.besideGoodLink { _, router, address in
                let peer = try await RawPeer.link(to: address, configuration: RawPeer.configuration("edge-2"))
                peer.bulk.send(HostileSamples.block(stored: [0, 0, 0, 3, 200, 1, 2]))
                peer.bulk.send([
                    .request(
                        RequestFrame(
                            id: 5,
                            kind: 1,
                            slot: 0,
                            epoch: 0,
                            deadlineMilliseconds: 1000,
                            payload: ByteBuffer(string: "hello")
                        )
                    )
                ])
                let expected = Frame.response(ResponseFrame(id: 5, status: 7, payload: ByteBuffer(string: "hello")))
                try await eventually("the request behind it is answered") { peer.bulk.frames.contains(expected) }
            }
        }

        @Test("A peer that uses more credit than it has loses its link")
        func tooMuchCredit() async throws {
            try await Cluster.run { cluster in
                let routerSide = Recorder()
                let router = cluster.node(
                    "router",
                    .router,
                    routerSide,
                    settings: Cluster.settings { $0.creditItems = 10 }
                )
                let address = try await router.listen(host: "127.0.0.1", port: 0)
                let peer = try await RawPeer.link(to: address, configuration: RawPeer.configuration("edge"))
                for id in 1...11 {
                    peer.bulk.send([
                        .request(
                            RequestFrame(
                                id: UInt64(id),
                                kind: 1,
                                slot: 0,
                                epoch: 0,
                                deadlineMilliseconds: 1000,
                                payload: ByteBuffer()
                            )
                        )
                    ])
                }
                try await eventually("the link is down") { routerSide.downReasons.count == 1 }
                #expect(routerSide.downReasons.first?.contains("credit") == true)
                #expect(routerSide.held.count <= 11)
            }
        }

        @Test("Hundreds of bombs and claims do not make the memory grow")
        func memory() async throws {
            try await Self.besideGoodLink { _, router, address in
                let before = try residentBytes()
                for round in 0..<300 {
                    let connection = try await RawConnection.open(address)
                    connection.send(HostileSamples.garbage[round % HostileSamples.garbage.count].bytes)
                    try await eventually("closed") { connection.isClosed }
                }
                for round in 0..<30 {
                    let peer = try await RawPeer.link(to: address, configuration: RawPeer.configuration("edge-2"))
                    peer.bulk.send(HostileSamples.offences[round % 3].bytes)
                    try await eventually("closed") { peer.bulk.isClosed && router.peer(named: "edge-2") == nil }
                }
                #expect(try residentBytes() < before + 48 * 1024 * 1024)
            }
        }
    }
}

/// What this process has in memory, from `/proc/self/statm`.
private func residentBytes() throws -> Int {
    let text = try String(contentsOfFile: "/proc/self/statm", encoding: .utf8)
    return (Int(text.split(separator: " ")[1]) ?? 0) * 4096
}
