// SPDX-License-Identifier: Apache-2.0

import Messaging
import NIOCore
import Testing
import TransportSecurity
import Wire

@testable import Mesh

@Suite("Handshake")
struct HandshakeTests {
    private static func configuration(
        _ name: String,
        _ role: NodeRole,
        cluster: String = "test",
        secret: String = "secret",
        versions: ClosedRange<UInt16> = 1...1,
        features: UInt64 = 0b0110
    ) -> Handshake.Configuration {
        Handshake.Configuration(
            identity: PeerIdentity(name: name, incarnation: Incarnation(value: 42), role: role),
            cluster: cluster,
            secret: Array(secret.utf8),
            versions: versions,
            features: features,
            creditItems: name.utf8.count,
            creditBytes: 1000
        )
    }

    private static func dialler(
        _ configuration: Handshake.Configuration,
        to peer: String = "router-b",
        role: NodeRole = .router,
        lane: LaneKind = .bulk
    ) -> Handshake {
        Handshake(
            configuration: configuration,
            side: .dialler(peerName: peer, peerRole: role, lane: lane, linkID: 77),
            nonce: [UInt8](repeating: 1, count: 32)
        )
    }

    private static func acceptor(_ configuration: Handshake.Configuration) -> Handshake {
        Handshake(configuration: configuration, side: .acceptor, nonce: [UInt8](repeating: 2, count: 32))
    }

    private enum Outcome: Equatable {
        case established(dialler: LaneSession, acceptor: LaneSession)
        case refusedByDialler(Refusal.Code)
        case refusedByAcceptor(Refusal.Code)
        case stuck
    }

    /// Carries frames between two machines until both are done.
    private static func run(_ dialler: Handshake, _ acceptor: Handshake) -> Outcome {
        var (dialler, acceptor) = (dialler, acceptor)
        var toAcceptor = dialler.connected()
        var toDialler = acceptor.connected()
        var sessions: (dialler: LaneSession?, acceptor: LaneSession?) = (nil, nil)
        while !toAcceptor.isEmpty || !toDialler.isEmpty {
            let isForAcceptor = !toAcceptor.isEmpty
            let frame = isForAcceptor ? toAcceptor.removeFirst() : toDialler.removeFirst()
            let action = isForAcceptor ? acceptor.received(frame) : dialler.received(frame)
            switch (action, isForAcceptor) {
            case (.send(let frames), true): toDialler += frames
            case (.send(let frames), false): toAcceptor += frames
            case (.established(let session, let frames), true):
                sessions.acceptor = session
                toDialler += frames
            case (.established(let session, let frames), false):
                sessions.dialler = session
                toAcceptor += frames
            case (.refuse(let refusal), true): return .refusedByAcceptor(refusal.code)
            case (.refuse(let refusal), false): return .refusedByDialler(refusal.code)
            case (.refused, _): return .stuck
            }
        }
        guard let dialler = sessions.dialler, let acceptor = sessions.acceptor else { return .stuck }
        return .established(dialler: dialler, acceptor: acceptor)
    }

    @Test("Both sides know the same of each other in the end")
    func established() {
        let edge = Self.configuration("edge-1", .edge, versions: 1...3, features: 0b0111)
        let router = Self.configuration("router-b", .router, versions: 2...5, features: 0b1110)
        let outcome = Self.run(Self.dialler(edge), Self.acceptor(router))
        let expected = LaneSession(
            peer: router.identity,
            lane: .bulk,
            linkID: 77,
            version: 3,
            features: 0b0110,
            creditItems: 8,
            creditBytes: 1000
        )
        var other = expected
        other.peer = edge.identity
        other.creditItems = 6
        #expect(outcome == .established(dialler: expected, acceptor: other))
    }

    @Test("Of two routers the one with the smaller name dials")
    func routers() {
        let (a, b) = (Self.configuration("router-a", .router), Self.configuration("router-b", .router))
        guard case .established = Self.run(Self.dialler(a), Self.acceptor(b)) else {
            Issue.record("router-a may dial router-b")
            return
        }
        #expect(Self.run(Self.dialler(b, to: "router-a"), Self.acceptor(a)) == .refusedByAcceptor(.wrongRole))
    }

