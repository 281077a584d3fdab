// SPDX-License-Identifier: Apache-2.0

/// What `trunkline status` shows: how a cluster is at this moment, as far as it can be seen from here.
package struct ClusterStatus: Codable, Sendable, Equatable {
    package struct Node: Codable, Sendable, Equatable {
        package var name: String
        /// `edge` or `router`.
        package var role: String
        /// `starting`, `ready` or `draining` as the node's lease says; `no lease` without one, `unknown` without Redis.
        package var state: String
        /// Where clients connect, or where health and metrics are.
        package var address: String
        package var version: String?
        /// The highest version of the mesh's protocol that it speaks. Two nodes speak the lower one of theirs.
        package var meshVersion: UInt16?
        package var uptimeSeconds: Int?
        /// What `/ready` answers; nil when it cannot be asked.
        package var ready: Bool?
        /// Why it is not ready, or why it cannot be asked.
        package var reasons: [String]
    }

    package struct Shard: Codable, Sendable, Equatable {
        package var name: String
        package var reachable: Bool
        /// Why it cannot be reached.
        package var problem: String?
        package var epoch: UInt64?
        package var mapVersion: UInt64?
        /// Slots that the shard map gives to the shard.
        package var slots: Int?
        /// How many it is to have, measured by those of the others.
        package var weight: Int?
        /// Slots that are copied from it or to it at this moment, and that it has old copies of.
        package var movingSlots: Int?
        package var oldCopies: Int?
        /// The routers of the shard's view, each with the number of slots that are its own.
        package var routers: [RouterShare]
    }

    package struct RouterShare: Codable, Sendable, Equatable {
        package var name: String
        package var slots: Int
    }

    package var cluster: String
    /// Nil when Redis answered, else why not.
    package var redisProblem: String?
    package var nodes: [Node]
    package var shards: [Shard]
    /// What an operator should look at, worst first. Empty when all is well.
    package var warnings: [String]
}
