// SPDX-License-Identifier: Apache-2.0

/// What every shard stores about all of them: the shard map, and of each shard how it is reached and how much it takes.
///
/// It changes only by an operator's action, and each change makes the map's version grow by one.
package struct ShardCatalog: Sendable, Equatable {
    package struct Shard: Sendable, Equatable {
        package static let weightMax = 1000

        /// As in the shard map, and in the database itself.
        package var name: String
        /// For libpq, without a password. Empty where it is not known, as for shards that the configuration lists.
        package var connection: String
        /// How many slots it is to have, measured by those of the others; 0 to be emptied. At most ``weightMax``.
        package var weight: Int

        package init(name: String, connection: String = "", weight: Int = 1) {
            self.name = name
            self.connection = connection
            self.weight = weight
        }
    }

    package var shards: [Shard]
    package private(set) var map: ShardMap

    /// Of shards of which the stored lists say nothing, because they are older, the weight is 1.
    package init(map: ShardMap, connections: [String] = [], weights: [Int] = []) {
        self.map = map
        self.shards = map.shards.indices.map { index in
            Shard(
                name: map.shards[index],
                connection: index < connections.count ? connections[index] : "",
                weight: index < weights.count ? min(max(weights[index], 0), Shard.weightMax) : 1
            )
        }
    }

    package var connections: [String] { self.shards.map(\.connection) }
    package var weights: [Int] { self.shards.map(\.weight) }

    package func shard(named name: String) -> Shard? {
        self.shards.first { $0.name == name }
    }

    // MARK: - The next version

    /// The same with another assignment of the same shards. Nil when it names a shard that is not there.
    package func assigning(_ assignment: [UInt16]) -> ShardCatalog? {
        self.next(shards: self.shards, assignment: assignment)
    }

    /// The same with one more shard, which has no slots yet. Nil when there is one of this name.
    package func adding(_ shard: Shard) -> ShardCatalog? {
        self.next(shards: self.shards + [shard], assignment: self.map.assignment)
    }

    /// The same with another weight. Nil when there is no shard of this name.
    package func weighing(_ name: String, _ weight: Int) -> ShardCatalog? {
        guard let index = self.shards.firstIndex(where: { $0.name == name }) else { return nil }
        var shards = self.shards
        shards[index].weight = weight
        return self.next(shards: shards, assignment: self.map.assignment)
    }

    /// The same without a shard. Nil when it has slots, or is not there.
    package func removing(_ name: String) -> ShardCatalog? {
        guard let gone = self.shards.firstIndex(where: { $0.name == name }),
            !self.map.assignment.contains(UInt16(gone))
        else { return nil }
        var shards = self.shards
        shards.remove(at: gone)
        return self.next(
            shards: shards,
            assignment: self.map.assignment.map { $0 > UInt16(gone) ? $0 - 1 : $0 }
        )
    }

    private func next(shards: [Shard], assignment: [UInt16]) -> ShardCatalog? {
        let map = ShardMap(version: self.map.version + 1, shards: shards.map(\.name), assignment: assignment)
        guard let map else { return nil }
        return ShardCatalog(map: map, connections: shards.map(\.connection), weights: shards.map(\.weight))
    }
}