    @Test("Where certificates are required, each has to name its node")
    func certificates() {
        func outcome(dialler: CertifiedNode?, acceptor: CertifiedNode?) -> Outcome {
            var (edge, router) = (Self.configuration("edge-1", .edge), Self.configuration("router-b", .router))
            edge.requiresCertificate = true
            router.requiresCertificate = true
            var dialling = Self.dialler(edge)
            var accepting = Self.acceptor(router)
            // Each side is told of the other's.
            accepting.peerIsCertified(as: dialler.map { [$0] } ?? [])
            dialling.peerIsCertified(as: acceptor.map { [$0] } ?? [])
            return Self.run(dialling, accepting)
        }
        let edge = CertifiedNode(cluster: "test", node: "edge-1")
        let router = CertifiedNode(cluster: "test", node: "router-b")
        let elsewhere = CertifiedNode(cluster: "else", node: "router-b")
        guard case .established = outcome(dialler: edge, acceptor: router) else {
            Issue.record("both name their nodes")
            return
        }
        #expect(outcome(dialler: nil, acceptor: router) == .refusedByAcceptor(.wrongCertificate))
        #expect(outcome(dialler: router, acceptor: router) == .refusedByAcceptor(.wrongCertificate))
        #expect(outcome(dialler: edge, acceptor: nil) == .refusedByDialler(.wrongCertificate))
        #expect(outcome(dialler: edge, acceptor: elsewhere) == .refusedByDialler(.wrongCertificate))
    }

    private static let edge = configuration("edge-1", .edge)
    private static let router = configuration("router-b", .router)

    private static let mismatches: [(name: String, dialler: Handshake, acceptor: Handshake, outcome: Outcome)] = [
        (
            "another cluster", dialler(configuration("edge-1", .edge, cluster: "other")), acceptor(router),
            .refusedByAcceptor(.wrongCluster)
        ),
        (
            "another secret", dialler(configuration("edge-1", .edge, secret: "guess")), acceptor(router),
            .refusedByAcceptor(.wrongSecret)
        ),
        (
            "a future version", dialler(configuration("edge-1", .edge, versions: 2...9)), acceptor(router),
            .refusedByAcceptor(.unsupportedVersion)
        ),
        (
            "a past version", dialler(edge), acceptor(configuration("router-b", .router, versions: 5...6)),
            .refusedByAcceptor(.unsupportedVersion)
        ),
        (
            "two edges", dialler(edge, to: "edge-2", role: .edge), acceptor(configuration("edge-2", .edge)),
            .refusedByAcceptor(.wrongRole)
        ),
        (
            "a router dials an edge", dialler(configuration("router-a", .router), to: "edge-2", role: .edge),
            acceptor(configuration("edge-2", .edge)), .refusedByAcceptor(.wrongRole)
        ),
        (
            "another node answers", dialler(edge, to: "router-c"), acceptor(router), .refusedByDialler(.wrongPeer)
        ),
        (
            "another role answers", dialler(edge, to: "router-b", role: .edge), acceptor(router),
            .refusedByDialler(.wrongRole)
        ),
        (
            "two nodes of one name", dialler(configuration("router-b", .edge)), acceptor(router),
            .refusedByAcceptor(.wrongPeer)
        ),
    ]

    @Test("A mismatch is refused by the side that sees it", arguments: HandshakeTests.mismatches.indices)
    func mismatch(index: Int) {
        let mismatch = Self.mismatches[index]
        #expect(Self.run(mismatch.dialler, mismatch.acceptor) == mismatch.outcome, "\(mismatch.name)")
    }

