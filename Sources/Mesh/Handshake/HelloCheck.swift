// SPDX-License-Identifier: Apache-2.0

import Messaging
import TransportSecurity
import Wire

/// Decides whether a peer's hello is one that this node wants to go on with.
struct HelloCheck {
    var configuration: Handshake.Configuration
    var side: Handshake.Side
    /// Whom the peer's certificate names; looked at only where one is required.
    var certified: [CertifiedNode] = []

    private var own: PeerIdentity { self.configuration.identity }

    /// What both will know of each other once it is proven. The credit is not known yet.
    func session(with hello: HelloFrame) throws(Refusal) -> LaneSession {
        guard hello.cluster == self.configuration.cluster else {
            throw Refusal(
                .wrongCluster,
                "\(hello.nodeName) belongs to cluster '\(hello.cluster)', \(self.own.name) to cluster "
                    + "'\(self.configuration.cluster)'"
            )
        }
        if self.configuration.requiresCertificate { try self.checkCertificate(hello) }
        let version = try self.commonVersion(with: hello)
        guard let role = NodeRole(rawValue: hello.role) else {
            throw Refusal(
                .wrongRole,
                "\(hello.nodeName) has role number \(hello.role), which \(self.own.name) does not know"
            )
        }
        guard let lane = LaneKind(rawValue: hello.lane) else {
            throw Refusal(.malformed, "lane number \(hello.lane)")
        }
        switch self.side {
        case .dialler(let name, let peerRole, let ownLane, let linkID):
            try self.checkAcceptor(hello, name: name, role: role, expectedRole: peerRole)
            guard lane == ownLane, hello.linkID == linkID else {
                throw Refusal(.malformed, "\(hello.nodeName) answers for another link")
            }
        case .acceptor:
            try self.checkDialler(hello, role: role)
        }
        return LaneSession(
            peer: PeerIdentity(name: hello.nodeName, incarnation: Incarnation(value: hello.incarnation), role: role),
            lane: lane,
            linkID: hello.linkID,
            version: version,
            features: hello.features & self.configuration.features,
            creditItems: 0,
            creditBytes: 0
        )
    }

    private func checkCertificate(_ hello: HelloFrame) throws(Refusal) {
        let claimed = CertifiedNode(cluster: hello.cluster, node: hello.nodeName)
        guard !self.certified.contains(claimed) else { return }
        let shown = self.certified.map(\.uri).joined(separator: ", ")
        throw Refusal(
            .wrongCertificate,
            "\(hello.nodeName) shows \(self.own.name) a certificate that names "
                + (shown.isEmpty ? "no node" : shown) + " instead of \(claimed)"
        )
    }

    private func commonVersion(with hello: HelloFrame) throws(Refusal) -> UInt16 {
        let versions = self.configuration.versions
        let version = min(versions.upperBound, hello.versionMax)
        guard version >= max(versions.lowerBound, hello.versionMin) else {
            throw Refusal(
                .unsupportedVersion,
                "\(hello.nodeName) speaks versions \(hello.versionMin) to \(hello.versionMax) of the mesh, "
                    + "\(self.own.name) versions \(versions.lowerBound) to \(versions.upperBound)"
            )
        }
        return version
    }

    private func checkAcceptor(
        _ hello: HelloFrame,
        name: String,
        role: NodeRole,
        expectedRole: NodeRole
    ) throws(Refusal) {
        guard hello.nodeName == name else {
            throw Refusal(.wrongPeer, "\(self.own.name) dialled \(name), but \(hello.nodeName) answers")
        }
        guard role == expectedRole else {
            throw Refusal(.wrongRole, "\(name) was dialled as \(expectedRole), but it is \(role)")
        }
    }

    private func checkDialler(_ hello: HelloFrame, role: NodeRole) throws(Refusal) {
        guard !hello.nodeName.isEmpty, hello.nodeName != self.own.name else {
            throw Refusal(.wrongPeer, "'\(hello.nodeName)' dials \(self.own.name): two nodes of the same name, or none")
        }
        switch (role, self.own.role) {
        case (.edge, .edge):
            throw Refusal(.wrongRole, "\(hello.nodeName) and \(self.own.name) are both edges, which do not connect")
        case (.router, .edge):
            throw Refusal(.wrongRole, "\(hello.nodeName) dials \(self.own.name), which is an edge and is never dialled")
        case (.router, .router) where hello.nodeName > self.own.name:
            throw Refusal(
                .wrongRole,
                "\(hello.nodeName) dials \(self.own.name): of two routers the one with the smaller name dials"
            )
        case (.router, .router), (.edge, .router):
            break
        }
    }
}
