// SPDX-License-Identifier: Apache-2.0

import TestSupport
import Testing

@testable import Placement

@Suite("The shard map")
struct ShardMapTests {
    @Test("Dealing gives every shard as many slots as any other", arguments: [1, 2, 3, 7, 4096])
    func dealing(count: Int) throws {
        let names = (1...count).map { "shard-\($0)" }
        let map = try #require(ShardMap(dealing: names))
        #expect(map.version == 1)
        #expect(map.shards == names)
        var owned: [String: Int] = [:]
        for slot in (0..<Slot.count).compactMap({ Slot($0) }) {
            owned[map.shard(of: slot), default: 0] += 1
            #expect(map.shards[map.shardIndex(of: slot)] == map.shard(of: slot))
        }
        #expect(owned.count == count)
        let counts = owned.values.sorted()
        #expect(try #require(counts.last) - #require(counts.first) <= 1)
    }

    @Test("A map must name an existing shard for every slot")
    func validation() {
        let all = [UInt16](repeating: 0, count: Slot.count)
        #expect(ShardMap(version: 1, shards: ["a"], assignment: all) != nil)
        #expect(ShardMap(version: 1, shards: ["a"], assignment: Array(all.dropLast())) == nil)
        #expect(ShardMap(version: 1, shards: ["a"], assignment: all + [0]) == nil)
        #expect(ShardMap(version: 1, shards: ["a"], assignment: []) == nil)
        #expect(ShardMap(version: 1, shards: [], assignment: all) == nil)
        #expect(ShardMap(dealing: []) == nil)
        var outside = all
        outside[4095] = 1
        #expect(ShardMap(version: 1, shards: ["a"], assignment: outside) == nil)
        #expect(ShardMap(version: 1, shards: ["a", "b"], assignment: outside) != nil)
    }

    @Test("A name stands once, and there are not more shards than indexes")
    func names() {
        let all = [UInt16](repeating: 0, count: Slot.count)
        #expect(ShardMap(version: 1, shards: ["a", "a"], assignment: all) == nil)
        #expect(ShardMap(dealing: ["a", "b", "a"]) == nil)
        let many = (0..<ShardMap.shardsMax).map { "s\($0)" }
        #expect(ShardMap(version: 1, shards: many, assignment: all) != nil)
        #expect(ShardMap(version: 1, shards: many + ["one-more"], assignment: all) == nil)
    }
}

@Suite("The routing table")
struct RoutingTableTests {
    private static func map(_ version: UInt64, _ shards: [String]) throws -> ShardMap {
        try #require(
            ShardMap(version: version, shards: shards, assignment: (0..<Slot.count).map { UInt16($0 % shards.count) })
        )
    }

    @Test("A route needs the map, the shard's view, and a router in it")
    func needs() throws {
        let slot = try #require(Slot(0))
        var table = RoutingTable()
        #expect(table.route(to: slot) == nil)
        let adoptedMap = table.adopt(try Self.map(1, ["a", "b"]))
        #expect(adoptedMap)
        #expect(table.route(to: slot) == nil)
        table.adopt(View(shard: "b", epoch: 1, routers: ["r"]))
        #expect(table.route(to: slot) == nil)
        table.adopt(View(shard: "a", epoch: 4, routers: []))
        #expect(table.route(to: slot) == nil)
        table.adopt(View(shard: "a", epoch: 5, routers: ["r"]))
        #expect(table.route(to: slot) == RoutingTable.Route(router: "r", shard: "a", epoch: 5))
        #expect(table.route(to: try #require(Slot(1))) == RoutingTable.Route(router: "r", shard: "b", epoch: 1))
    }

    @Test("Only what is newer is adopted")
    func newer() throws {
        var table = RoutingTable()
        for (version, isNewer) in [(3, true), (2, false), (3, false), (4, true)] as [(UInt64, Bool)] {
            let wasAdopted = table.adopt(try Self.map(version, ["a"]))
            #expect(wasAdopted == isNewer)
        }
        #expect(table.map?.version == 4)
        for (epoch, isNewer) in [(7, true), (6, false), (7, false), (8, true)] as [(UInt64, Bool)] {
            let wasAdopted = table.adopt(View(shard: "a", epoch: epoch, routers: ["r\(epoch)"]))
            #expect(wasAdopted == isNewer)
        }
        #expect(table.views["a"]?.routers == ["r8"])
        // Epochs of different shards have nothing to do with each other.
        let otherWasAdopted = table.adopt(View(shard: "b", epoch: 1, routers: ["x"]))
        #expect(otherWasAdopted)
    }

    @Test("The order in which news arrives does not matter", arguments: [UInt64(21), 22, 23, 24])
    func order(seed: UInt64) throws {
        var random = SeededRandom(seed: seed)
        let maps = try (1...3).map { try Self.map(UInt64($0), (0..<$0).map { "s\($0)" }) }
        let views = (0..<3).flatMap { shard in
            (1...3).map { View(shard: "s\(shard)", epoch: UInt64($0), routers: (0..<$0).map { "r\($0)" }) }
        }
        var expected = RoutingTable()
        maps.forEach { expected.adopt($0) }
        views.forEach { expected.adopt($0) }
        for _ in 0..<10 {
            var table = RoutingTable()
            var news = maps.map { News.map($0) } + views.map { News.view($0) }
            // Some news comes twice.
            news += news.filter { _ in Bool.random(using: &random) }
            for item in news.shuffled(using: &random) {
                switch item {
                case .map(let map): table.adopt(map)
                case .view(let view): table.adopt(view)
                }
            }
            #expect(table == expected, "seed \(seed)")
        }
    }

    private enum News {
        case map(ShardMap)
        case view(View)
    }
}

@Suite("Lives of routers in a view")
struct RouterLifeTests {
    @Test("A life is read from its own text")
    func text() {
        let life = RouterLife(name: "router-1", incarnation: "0192")
        #expect(RouterLife(life.description) == life)
        #expect(RouterLife("router-1") == RouterLife(name: "router-1", incarnation: ""))
    }

    @Test("A restart changes the member and moves no slot")
    func restart() {
        let before = View(shard: "s", epoch: 1, routers: ["a@1", "b@1"])
        let after = View(shard: "s", epoch: 2, routers: ["a@2", "b@1"])
        #expect(before.ring == after.ring)
        #expect(after.member(named: "a") == RouterLife(name: "a", incarnation: "2"))
    }

    @Test("Of two lives of one name the later counts")
    func twoLives() {
        #expect(View(shard: "s", epoch: 1, routers: ["a@1", "a@2"]).members == [RouterLife("a@2")])
    }
}
