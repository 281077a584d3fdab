// SPDX-License-Identifier: Apache-2.0

import Messaging

/// The names of everything that one cluster keeps in Redis.
///
/// | Key | Type | Holds |
/// |---|---|---|
/// | `trunkline:CLUSTER:user:USERID` | hash | device id → `EDGE\|INCARNATION\|SESSION` |
/// | `trunkline:CLUSTER:complete:EDGE` | string | `INCARNATION\|RUN_ID`: all sessions of that edge are registered |
/// | `trunkline:CLUSTER:refill:EDGE` | string | names the refill of that edge's entries that is under way |
/// | `trunkline:CLUSTER:node:NAME` | string | `INCARNATION` and a JSON object: the lease of a node |
/// | `trunkline:CLUSTER:nodes` | set | names of nodes that may have a lease |
/// | `trunkline:CLUSTER:shards` | string | `NAME CONNECTION` lines: where the Postgres shards are |
/// | `trunkline:CLUSTER:nodes-changed` | string | another one with every change of a lease, a renewal left out |
struct DirectoryKeys: Sendable {
    private let prefix: String

    init(cluster: String) {
        self.prefix = "trunkline:\(cluster):"
    }

    var nodes: String { "\(self.prefix)nodes" }

    var shards: String { "\(self.prefix)shards" }

    var nodesChanged: String { "\(self.prefix)nodes-changed" }

    func user(_ user: UserID) -> String { "\(self.prefix)user:\(user)" }

    func complete(_ edge: String) -> String { "\(self.prefix)complete:\(edge)" }

    func refill(_ edge: String) -> String { "\(self.prefix)refill:\(edge)" }

    func node(_ name: String) -> String { "\(self.prefix)node:\(name)" }
}
