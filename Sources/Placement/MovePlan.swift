// SPDX-License-Identifier: Apache-2.0

/// Which slots have to change their shard so that each has its share by weight. Pure, and the same for whoever computes it.
///
/// No slot moves that need not: shards above their share give what is above it, to those below theirs.
package struct MovePlan: Sendable, Equatable {
    /// Slots of one way, in order.
    package struct Way: Sendable, Equatable {
        package var source: String
        package var target: String
        package var slots: [Slot]

        package init(source: String, target: String, slots: [Slot]) {
            self.source = source
            self.target = target
            self.slots = slots
        }
    }

    /// For every slot the index of the shard that it is to have.
    package let goal: [UInt16]

    /// Returns nil when no shard has a weight: the slots would have no place.
    package init?(for catalog: ShardCatalog) {
        guard let shares = Self.shares(of: catalog.weights) else { return nil }
        var held: [[Slot]] = Array(repeating: [], count: shares.count)
        for number in 0..<Slot.count {
            guard let slot = Slot(number) else { continue }
            held[catalog.map.shardIndex(of: slot)].append(slot)
        }
        var goal = catalog.map.assignment
        // The last ones of a shard go, in turn to all that lack some, so that each way carries as much as any other.
        var leaving: [Slot] = []
        for index in shares.indices where held[index].count > shares[index] {
            leaving += held[index].suffix(held[index].count - shares[index])
        }
        var lacking = shares.indices.map { max(0, shares[$0] - held[$0].count) }
        var index = 0
        for slot in leaving {
            while lacking[index] == 0 { index = (index + 1) % lacking.count }
            goal[Int(slot.number)] = UInt16(index)
            lacking[index] -= 1
            index = (index + 1) % lacking.count
        }
        self.goal = goal
    }

    /// A goal that was made before.
    package init(goal: [UInt16]) {
        self.goal = goal
    }

    /// How many slots each shard is to have: largest remainders, ties to the earlier shard.
    static func shares(of weights: [Int]) -> [Int]? {
        let total = weights.reduce(0, +)
        guard total > 0 else { return nil }
        var shares = weights.map { Slot.count * $0 / total }
        let remainders = weights.indices.sorted { left, right in
            let (one, other) = (Slot.count * weights[left] % total, Slot.count * weights[right] % total)
            return one == other ? left < right : one > other
        }
        for index in remainders.prefix(Slot.count - shares.reduce(0, +)) { shares[index] += 1 }
        return shares
    }

    /// What is to be moved from where the slots are now: by source, then target, in the order of the catalog.
    package func ways(from map: ShardMap) -> [Way] {
        var slots: [[UInt16]: [Slot]] = [:]
        for number in 0..<Slot.count where map.assignment[number] != self.goal[number] {
            guard let slot = Slot(number) else { continue }
            slots[[map.assignment[number], self.goal[number]], default: []].append(slot)
        }
        return slots.sorted { $0.key.lexicographicallyPrecedes($1.key) }.compactMap { ends, slots in
            guard ends.allSatisfy({ Int($0) < map.shards.count }) else { return nil }
            return Way(source: map.shards[Int(ends[0])], target: map.shards[Int(ends[1])], slots: slots)
        }
    }

    package func remaining(in map: ShardMap) -> Int {
        zip(map.assignment, self.goal).reduce(0) { $0 + ($1.0 == $1.1 ? 0 : 1) }
    }
}
