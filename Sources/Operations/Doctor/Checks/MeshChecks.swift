// SPDX-License-Identifier: Apache-2.0

import ClusterConfiguration
import Directory
import Mesh

extension DoctorCheck {
    static let ofMesh: [DoctorCheck] = [
        DoctorCheck(
            "mesh.reachable",
            "Every router can be dialled where it says it is",
            meaning: "Edges dial every router, and routers each other.",
            Self.judgeReachable
        ),
        DoctorCheck(
            "mesh.certificates",
            "Every router and the nodes here accept each other's certificates",
            meaning:
                "Where links speak TLS, both sides have to show a certificate of their own name and a common authority.",
            Self.judgeCertificates
        ),
        DoctorCheck(
            "mesh.secret",
            "Every router takes a node with our cluster name, mesh secret and protocol",
            meaning: "Nodes with another secret, of another cluster or of a version too far away are refused.",
            Self.judgeSecret
        ),
    ]

    private static func judgeReachable(_ facts: DoctorFacts, _ judgement: inout DoctorJudgement) {
        let strangers = facts.nodes.filter { node in
            node.isRunning && node.http.map { !$0.isOfLoopback && !$0.isWildcard } ?? false
        }
        for node in facts.nodes where node.role == .router && node.isRunning {
            guard let mesh = node.mesh else { continue }
            if case .unreachable(let reason) = node.handshake {
                judgement.fails(
                    node.name,
                    "it cannot be dialled at \(mesh): \(reason)",
                    mend:
                        "open this port between the machines, or have it say the address that the others reach (--advertise)"
                )
            } else if mesh.isOfLoopback || mesh.isWildcard, let other = strangers.first(where: { $0.name != node.name })
            {
                judgement.fails(
                    node.name,
                    "it says that it is at \(mesh), which \(other.name) on another machine cannot dial",
                    mend: "say with --advertise, or `advertise` in the file, the host by which others reach it"
                )
            }
        }
    }

    private static func judgeCertificates(_ facts: DoctorFacts, _ judgement: inout DoctorJudgement) {
        for node in facts.nodes where node.role == .router && node.isRunning {
            switch node.handshake {
            case .refused(let refusal) where Self.isOfTLS(refusal.code):
                judgement.fails(node.name, refusal.message, mend: Self.remedy(of: refusal.code))
            case nil where facts.settings.tls.mesh.certificate != nil && facts.credentials.isEmpty:
                judgement.cannotTell("no certificate of a node is here to show to routers")
            case .accepted, .refused, .unreachable, nil: break
            }
            Self.judgeRefusals(of: node, [.wrongCertificate, .tlsMismatch], &judgement)
        }
    }

    private static func judgeSecret(_ facts: DoctorFacts, _ judgement: inout DoctorJudgement) {
        for node in facts.nodes where node.role == .router {
            switch node.handshake {
            case .refused(let refusal) where Self.isOfTLS(refusal.code):
                judgement.cannotTell("\(node.name) ends connections before a secret is asked for")
            case .refused(let refusal):
                judgement.fails(node.name, refusal.message, mend: Self.remedy(of: refusal.code))
            case nil where node.isRunning && facts.settings.tls.mesh.certificate != nil && facts.credentials.isEmpty:
                judgement.cannotTell("no certificate of a node is here to show to routers")
            case .accepted, .unreachable, nil: break
            }
            Self.judgeRefusals(of: node, [.wrongSecret, .wrongCluster, .unsupportedVersion], &judgement)
        }
    }

    /// What others met with at a router that takes us.
    private static func judgeRefusals(
        of node: DoctorFacts.Node,
        _ codes: [Refusal.Code],
        _ judgement: inout DoctorJudgement
    ) {
        guard node.handshake == .accepted else { return }
        for code in codes {
            guard let count = node.refusals["\(code)"], count > 0 else { continue }
            judgement.warns(
                node.name,
                "it has refused \(count) connections as \(code) since it was started: some node is not like the others",
                mend: "see in its log which node that is. " + Self.remedy(of: code)
            )
        }
    }

    private static func isOfTLS(_ code: Refusal.Code) -> Bool {
        code == .wrongCertificate || code == .tlsMismatch
    }

    private static func remedy(of code: Refusal.Code) -> String {
        switch code {
        case .wrongSecret: "give all nodes the same secrets.mesh_secret, and start those again that had another"
        case .wrongCluster: "correct `cluster`, or the addresses: two clusters share one Redis only under two names"
        case .wrongPeer: "correct the addresses: another node answers there"
        case .unsupportedVersion: "bring the older program to a version next to the newer one"
        case .wrongCertificate:
            "give all nodes certificates of one authority that have not expired (`trunkline certs node`); they are read "
                + "without a restart"
        case .tlsMismatch: "set `tls.mesh` for all nodes or for none, and start those again that had it otherwise"
        case .malformed, .wrongRole, .staleIncarnation, .timedOut, .shuttingDown, .other: "see the node's log"
        }
    }
}

extension NetworkAddress {
    var isOfLoopback: Bool { self.host == "localhost" || self.host == "::1" || self.host.hasPrefix("127.") }
}
