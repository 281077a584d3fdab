// SPDX-License-Identifier: Apache-2.0

import ClusterConfiguration
import Directory
import Messaging

/// Whether a node that was started again is back at its work. Pure.
package enum RollReturn: Sendable, Equatable {
    /// What it was before, and what it is now.
    case back(RollPlan.Node)
    /// What is still missing, for people.
    case waits(String)

    /// - Parameters:
    ///   - before: the node in the life that was to end.
    ///   - nodes: as their leases tell.
    ///   - status: as `trunkline status` shows it.
    package init(of before: RollPlan.Node, among nodes: [RollPlan.Node], _ status: ClusterStatus) {
        let name = before.name
        guard let now = nodes.first(where: { $0.name == name }) else {
            self = .waits("it has no lease yet")
            return
        }
        guard now.incarnation != before.incarnation else {
            self = .waits("it is the process that was there before: the command has not ended it yet")
            return
        }
        guard now.state == .ready else {
            self = .waits("it is \(now.state)")
            return
        }
        guard let shown = status.nodes.first(where: { $0.name == name }), shown.ready == true else {
            let reasons = status.nodes.first { $0.name == name }?.reasons ?? []
            self = .waits(reasons.isEmpty ? "it is not ready" : "it is not ready: \(reasons.joined(separator: "; "))")
            return
        }
        if now.role == .router, let shard = status.shards.first(where: { Self.lacks($0, name) }) {
            self = .waits("it is not in the view of shard \(shard.name)")
            return
        }
        if let warning = status.warnings.first(where: { Self.names(name, in: $0) }) {
            self = .waits("status warns: \(warning)")
            return
        }
        self = .back(now)
    }

    /// A shard that cannot be seen from here, or holds nothing, says nothing about the node.
    private static func lacks(_ shard: ClusterStatus.Shard, _ router: String) -> Bool {
        shard.reachable && shard.slots ?? 0 > 0 && !shard.routers.contains { $0.name == router }
    }

    /// Whether a text speaks of a node, and not only of one whose name begins with this one's.
    static func names(_ node: String, in text: String) -> Bool {
        text.split { !($0.isLetter || $0.isNumber || $0 == "-") }.contains { $0 == node }
    }
}