    @Test("The refusal names both sides of the mismatch")
    func message() {
        var acceptor = Self.acceptor(Self.router)
        var dialler = Self.dialler(Self.configuration("edge-1", .edge, cluster: "other"))
        _ = acceptor.connected()
        guard case .refuse(let refusal) = acceptor.received(dialler.connected()[0]) else {
            Issue.record("not refused")
            return
        }
        #expect(refusal.message.contains("'other'") && refusal.message.contains("'test'"))
        #expect(
            dialler.received(.refused(RefusedFrame(code: refusal.code.rawValue, message: refusal.message)))
                == .refused(refusal)
        )
        #expect(
            dialler.received(.refused(RefusedFrame(code: 200, message: "new"))) == .refused(Refusal(.other, "new"))
        )
    }

    @Test("A frame at the wrong time is refused, in every state")
    func wrongTime() throws {
        let others: [Frame] = [
            .heartbeat(HeartbeatFrame(time: 1)),
            .credit(CreditFrame(items: 1, bytes: 1)),
            .notification(NotificationFrame(kind: 1, payload: ByteBuffer())),
        ]
        var dialler = Self.dialler(Self.edge)
        let hello = dialler.connected()[0]
        let proof = Frame.proof(ProofFrame(code: [UInt8](repeating: 0, count: 32)))
        let welcome = Frame.welcome(WelcomeFrame(version: 1, features: 6, creditItems: 1, creditBytes: 1))
        func isRefused(_ machine: Handshake, _ frame: Frame) -> Bool {
            var machine = machine
            guard case .refuse(let refusal) = machine.received(frame) else { return false }
            return refusal.code == .malformed
        }
        var awaitingHello = Self.acceptor(Self.router)
        _ = awaitingHello.connected()
        var awaitingProof = awaitingHello
        _ = awaitingProof.received(hello)
        for frame in others + [proof, welcome] { #expect(isRefused(awaitingHello, frame)) }
        for frame in others + [hello, welcome] { #expect(isRefused(awaitingProof, frame)) }
        for frame in others + [proof, welcome] { #expect(isRefused(dialler, frame)) }
    }

    @Test("A proof sent back, or of another connection, is not accepted")
    func replays() {
        var acceptor = Self.acceptor(Self.router)
        _ = acceptor.connected()
        var dialler = Self.dialler(Self.edge)
        guard case .send(let answer) = acceptor.received(dialler.connected()[0]),
            case .send(let proofs) = dialler.received(answer[0])
        else {
            Issue.record("no proof")
            return
        }
        // The dialler's own proof, sent back to it.
        guard case .refuse(let reflected) = dialler.received(proofs[0]) else {
            Issue.record("a reflected proof was accepted")
            return
        }
        #expect(reflected.code == .wrongSecret)
        // The same proof on a connection with another nonce.
        var other = Handshake(configuration: Self.router, side: .acceptor, nonce: [UInt8](repeating: 3, count: 32))
        _ = other.connected()
        var again = Self.dialler(Self.edge)
        _ = other.received(again.connected()[0])
        guard case .refuse(let replayed) = other.received(proofs[0]) else {
            Issue.record("a replayed proof was accepted")
            return
        }
        #expect(replayed.code == .wrongSecret)
        #expect(acceptor.received(proofs[0]) != .refuse(replayed))
    }

    @Test("Fields of a later version in a hello do not stand in the way")
    func laterFields() {
        var dialler = Self.dialler(Self.edge)
        var acceptor = Self.acceptor(Self.router)
        _ = acceptor.connected()
        guard case .hello(var hello) = dialler.connected()[0] else {
            Issue.record("no hello")
            return
        }
        hello.laterFields = [1, 2, 3]
        guard case .send(let frames) = acceptor.received(.hello(hello)), case .hello(let own) = frames.first else {
            Issue.record("refused")
            return
        }
        // The proof covers the fields, known or not.
        let code = HandshakeProof.code(.byDialler, dialler: hello, acceptor: own, secret: Self.edge.secret)
        guard case .send(let answer) = acceptor.received(.proof(ProofFrame(code: code))) else {
            Issue.record("the proof was refused")
            return
        }
        #expect(answer.count == 2)
    }

    @Test("The proof is HMAC-SHA256 over the label and both hellos")
    func goldenProof() {
        let hello = HelloFrame(
            versionMin: 1,
            versionMax: 1,
            features: 0,
            linkID: 1,
            role: 1,
            lane: 1,
            incarnation: 1,
            nonce: [UInt8](repeating: 0, count: 32),
            cluster: "c",
            nodeName: "n"
        )
        let code = HandshakeProof.code(.byDialler, dialler: hello, acceptor: hello, secret: Array("key".utf8))
        let text = code.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
        #expect(text == "09d1458038008b1110f119d9c14214c9b2ac25cd899144f8f642f567d5f8ca66")
    }
}
