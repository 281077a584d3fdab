// SPDX-License-Identifier: Apache-2.0

import Placement
import TestSupport
import Testing

@Suite struct MovePlanTests {
    private func catalog(_ weights: [Int]) throws -> ShardCatalog {
        let map = try #require(ShardMap(dealing: weights.indices.map { "shard-\($0 + 1)" }))
        return ShardCatalog(map: map, weights: weights)
    }

    private func moved(_ catalog: ShardCatalog) throws -> (ShardCatalog, MovePlan) {
        let plan = try #require(MovePlan(for: catalog))
        return (try #require(catalog.assigning(plan.goal)), plan)
    }

    @Test func aThirdShardTakesAThirdAndNothingElseMoves() throws {
        let two = try self.catalog([1, 1])
        let three = try #require(two.adding(ShardCatalog.Shard(name: "shard-3")))
        let (after, plan) = try self.moved(three)
        #expect(after.map.shards.map { after.map.slots(of: $0).count } == [1366, 1365, 1365])
        #expect(plan.remaining(in: three.map) == 1365)
        #expect(plan.ways(from: three.map).allSatisfy { $0.target == "shard-3" })
        #expect(after.map.version == two.map.version + 2)
        #expect(plan.ways(from: after.map).isEmpty)
    }

    @Test func aShardWithoutWeightIsEmptiedIntoTheOthers() throws {
        let three = try self.catalog([1, 1, 1])
        let draining = try #require(three.weighing("shard-2", 0))
        #expect(draining.removing("shard-2") == nil, "it has slots")
        let (after, plan) = try self.moved(draining)
        #expect(after.map.slots(of: "shard-2").isEmpty)
        #expect(plan.ways(from: draining.map).map(\.source) == ["shard-2", "shard-2"])
        let two = try #require(after.removing("shard-2"))
        #expect(two.map.shards == ["shard-1", "shard-3"])
        #expect(two.map.slots(of: "shard-3") == after.map.slots(of: "shard-3"))
    }

    @Test func weightsDecideOfTheShares() throws {
        let (after, _) = try self.moved(try self.catalog([3, 1, 0]))
        #expect(after.map.shards.map { after.map.slots(of: $0).count } == [3072, 1024, 0])
        #expect(MovePlan(for: try self.catalog([0, 0])) == nil)
    }

    /// Whatever the weights, as many slots move as are above their shards' shares, and no shard both gives and takes.
    @Test func noMoreMovesThanMust() throws {
        let seed = UInt64.random(in: 0...999_999)
        var random = SeededRandom(seed: seed)
        for _ in 0..<40 {
            let count = Int.random(in: 1...9, using: &random)
            var catalog = try self.catalog((0..<count).map { _ in Int.random(in: 0...4, using: &random) })
            for _ in 0..<3 {
                guard let plan = MovePlan(for: catalog) else { break }
                let ways = plan.ways(from: catalog.map)
                #expect(Set(ways.map(\.source)).isDisjoint(with: ways.map(\.target)))
                let before = catalog.map.shards.map { catalog.map.slots(of: $0).count }
                let after = try #require(catalog.assigning(plan.goal))
                let surplus = zip(before, after.map.shards.map { after.map.slots(of: $0).count })
                    .reduce(0) { $0 + max(0, $1.0 - $1.1) }
                #expect(plan.remaining(in: catalog.map) == surplus, "seed \(seed)")
                let name = try #require(catalog.shards.randomElement(using: &random)).name
                catalog = try #require(after.weighing(name, Int.random(in: 0...4, using: &random)))
            }
        }
    }
}
