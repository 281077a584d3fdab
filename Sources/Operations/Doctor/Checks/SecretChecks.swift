// SPDX-License-Identifier: Apache-2.0

import ClusterConfiguration
import Directory

extension DoctorCheck {
    static let ofSecrets: [DoctorCheck] = [
        DoctorCheck(
            "secrets.present",
            "Every secret that nodes here use can be read and is long enough",
            meaning:
                "A node does not start without its secrets, and a short one can be guessed. Those that only nodes elsewhere "
                + "use need not be here; where no node is, all have to be.",
            Self.judgePresent
        ),
        DoctorCheck(
            "secrets.private",
            "No file with a secret can be read by every user of this machine",
            meaning:
                "Whoever knows the mesh's secret can join the cluster; whoever knows that of tokens can be anybody."
        ) { facts, judgement in
            for file in facts.machine.exposedFiles {
                judgement.fails(
                    file.key,
                    "\(file.path) can be read by every user of this machine",
                    mend: "chmod o-rwx \(file.path), and change the secret if somebody may have read it"
                )
            }
        },
        DoctorCheck(
            "secrets.distinct",
            "No two purposes share a secret",
            meaning: "A secret that is used twice is lost twice."
        ) { facts, judgement in
            for keys in facts.machine.repeatedSecrets {
                judgement.warns(
                    keys.joined(separator: ", "),
                    "they have the same value",
                    mend: "make one for each, for example with `openssl rand -hex 32`"
                )
            }
        },
        DoctorCheck(
            "secrets.admin",
            "Every router knows the secrets that operators show to it from here",
            meaning:
                "Drains and the like are orders to routers, which take them from those alone whose secret they know.",
            Self.judgeAdmissions
        ),
    ]

    private static func judgeAdmissions(_ facts: DoctorFacts, _ judgement: inout DoctorJudgement) {
        for node in facts.nodes where node.answersAs == node.name {
            for (key, status) in node.admissions.sorted(by: { $0.key < $1.key }) {
                switch status {
                case 401:
                    judgement.fails(
                        node.name,
                        "it does not know the secret of \(key)",
                        mend: "give it the same one as is here, and start it again"
                    )
                case 403:
                    judgement.warns(
                        node.name,
                        "it takes no orders: it was started without secrets.admin_operate",
                        mend: "set it where \(node.name) runs, too, and start it again"
                    )
                default: break
                }
            }
        }
    }

    private static func judgePresent(_ facts: DoctorFacts, _ judgement: inout DoctorJudgement) {
        let here = facts.nodes.filter(\.isHere)
        // Without a node nothing says what this machine is for.
        let needs =
            here.isEmpty
            ? SecretNeeds.all
            : here.reduce(into: SecretNeeds()) { $0.formUnion(SecretNeeds($1.role == .router ? .router : .edge)) }
        for problem in facts.secretProblems where needs.isSuperset(of: SecretNeeds(key: problem.path)) {
            judgement.fails(problem.path, problem.message, mend: problem.remedy)
        }
    }
}
