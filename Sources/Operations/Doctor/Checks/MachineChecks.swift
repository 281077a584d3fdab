// SPDX-License-Identifier: Apache-2.0

import ClusterConfiguration
import Directory

/// The machine that the doctor runs on.
extension DoctorCheck {
    static let ofMachine: [DoctorCheck] = [
        DoctorCheck(
            "machine.files",
            "A node started here may open files enough",
            meaning: "A node raises its limit as far as it may, which is what it is started with as its hard limit."
        ) { facts, judgement in
            guard let most = facts.machine.filesMax, most < facts.filesOfAnEdge else { return }
            let text =
                "a process started like this one may open \(most) files; an edge needs \(facts.filesOfAnEdge) for "
                + "limits.sessions_per_edge"
            let remedy =
                "raise the hard limit (LimitNOFILE= of the unit, /etc/security/limits.conf), or lower "
                + "limits.sessions_per_edge"
            if most * 2 < facts.filesOfAnEdge, facts.nodes.contains(where: { $0.role == .edge && $0.isHere }) {
                judgement.fails("this machine", text, mend: remedy)
            } else {
                judgement.warns("this machine", text, mend: remedy)
            }
        },
        DoctorCheck(
            "machine.ports",
            "The ports of nodes that could be started here are free",
            meaning: "A node does not start when another program uses one of its ports."
        ) { facts, judgement in
            for node in facts.nodes where node.isHere && !node.isRunning {
                for (key, reason) in node.portsTaken.sorted(by: { $0.key < $1.key }) {
                    judgement.fails(
                        node.name,
                        "its \(key) address cannot be listened on: \(reason)",
                        mend: "stop what uses it (`ss -ltnp` tells), or choose another address in the file"
                    )
                }
            }
        },
    ]
}
