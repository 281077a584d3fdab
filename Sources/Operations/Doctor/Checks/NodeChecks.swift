// SPDX-License-Identifier: Apache-2.0

import ClusterConfiguration
import Directory

extension DoctorFacts {
    /// What is known of the leases, by name.
    fileprivate func leased(_ judgement: inout DoctorJudgement) -> [String: NodeLease]? {
        guard case .value(let listing) = self.leases else {
            judgement.cannotTell("Redis cannot be reached")
            return nil
        }
        return Dictionary(listing.leases.map { ($0.name, $0) }) { first, _ in first }
    }
}

extension DoctorCheck {
    static let ofNodes: [DoctorCheck] = [
        DoctorCheck(
            "nodes.running",
            "Every node that the file lists runs and answers",
            meaning: "A node says that it lives by a lease in Redis, and how it is over HTTP.",
            Self.judgeRunning
        ),
        DoctorCheck(
            "nodes.ready",
            "Every node that runs is ready",
            meaning: "A node that is not ready cannot do its work; load balancers send nobody there.",
            Self.judgeReady
        ),
        DoctorCheck(
            "nodes.addresses",
            "Every node has an address of its own, and others can use it",
            meaning:
                "Nodes find each other by what they say of themselves, and clients are told of edges in the same way.",
            Self.judgeAddresses
        ),
        DoctorCheck(
            "nodes.roles",
            "Every node runs as what the file says it is",
            meaning: "Edges and routers are dialled and counted differently."
        ) { facts, judgement in
            guard let leases = facts.leased(&judgement) else { return }
            for node in facts.settings.nodes {
                guard let lease = leases[node.name], lease.role.rawValue != node.role.rawValue else { continue }
                judgement.fails(
                    node.name,
                    "it runs as \(lease.role), the file says \(node.role)",
                    mend: "stop the one that is wrong, or correct its role in the file"
                )
            }
        },
        DoctorCheck(
            "nodes.versions",
            "All nodes run the same version as this program",
            meaning: "Versions next to each other work together for as long as an upgrade takes.",
            Self.judgeVersions
        ),
        DoctorCheck(
            "nodes.files",
            "Every node may open files enough",
            meaning: "Each session of an edge is an open file; at the limit new connections are refused.",
            Self.judgeFiles
        ),
    ]

    private static func judgeRunning(_ facts: DoctorFacts, _ judgement: inout DoctorJudgement) {
        guard let leases = facts.leased(&judgement) else { return }
        guard facts.nodes.contains(where: \.isRunning) else {
            return judgement.warns(
                facts.settings.cluster,
                "none of its nodes runs",
                mend: "start them, routers first: `trunkline run NODE`"
            )
        }
        for node in facts.nodes {
            let place = node.http.map { " at \($0)" } ?? ""
            var reason = ""
            if case .unreachable(let text) = node.readiness { reason = ": \(text)" }
            if leases[node.name] == nil {
                if node.answersAs == node.name {
                    judgement.fails(
                        node.name,
                        "it answers\(place), but has no lease",
                        mend: "see in its log why it cannot write to Redis; it does so again by itself"
                    )
                } else {
                    judgement.fails(
                        node.name,
                        "it is not running",
                        mend: "start it with `trunkline run \(node.name)`, or take it out of the file"
                    )
                }
            } else if case .unreachable = node.readiness {
                judgement.fails(
                    node.name,
                    "it has a lease, but does not answer\(place)\(reason)",
                    mend: "start it again if it has just died; else see that this machine reaches it there, or have it "
                        + "say another address with --advertise"
                )
            }
        }
    }

    private static func judgeReady(_ facts: DoctorFacts, _ judgement: inout DoctorJudgement) {
        for node in facts.nodes where node.isRunning {
            guard case .value(let probe) = node.readiness, !probe.ready else { continue }
            let reasons = probe.reasons.joined(separator: "; ")
            if node.lease?.state == .draining || reasons.contains("drained") {
                judgement.warns(
                    node.name,
                    reasons,
                    mend: "stop it when it is empty, or take it back with `trunkline undrain \(node.name)`"
                )
            } else {
                judgement.fails(node.name, reasons, mend: Self.remedy(ofUnreadiness: reasons, node.name))
            }
        }
    }

    private static func remedy(ofUnreadiness reasons: String, _ node: String) -> String {
        if reasons.contains("shard map") { return "run `trunkline migrate`, and mend what fails of shards.*" }
        if reasons.contains("link to any router") {
            return "mend what fails of mesh.*; see in the log of \(node) why the routers refuse it"
        }
        if reasons.contains("view of shard") {
            return "mend what fails of shards.*; see in the log of \(node) why it does not join the view"
        }
        return "see the log of \(node)"
    }

    private static func judgeAddresses(_ facts: DoctorFacts, _ judgement: inout DoctorJudgement) {
        var owners: [String: String] = [:]
        for node in facts.nodes {
            guard let lease = node.lease else { continue }
            for case let address? in [lease.httpAddress, lease.meshAddress] {
                guard let other = owners[address] else {
                    owners[address] = node.name
                    continue
                }
                judgement.fails(
                    node.name,
                    "it says that it is at \(address), and so does \(other)",
                    mend: "give each an address of its own with --http, --mesh and --advertise"
                )
            }
            if let http = lease.httpAddress.flatMap({ NetworkAddress($0) }), http.isWildcard {
                judgement.warns(
                    node.name,
                    "it says that it is at \(http), where nobody on another machine finds it",
                    mend: "say with --advertise, or `advertise` in the file, the host by which others reach it"
                )
            }
            if let listed = facts.settings.node(named: node.name)?.httpToAsk.description, let told = lease.httpAddress,
                told != listed
            {
                judgement.warns(
                    node.name,
                    "it says that it is at \(told), the file has \(listed)",
                    mend: "correct the file; or give one of two clusters of this name that share a Redis another name"
                )
            }
        }
        for node in facts.nodes {
            guard let other = node.answersAs, other != node.name, let http = node.http else { continue }
            judgement.fails(
                node.name,
                "at its address \(http) answers \(other)",
                mend: "give each an address of its own"
            )
        }
    }

    private static func judgeVersions(_ facts: DoctorFacts, _ judgement: inout DoctorJudgement) {
        guard facts.leased(&judgement) != nil else { return }
        for node in facts.nodes {
            guard let version = node.version ?? node.lease?.version, version != facts.version else { continue }
            judgement.warns(
                node.name,
                "it runs version \(version), this program is \(facts.version)",
                mend:
                    "finish the upgrade: start the nodes of the older version with the newer program, one after the other"
            )
        }
    }

    private static func judgeFiles(_ facts: DoctorFacts, _ judgement: inout DoctorJudgement) {
        for node in facts.nodes where node.answersAs == node.name {
            guard let most = node.filesMax else { continue }
            let needed = node.role == .edge ? facts.filesOfAnEdge : 1024
            guard most < needed else { continue }
            let text =
                "it may open \(most) files, and needs \(needed)"
                + (node.role == .edge ? " for limits.sessions_per_edge" : "")
            let remedy =
                "raise the hard limit before it starts (LimitNOFILE=, `ulimit -Hn`)"
                + (node.role == .edge ? ", or lower limits.sessions_per_edge" : "")
            // With less than half it is not only the last few that are refused too early.
            if most * 2 < needed {
                judgement.fails(node.name, text, mend: remedy)
            } else {
                judgement.warns(node.name, text, mend: remedy)
            }
        }
    }
}
