// SPDX-License-Identifier: Apache-2.0

import Foundation
import Messaging
import NIOCore
import Synchronization
import TestSupport
import Testing
import TransportSecurity

@testable import Mesh

@Suite("Asking a router whether it would take this node", .timeLimit(.minutes(1)))
struct MeshProbeTests {
    private let authority: TestAuthority

    init() throws {
        self.authority = try TestAuthority()
    }

    private func certificates(
        of node: String,
        _ authority: TestAuthority? = nil,
        now: Date = Date()
    ) throws -> LiveCertificates {
        try (authority ?? self.authority).live(.mesh, for: CertifiedNode(cluster: "test", node: node), now: now)
    }

    /// What a router answers that has these certificates, to somebody who has those.
    private func ask(
        _ cluster: Cluster,
        router: LiveCertificates?,
        with own: LiveCertificates?,
        as name: String = "edge",
        secret: [UInt8] = Cluster.secret
    ) async throws -> (outcome: MeshProbe.Outcome, router: MeshNode) {
        let node = cluster.node(
            "router",
            .router,
            Recorder(),
            settings: Cluster.settings { $0.certificates = router }
        )
        let address = try await node.listen(host: "127.0.0.1", port: 0)
        let settings = Cluster.settings {
            $0.certificates = own
            $0.secret = secret
        }
        let probe = MeshProbe(settings: settings, group: Cluster.group)
        let identity = PeerIdentity(name: name, incarnation: .generate(), role: .edge)
        return (await probe.ask(.at(address, "router"), as: identity), node)
    }

    private func refusal(_ outcome: MeshProbe.Outcome) -> Refusal? {
        if case .refused(let refusal) = outcome { refusal } else { nil }
    }

    @Test("With TLS and without it is taken, and leaves nothing behind")
    func accepted() async throws {
        for isSecured in [false, true] {
            try await Cluster.run { cluster in
                let (outcome, router) = try await self.ask(
                    cluster,
                    router: isSecured ? try self.certificates(of: "router") : nil,
                    with: isSecured ? try self.certificates(of: "edge") : nil
                )
                #expect(outcome == .accepted)
                try await eventually("the half of a link is gone") { router.unlinked.load(ordering: .relaxed) == 0 }
                #expect(router.peers.isEmpty && router.counters.snapshot().refusals.isEmpty)
            }
        }
    }

    @Test("A node that is asked about under its own name keeps its link")
    func keepsLinks() async throws {
        try await Cluster.run { cluster in
            let certificates = try self.certificates(of: "edge")
            let settings = Cluster.settings { $0.certificates = certificates }
            let (outcome, router) = try await self.ask(
                cluster,
                router: self.certificates(of: "router"),
                with: certificates
            )
            #expect(outcome == .accepted)
            let address = try #require(router.state.withLock { $0.listeners.first?.localAddress })
            let edge = cluster.node("edge", .edge, Recorder(), settings: settings)
            edge.setPeers([.at(address, "router")])
            try await Cluster.linked(edge, router)
            let before = try #require(edge.linkStates().first)
            let again = await MeshProbe(settings: settings, group: Cluster.group).ask(
                .at(address, "router"),
                as: PeerIdentity(name: "edge", incarnation: .generate(), role: .edge)
            )
            #expect(again == .accepted)
            try await eventually("the half of a link is gone") { router.unlinked.load(ordering: .relaxed) == 0 }
            #expect(edge.linkStates().first?.upSince == before.upSince)
            #expect(router.peers.map(\.incarnation) == [edge.identity.incarnation])
        }
    }

