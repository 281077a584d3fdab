// SPDX-License-Identifier: Apache-2.0

import Messaging
import TransportSecurity
import Wire

/// Which of a link's two connections. The raw value travels in the handshake.
enum LaneKind: UInt8, Sendable, Hashable {
    /// Handshake and heartbeats, which bulk traffic cannot block.
    case control = 1
    /// Requests, responses, notifications, and the credit for them.
    case bulk = 2
}

/// What both sides of a connection know when its handshake is done.
struct LaneSession: Hashable, Sendable {
    var peer: PeerIdentity
    var lane: LaneKind
    var linkID: UInt64
    /// The version of the protocol that both speak.
    var version: UInt16
    /// The features that both have.
    var features: UInt64
    /// What this node may have under way to the peer.
    var creditItems: Int
    var creditBytes: Int
}

/// The handshake of one connection, as a value: a frame goes in, an action comes out.
///
///     dialler                                  acceptor
///        | hello ------------------------------->|   cluster, version, name, role
///        |<------------------------------- hello |
///        | proof ------------------------------->|   the stranger proves first
///        |<---------------------- proof, welcome |
///        | welcome ----------------------------->|
///
/// Each side that finds something wrong sends `refused`, which names both sides of the mismatch, and closes. A side is
/// established when it has the other's welcome, so neither uses a connection that the other has refused.
struct Handshake: Sendable {
    static let versions: ClosedRange<UInt16> = MeshVersion.oldest...MeshVersion.newest
    /// None yet.
    static let features: UInt64 = 0

    /// What this node says about itself.
    struct Configuration: Sendable {
        var identity: PeerIdentity
        var cluster: String
        var secret: [UInt8]
        var versions = Handshake.versions
        var features = Handshake.features
        /// Whether the peer has to be one that its certificate names.
        var requiresCertificate = false
        /// What is granted to the peer.
        var creditItems: Int
        var creditBytes: Int
    }

    enum Side: Sendable, Equatable {
        case dialler(peerName: String, peerRole: NodeRole, lane: LaneKind, linkID: UInt64)
        case acceptor
    }

    enum Action: Equatable {
        case send([Frame])
        /// The connection is ready after these are sent.
        case established(LaneSession, send: [Frame])
        /// Send `refused` with this, then close.
        case refuse(Refusal)
        /// The peer refused; close.
        case refused(Refusal)
    }

    private enum State {
        case start
        case awaitingHello(own: HelloFrame?)
        case awaitingProof(own: HelloFrame, session: LaneSession, peer: HelloFrame)
        case awaitingWelcome(LaneSession)
        case ended
    }

    private let configuration: Configuration
    private let side: Side
    private let nonce: [UInt8]
    private var state = State.start
    private var certified: [CertifiedNode] = []

    /// - Parameter nonce: ``HelloFrame/nonceBytes`` bytes that were never used before.
    init(configuration: Configuration, side: Side, nonce: [UInt8]) {
        self.configuration = configuration
        self.side = side
        self.nonce = nonce
    }

    /// The connection exists. To be called once, first.
    mutating func connected() -> [Frame] {
        switch self.side {
        case .dialler(_, _, let lane, let linkID):
            let own = self.hello(lane: lane.rawValue, linkID: linkID)
            self.state = .awaitingHello(own: own)
            return [.hello(own)]
        case .acceptor:
            self.state = .awaitingHello(own: nil)
            return []
        }
    }

    /// Whom the peer's certificate names; to be told before the first frame. TLS has seen that it may.
    mutating func peerIsCertified(as nodes: [CertifiedNode]) {
        self.certified = nodes
    }

    mutating func received(_ frame: Frame) -> Action {
        if case .refused(let refused) = frame {
            self.state = .ended
            return .refused(Refusal(Refusal.Code(rawValue: refused.code) ?? .other, refused.message))
        }
        let action: Action
        do throws(Refusal) {
            switch (self.state, frame) {
            case (.awaitingHello(let own), .hello(let peer)): action = try self.hello(from: peer, own: own)
            case (.awaitingProof(let own, let session, let peer), .proof(let proof)):
                action = try self.proof(proof, own: own, session: session, peer: peer)
            case (.awaitingWelcome(let session), .welcome(let welcome)):
                action = try self.welcome(welcome, session: session)
            case (.start, _), (.awaitingHello, _), (.awaitingProof, _), (.awaitingWelcome, _), (.ended, _):
                throw Refusal(.malformed, "\(frame.name) instead of \(self.expected)")
            }
        } catch {
            self.state = .ended
            return .refuse(error)
        }
        return action
    }

