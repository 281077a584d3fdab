// SPDX-License-Identifier: Apache-2.0

/// Slot → Postgres shard. Durable and versioned; changed only by an operator's action.
package struct ShardMap: Sendable, Equatable {
    /// Shards of one map.
    package static let shardsMax = 65_535

    /// Grows by one with every change. Of two maps the one with the larger version is true.
    package let version: UInt64
    /// Names of the shards, as in `cluster.yaml`; each once, at most ``shardsMax``.
    package let shards: [String]
    /// For every slot the index of its shard in ``shards``.
    package let assignment: [UInt16]

    /// Returns nil when the assignment does not name an existing shard for every slot, a name stands twice, or there
    /// are more shards than an index can tell apart.
    package init?(version: UInt64, shards: [String], assignment: [UInt16]) {
        guard shards.count <= Self.shardsMax, Set(shards).count == shards.count, assignment.count == Slot.count,
            assignment.allSatisfy({ Int($0) < shards.count })
        else { return nil }
        self.version = version
        self.shards = shards
        self.assignment = assignment
    }

    /// The first map of a new cluster: slots dealt out in turn, so that every shard has as many as any other.
    /// Returns nil without shards, and when a name stands twice.
    package init?(dealing shards: [String]) {
        guard !shards.isEmpty else { return nil }
        self.init(
            version: 1,
            shards: shards,
            assignment: (0..<Slot.count).map { UInt16($0 % shards.count) }
        )
    }

    package func shard(of slot: Slot) -> String {
        self.shards[self.shardIndex(of: slot)]
    }

    /// None for a name that is not in the map.
    package func slots(of shard: String) -> SlotSet {
        guard let index = self.shards.firstIndex(of: shard) else { return SlotSet() }
        return SlotSet { Int(self.assignment[Int($0.number)]) == index }
    }

    package func shardIndex(of slot: Slot) -> Int {
        Int(self.assignment[Int(slot.number)])
    }
}
