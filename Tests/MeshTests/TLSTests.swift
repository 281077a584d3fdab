// SPDX-License-Identifier: Apache-2.0

import Foundation
import Messaging
import NIOCore
import Synchronization
import TestSupport
import Testing
import TransportSecurity

@testable import Mesh

@Suite("A mesh with mutual TLS", .timeLimit(.minutes(1)))
struct TLSTests {
    private static func named(_ node: String, cluster: String = "test") -> CertifiedNode {
        CertifiedNode(cluster: cluster, node: node)
    }

    private static func settings(_ certificates: LiveCertificates?) -> MeshSettings {
        Cluster.settings { $0.certificates = certificates }
    }

    private let authority: TestAuthority

    init() throws {
        self.authority = try TestAuthority()
    }

    /// A router that listens and an edge that dials it, each with its certificates and its log.
    private struct Pair {
        var edge: MeshNode
        var router: MeshNode
        var edgeLog: LogLines
        var routerLog: LogLines
    }

    private func pair(
        _ cluster: Cluster,
        edge edgeCertificates: LiveCertificates?,
        router routerCertificates: LiveCertificates?
    ) async throws -> Pair {
        let (edgeLog, routerLog) = (LogLines(), LogLines())
        let router = cluster.node(
            "router",
            .router,
            Recorder.echo(),
            settings: Self.settings(routerCertificates),
            log: routerLog
        )
        let edge = cluster.node("edge", .edge, Recorder(), settings: Self.settings(edgeCertificates), log: edgeLog)
        let address = try await router.listen(host: "127.0.0.1", port: 0)
        edge.setPeers([.at(address, "router")])
        return Pair(edge: edge, router: router, edgeLog: edgeLog, routerLog: routerLog)
    }

    @Test("Two nodes of one authority are linked, and carry large and many requests")
    func linked() async throws {
        try await Cluster.run { cluster in
            let pair = try await self.pair(
                cluster,
                edge: self.authority.live(.mesh, for: Self.named("edge")),
                router: self.authority.live(.mesh, for: Self.named("router"))
            )
            try await Cluster.linked(pair.edge, pair.router)
            let answer = try await pair.edge.ask("hello").get()
            #expect(String(buffer: answer.payload) == "hello")
            let large = String(repeating: "large ", count: 100_000)
            #expect(try await pair.edge.ask(large).get().payload.readableBytes == large.utf8.count)
            let answers = pair.edge.askMany(20_000, to: "router")
            try await eventually("all are answered") { answers.count == 20_000 }
            #expect(answers.errors.isEmpty)
            #expect(pair.edgeLog.lines.isEmpty, "\(pair.edgeLog.lines)")
            #expect(pair.routerLog.lines.isEmpty, "\(pair.routerLog.lines)")
        }
    }

    @Test("A dialler of another authority is refused, and told why on both sides")
    func foreignDialler() async throws {
        let other = try TestAuthority()
        let texts = try other.texts(for: Self.named("edge"))
        // It believes the authority of the other side, which does not believe its own.
        let both = CertificateTexts(
            certificate: texts.certificate,
            privateKey: texts.privateKey,
            authority: (texts.authority ?? "") + (try self.authority.texts(for: Self.named("x")).authority ?? "")
        )
        let edge = try LiveCertificates(.mesh, CertificateSet(both, now: Date()))
        try await Cluster.run { cluster in
            let router = try self.authority.live(.mesh, for: Self.named("router"))
            let pair = try await self.pair(cluster, edge: edge, router: router)
            try await eventually("the router says why") {
                pair.routerLog.contains("127.0.0.1: the certificate of trunkline://test/edge is signed by CN=Trunkline")
            }
            try await eventually("the edge says why") {
                pair.edgeLog.contains("the other side does not trust the authority that signed this node's certificate")
            }
            #expect(pair.edge.peers.isEmpty)
            #expect(pair.router.counters.snapshot().refusals[.wrongCertificate, default: 0] > 0)
            #expect(router.handshakesFailed > 0)
        }
    }

    @Test("An acceptor of another authority is refused by the dialler")
    func foreignAcceptor() async throws {
        let other = try TestAuthority()
        try await Cluster.run { cluster in
            let pair = try await self.pair(
                cluster,
                edge: self.authority.live(.mesh, for: Self.named("edge")),
                router: other.live(.mesh, for: Self.named("router"))
            )
            try await eventually("the edge says why") {
                pair.edgeLog.contains("the certificate of trunkline://test/router is signed by CN=Trunkline authority")
                    && pair.edgeLog.contains("router at 127.0.0.1:")
            }
            #expect(pair.edge.peers.isEmpty)
        }
    }

    @Test("An expired certificate is refused")
    func expired() async throws {
        try await Cluster.run { cluster in
            let pair = try await self.pair(
                cluster,
                edge: self.authority.live(.mesh, for: Self.named("edge"), now: Date() - 10 * 86_400),
                router: self.authority.live(.mesh, for: Self.named("router"))
            )
            try await eventually("the router says why") {
                pair.routerLog.contains("the certificate of trunkline://test/edge has expired, on ")
            }
            try await eventually("the edge says why") {
                pair.edgeLog.contains("the other side says that this node's certificate has expired")
            }
            #expect(pair.edge.peers.isEmpty)
        }
    }