    @Test("Another authority, on either side, is told with the name of who is not believed")
    func wrongAuthority() async throws {
        let other = try TestAuthority()
        try await Cluster.run { cluster in
            let (outcome, _) = try await self.ask(
                cluster,
                router: self.certificates(of: "router", other),
                with: self.certificates(of: "edge")
            )
            let refusal = try #require(self.refusal(outcome))
            #expect(refusal.code == .wrongCertificate)
            #expect(refusal.message.contains("the certificate of trunkline://test/router is signed by"), "\(refusal)")
        }
        // It believes the router, which does not believe it.
        let texts = try other.texts(for: CertifiedNode(cluster: "test", node: "edge"))
        let ours = try self.authority.texts(for: CertifiedNode(cluster: "test", node: "x")).authority ?? ""
        let both = CertificateTexts(
            certificate: texts.certificate,
            privateKey: texts.privateKey,
            authority: (texts.authority ?? "") + ours
        )
        let edge = try LiveCertificates(.mesh, CertificateSet(both, now: Date()))
        try await Cluster.run { cluster in
            let (outcome, _) = try await self.ask(cluster, router: self.certificates(of: "router"), with: edge)
            let refusal = try #require(self.refusal(outcome))
            #expect(refusal.code == .wrongCertificate)
            #expect(refusal.message.contains("does not trust the authority that signed this node's"), "\(refusal)")
        }
    }

    @Test("A certificate that has expired, on either side")
    func expired() async throws {
        let past = Date() - 10 * 86_400
        try await Cluster.run { cluster in
            let (outcome, _) = try await self.ask(
                cluster,
                router: self.certificates(of: "router", now: past),
                with: self.certificates(of: "edge")
            )
            let refusal = try #require(self.refusal(outcome))
            #expect(refusal.code == .wrongCertificate && refusal.message.contains("has expired, on "), "\(refusal)")
        }
        try await Cluster.run { cluster in
            let (outcome, _) = try await self.ask(
                cluster,
                router: self.certificates(of: "router"),
                with: self.certificates(of: "edge", now: past)
            )
            let refusal = try #require(self.refusal(outcome))
            #expect(refusal.code == .wrongCertificate)
            #expect(refusal.message.contains("this node's certificate has expired"), "\(refusal)")
        }
    }

    @Test("A router that speaks no TLS, and one that does where we do not")
    func mismatch() async throws {
        try await Cluster.run { cluster in
            let (outcome, _) = try await self.ask(cluster, router: nil, with: self.certificates(of: "edge"))
            let refusal = try #require(self.refusal(outcome))
            #expect(refusal.code == .tlsMismatch && refusal.message.contains("does not speak TLS"), "\(refusal)")
        }
        try await Cluster.run { cluster in
            let (outcome, _) = try await self.ask(cluster, router: self.certificates(of: "router"), with: nil)
            let refusal = try #require(self.refusal(outcome))
            #expect(refusal.code == .tlsMismatch && refusal.message.contains("speaks TLS"), "\(refusal)")
        }
    }

    @Test("Names and secrets are looked at behind TLS, as without it")
    func behindTLS() async throws {
        try await Cluster.run { cluster in
            let (outcome, _) = try await self.ask(
                cluster,
                router: self.certificates(of: "router-2"),
                with: self.certificates(of: "edge")
            )
            let refusal = try #require(self.refusal(outcome))
            #expect(refusal.code == .wrongCertificate && refusal.message.contains("names trunkline://test/router-2"))
        }
        try await Cluster.run { cluster in
            let (outcome, _) = try await self.ask(
                cluster,
                router: self.certificates(of: "router"),
                with: self.certificates(of: "edge"),
                secret: Array("another secret of a cluster".utf8)
            )
            #expect(self.refusal(outcome)?.code == .wrongSecret)
        }
    }

    @Test("Where nobody listens there is no answer")
    func nobody() async throws {
        let port = try TCPConnection.freePorts(1)[0]
        let probe = MeshProbe(settings: Cluster.settings(), group: Cluster.group)
        let outcome = await probe.ask(
            MeshPeer(name: "router", role: .router, host: "127.0.0.1", port: Int(port)),
            as: PeerIdentity(name: "edge", incarnation: .generate(), role: .edge)
        )
        #expect(outcome == .unreachable("Connection refused"))
    }
}
