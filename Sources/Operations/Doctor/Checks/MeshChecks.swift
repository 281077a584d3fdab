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

    private static func judgeSecret(_ facts: DoctorFacts, _ judgement: inout DoctorJudgement) {
        for node in facts.nodes where node.role == .router {
            if case .refused(let refusal) = node.handshake {
                judgement.fails(node.name, refusal.message, mend: Self.remedy(of: refusal.code))
            }
            let refused = [Refusal.Code.wrongSecret, .wrongCluster, .unsupportedVersion].compactMap { code in
                node.refusals["\(code)"].map { (code, $0) }
            }
            for (code, count) in refused where count > 0 && node.handshake == .accepted {
                judgement.warns(
                    node.name,
                    "it has refused \(count) connections as \(code) since it was started: some node is not like the others",
                    mend: "see in its log which node that is. " + Self.remedy(of: code)
                )
            }
        }
    }

    private static func remedy(of code: Refusal.Code) -> String {
        switch code {
        case .wrongSecret: "give all nodes the same secrets.mesh_secret, and start those again that had another"
        case .wrongCluster: "correct `cluster`, or the addresses: two clusters share one Redis only under two names"
        case .wrongPeer: "correct the addresses: another node answers there"
        case .unsupportedVersion: "bring the older program to a version next to the newer one"
        case .wrongCertificate, .tlsMismatch:
            "give all nodes certificates of one authority: `trunkline certs`, `tls.mesh`"
        case .malformed, .wrongRole, .staleIncarnation, .timedOut, .shuttingDown, .other: "see the node's log"
        }
    }
}

extension NetworkAddress {
    var isOfLoopback: Bool { self.host == "localhost" || self.host == "::1" || self.host.hasPrefix("127.") }
}