    @Test(
        "A node that shows the certificate of another node or cluster is refused",
        arguments: [CertifiedNode(cluster: "test", node: "edge-2"), CertifiedNode(cluster: "other", node: "edge")]
    )
    func wrongName(name: CertifiedNode) async throws {
        try await Cluster.run { cluster in
            let pair = try await self.pair(
                cluster,
                edge: self.authority.live(.mesh, for: name),
                router: self.authority.live(.mesh, for: Self.named("router"))
            )
            let reason =
                "edge shows router a certificate that names \(name) instead of trunkline://test/edge"
            try await eventually("the router says why") { pair.routerLog.contains(reason) }
            try await eventually("the edge hears why") { pair.edgeLog.contains(reason) }
            #expect(pair.edge.peers.isEmpty)
            #expect(pair.router.counters.snapshot().refusals[.wrongCertificate, default: 0] > 0)
        }
    }

    @Test("An acceptor with the certificate of another node is refused, as is one for clients alone")
    func wrongAcceptor() async throws {
        try await Cluster.run { cluster in
            let pair = try await self.pair(
                cluster,
                edge: self.authority.live(.mesh, for: Self.named("edge")),
                router: self.authority.live(.mesh, for: Self.named("router-2"))
            )
            try await eventually("the edge says why") {
                pair.edgeLog.contains("router shows edge a certificate that names trunkline://test/router-2")
            }
            #expect(pair.router.peers.isEmpty)
        }
    }

    @Test("A plain peer that dials a node with TLS, and the other way round")
    func plain() async throws {
        let certificates = try self.authority.live(.mesh, for: Self.named("edge"))
        try await Cluster.run { cluster in
            let pair = try await self.pair(
                cluster,
                edge: nil,
                router: self.authority.live(.mesh, for: Self.named("router"))
            )
            try await eventually("the router says why") {
                pair.routerLog.contains(
                    "a connection from 127.0.0.1: the other side does not speak TLS; set tls.mesh on"
                )
            }
            try await eventually("the edge says why") {
                pair.edgeLog.contains("speaks TLS, and this node does not; set tls.mesh on all nodes or on none")
            }
        }
        try await Cluster.run { cluster in
            let pair = try await self.pair(cluster, edge: certificates, router: nil)
            try await eventually("the router says why") {
                pair.routerLog.contains("a connection from 127.0.0.1 speaks TLS, and this node does not")
            }
            try await eventually("the edge says why") {
                pair.edgeLog.contains("the other side does not speak TLS")
            }
            #expect(pair.router.counters.snapshot().refusals[.tlsMismatch, default: 0] > 0)
        }
    }

    @Test("A peer that begins no TLS is given up in time")
    func silentPeer() async throws {
        try await Cluster.run { cluster in
            let log = LogLines()
            var settings = Self.settings(try self.authority.live(.mesh, for: Self.named("router")))
            settings.handshakeTimeout = .milliseconds(50)
            let router = cluster.node("router", .router, Recorder(), settings: settings, log: log)
            let address = try await router.listen(host: "127.0.0.1", port: 0)
            let connection = try TCPConnection(port: UInt16(address.port ?? 0))
            try await eventually("it is given up") { log.contains("the handshake took longer than") }
            #expect(connection.receiveAll().isEmpty)
            try await eventually("nothing is left of it") { router.unlinked.load(ordering: .relaxed) == 0 }
        }
    }

    @Test("After a change of authority the links stay, and new ones need the new one")
    func reload() async throws {
        let next = try TestAuthority()
        let router = try self.authority.live(.mesh, for: Self.named("router"))
        let edge = try self.authority.live(.mesh, for: Self.named("edge"))
        try await Cluster.run { cluster in
            let pair = try await self.pair(cluster, edge: edge, router: router)
            try await Cluster.linked(pair.edge, pair.router)
            let before = try #require(pair.edge.linkStates().first)
            try router.replace(with: next.set(for: Self.named("router")))
            try edge.replace(with: next.set(for: Self.named("edge")))
            _ = try await pair.edge.ask("after").get()
            #expect(pair.edge.linkStates().first?.upSince == before.upSince)

            let late = LogLines()
            let old = cluster.node(
                "edge-2",
                .edge,
                Recorder(),
                settings: Self.settings(try self.authority.live(.mesh, for: Self.named("edge-2"))),
                log: late
            )
            let new = cluster.node(
                "edge-3",
                .edge,
                Recorder(),
                settings: Self.settings(try next.live(.mesh, for: Self.named("edge-3")))
            )
            let address = try #require(pair.router.state.withLock { $0.listeners.first?.localAddress })
            old.setPeers([.at(address, "router")])
            new.setPeers([.at(address, "router")])
            try await Cluster.linked(new, pair.router)
            try await eventually("the old authority is refused") { late.contains("which is no authority of this mesh") }
            #expect(pair.edge.linkStates().first?.upSince == before.upSince)
        }
    }
}