    private var expected: String {
        switch self.state {
        case .start: "nothing yet"
        case .awaitingHello: "hello"
        case .awaitingProof: "proof"
        case .awaitingWelcome: "welcome"
        case .ended: "nothing more"
        }
    }
}

extension Handshake {
    private func hello(lane: UInt8, linkID: UInt64) -> HelloFrame {
        HelloFrame(
            versionMin: self.configuration.versions.lowerBound,
            versionMax: self.configuration.versions.upperBound,
            features: self.configuration.features,
            linkID: linkID,
            role: self.configuration.identity.role.rawValue,
            lane: lane,
            incarnation: self.configuration.identity.incarnation.value,
            nonce: self.nonce,
            cluster: self.configuration.cluster,
            nodeName: self.configuration.identity.name
        )
    }

    private mutating func hello(from peer: HelloFrame, own: HelloFrame?) throws(Refusal) -> Action {
        let session = try HelloCheck(configuration: self.configuration, side: self.side, certified: self.certified)
            .session(with: peer)
        switch self.side {
        case .dialler(_, _, let lane, let linkID):
            let own = own ?? self.hello(lane: lane.rawValue, linkID: linkID)
            self.state = .awaitingProof(own: own, session: session, peer: peer)
            let code = HandshakeProof.code(
                .byDialler,
                dialler: own,
                acceptor: peer,
                secret: self.configuration.secret
            )
            return .send([.proof(ProofFrame(code: code))])
        case .acceptor:
            let own = self.hello(lane: peer.lane, linkID: peer.linkID)
            self.state = .awaitingProof(own: own, session: session, peer: peer)
            return .send([.hello(own)])
        }
    }

    private mutating func proof(
        _ proof: ProofFrame,
        own: HelloFrame,
        session: LaneSession,
        peer: HelloFrame
    ) throws(Refusal) -> Action {
        let secret = self.configuration.secret
        let isDialler = self.side != .acceptor
        let isValid =
            isDialler
            ? HandshakeProof.isValid(proof.code, .byAcceptor, dialler: own, acceptor: peer, secret: secret)
            : HandshakeProof.isValid(proof.code, .byDialler, dialler: peer, acceptor: own, secret: secret)
        guard isValid else {
            throw Refusal(
                .wrongSecret,
                "\(session.peer.name) has another cluster secret than \(self.configuration.identity.name)"
            )
        }
        self.state = .awaitingWelcome(session)
        guard !isDialler else { return .send([]) }
        let code = HandshakeProof.code(.byAcceptor, dialler: peer, acceptor: own, secret: secret)
        return .send([.proof(ProofFrame(code: code)), self.welcome(for: session)])
    }

    private func welcome(for session: LaneSession) -> Frame {
        .welcome(
            WelcomeFrame(
                version: session.version,
                features: session.features,
                creditItems: UInt32(clamping: self.configuration.creditItems),
                creditBytes: UInt32(clamping: self.configuration.creditBytes)
            )
        )
    }

    private mutating func welcome(_ welcome: WelcomeFrame, session: LaneSession) throws(Refusal) -> Action {
        guard welcome.version == session.version, welcome.features == session.features else {
            throw Refusal(
                .malformed,
                "welcome to version \(welcome.version) instead of the common \(session.version)"
            )
        }
        guard welcome.creditItems > 0, welcome.creditBytes > 0 else {
            throw Refusal(.malformed, "welcome without credit")
        }
        self.state = .ended
        var session = session
        session.creditItems = Int(welcome.creditItems)
        session.creditBytes = Int(welcome.creditBytes)
        return .established(session, send: self.side == .acceptor ? [] : [self.welcome(for: session)])
    }
}
