// SPDX-License-Identifier: Apache-2.0

import ClusterConfiguration
import Directory
import Messaging
import Placement
import Storage
import Testing

@testable import Operations

@Suite("What `trunkline status` makes of what it sees")
struct StatusTests {
    private static let now: UnixMilliseconds = 1_800_000_000_000

    private func lease(_ name: String, _ role: Directory.NodeRole, _ state: NodeState = .ready) -> NodeLease {
        NodeLease(
            name: name,
            incarnation: .generate(),
            role: role,
            state: state,
            meshAddress: nil,
            httpAddress: "127.0.0.1:9",
            version: "0.1.0",
            meshVersion: 2,
            since: Self.now - 187_000
        )
    }

    /// Two shards, of which each has half of the slots, and a view with the given routers.
    private func observation(
        leases: [NodeLease],
        routers: [String] = ["router-1"],
        ready: Bool = true
    ) throws -> ClusterObservation {
        let map = try #require(ShardMap(dealing: ["shard-1", "shard-2"]))
        let probe = ClusterObservation.Probe(ready: ready, reasons: ready ? [] : ["no link to a router"])
        var listing = NodeLeases.Listing()
        listing.leases = leases
        return ClusterObservation(
            leases: .value(listing),
            shards: [
                "shard-1": .value(
                    .init(view: View(shard: "shard-1", epoch: 4, routers: routers), catalog: ShardCatalog(map: map))
                ),
                "shard-2": .value(
                    .init(view: View(shard: "shard-2", epoch: 9, routers: routers), catalog: ShardCatalog(map: map))
                ),
            ],
            probes: ["router-1": .value(.init(ready: true, reasons: [])), "edge-1": .value(probe)],
            now: Self.now
        )
    }

    private func settings() throws -> ClusterSettings {
        try makeSettings(shards: ["host=a dbname=a", "host=b dbname=b"])
    }

    @Test("a healthy cluster has no warnings, and every slot has its owner")
    func healthy() throws {
        let seen = try self.observation(leases: [self.lease("router-1", .router), self.lease("edge-1", .edge)])
        let status = ClusterStatus(of: try self.settings(), seen: seen)
        #expect(status.warnings.isEmpty)
        #expect(status.shards.map(\.slots) == [2048, 2048])
        #expect(status.shards.map(\.epoch) == [4, 9])
        #expect(status.shards.allSatisfy { $0.routers == [.init(name: "router-1", slots: 2048)] })
        #expect(status.nodes.map(\.uptimeSeconds) == [187, 187])
        #expect(status.nodes.map(\.state) == ["ready", "ready"])
    }

    @Test("a shard of weight 0 that still has slots is warned of, since the next move empties it")
    func weightless() throws {
        var seen = try self.observation(leases: [self.lease("router-1", .router), self.lease("edge-1", .edge)])
        let map = try #require(ShardMap(dealing: ["shard-1", "shard-2"]))
        for name in ["shard-1", "shard-2"] {
            let view = View(shard: name, epoch: 4, routers: ["router-1"])
            seen.shards[name] = .value(.init(view: view, catalog: ShardCatalog(map: map, weights: [1, 0])))
        }
        let warnings = ClusterStatus(of: try self.settings(), seen: seen).warnings
        #expect(warnings.count == 1 && warnings[0].hasPrefix("shard-2 still has weight 0"), "\(warnings)")
    }

    @Test("a move that nobody carries out is warned of; one that somebody does is not one that waits")
    func unfinishedMove() throws {
        let cases: [(signs: [MoveSigns], warning: String)] = [
            ([MoveSigns(wish: .run, isCarriedOut: false)], "a move of slots was begun, and nobody carries it out: "),
            ([MoveSigns(wish: .pause, isCarriedOut: false)], "a move of slots is paused: "),
            (
                [MoveSigns(wish: .run, isCarriedOut: true), MoveSigns(wish: .run, isCarriedOut: false)],
                "slots are being moved: "
            ),
        ]
        for (signs, warning) in cases {
            var seen = try self.observation(leases: [self.lease("router-1", .router), self.lease("edge-1", .edge)])
            let map = try #require(ShardMap(dealing: ["shard-1", "shard-2"]))
            for (index, name) in ["shard-1", "shard-2"].enumerated() {
                let view = View(shard: name, epoch: 4, routers: ["router-1"])
                let move = index < signs.count ? signs[index] : nil
                // A drain: what it empties is no surprise while it goes on.
                let catalog = ShardCatalog(map: map, weights: [1, 0])
                seen.shards[name] = .value(.init(view: view, catalog: catalog, move: move))
            }
            let warnings = ClusterStatus(of: try self.settings(), seen: seen).warnings
            #expect(warnings.count == 1 && warnings[0].hasPrefix(warning), "\(warnings)")
        }
    }

    @Test("the slots of a shard are shared by the routers of its view, none twice and none left out")
    func shares() throws {
        let seen = try self.observation(
            leases: [self.lease("router-1", .router), self.lease("router-2", .router), self.lease("edge-1", .edge)],
            routers: ["router-1", "router-2"]
        )
        let status = ClusterStatus(of: try self.settings(), seen: seen)
        for shard in status.shards {
            #expect(shard.routers.map(\.name) == ["router-1", "router-2"])
            #expect(shard.routers.map(\.slots).reduce(0, +) == 2048)
            #expect(shard.routers.allSatisfy { $0.slots > 800 })
        }
        #expect(status.nodes.map(\.name) == ["router-1", "edge-1", "router-2"], "the one that joined comes last")
        #expect(status.nodes.last?.address == "127.0.0.1:9")
        #expect(status.warnings == ["router router-2 has a lease but does not answer at 127.0.0.1:9"])
    }

    @Test("what is wrong is warned of, once each")
    func warnings() throws {
        var seen = try self.observation(leases: [self.lease("edge-1", .edge)], ready: false)
        seen.shards["shard-2"] = .unreachable("shard shard-2: no route\n\tto host")
        seen.probes["router-1"] = .unreachable("Connection refused")
        let status = ClusterStatus(of: try self.settings(), seen: seen)
        #expect(
            status.warnings == [
                "shard shard-2 is unreachable: no route to host",
                "router router-1 is not running",
                "edge edge-1 is not ready: no link to a router",
                "shard shard-1 counts on router router-1, which has no lease",
            ]
        )
    }

    @Test("without Redis the nodes' states are unknown, not bad")
    func withoutRedis() throws {
        var seen = try self.observation(leases: [])
        seen.leases = .unreachable("Connection refused")
        let status = ClusterStatus(of: try self.settings(), seen: seen)
        #expect(status.nodes.map(\.state) == ["unknown", "unknown"])
        #expect(
            status.warnings == [
                "Redis is unreachable, so leases are unknown, and nodes that joined are not listed: Connection refused"
            ]
        )
    }

    @Test("a shard without routers, maps that differ, and a clock that runs behind")
    func oddities() throws {
        var late = self.lease("router-1", .router)
        late.since = Self.now + 5000
        var seen = try self.observation(leases: [late, self.lease("edge-1", .edge)], routers: [])
        let newer = try #require(
            ShardMap(version: 2, shards: ["shard-1", "shard-2"], assignment: [UInt16](repeating: 0, count: Slot.count))
        )
        seen.shards["shard-1"] = .value(
            .init(view: View(shard: "shard-1", epoch: 0, routers: []), catalog: ShardCatalog(map: newer))
        )
        let status = ClusterStatus(of: try self.settings(), seen: seen)
        #expect(status.nodes[0].uptimeSeconds == 0)
        #expect(status.shards[0].slots == 4096)
        #expect(
            status.warnings == [
                "shard shard-1 has no router: its slots are served by nobody",
                "shard shard-2 has no router: its slots are served by nobody",
                "the shards hold different shard maps: versions [1, 2]",
            ]
        )
    }

    @Test("the table lines up, and JSON has documented names")
    func rendering() throws {
        let seen = try self.observation(leases: [self.lease("router-1", .router), self.lease("edge-1", .edge)])
        let status = ClusterStatus(of: try self.settings(), seen: seen)
        let text = status.text()
        #expect(
            text.hasPrefix(
                """
                Cluster testing, Redis reachable

                NODE      ROLE    STATE  ADDRESS      VERSION  MESH  UPTIME  READY
                router-1  router  ready  127.0.0.1:9  0.1.0    2     3m 7s   yes
                edge-1    edge    ready  127.0.0.1:9  0.1.0    2     3m 7s   yes

                SHARD    REACHABLE  WEIGHT  SLOTS  MOVING  OLD COPIES  EPOCH  MAP  ROUTERS
                shard-1  yes        1       2048   0       0           4      1    router-1 (2048 slots)
                """
            )
        )
        #expect(text.hasSuffix("\nNo warnings.\n"))
        let json = try status.json()
        #expect(json.contains(#""uptime_seconds" : 187"#))
        #expect(json.contains(#""map_version" : 1"#))
        #expect(json.contains(#""mesh_version" : 2"#))
    }

    @Test("nodes that speak different versions of the mesh are told of, and none of them is named")
    func mixedVersions() throws {
        var older = self.lease("edge-1", .edge)
        older.meshVersion = 1
        let seen = try self.observation(leases: [self.lease("router-1", .router), older])
        let status = ClusterStatus(of: try self.settings(), seen: seen)
        #expect(status.nodes.map(\.meshVersion) == [2, 1])
        #expect(status.warnings.count == 1)
        let warning = try #require(status.warnings.first)
        #expect(warning.contains("the versions 1 and 2") && warning.contains("limits.mesh_version_max"))
        #expect(!warning.contains("edge-1"))
    }

    @Test(
        "spans of time in their two largest units",
        arguments: [(0, "0s"), (59, "59s"), (187, "3m 7s"), (18_720, "5h 12m"), (702_000, "8d 3h")]
    )
    func spans(seconds: Int, text: String) {
        #expect(UTCTime.span(seconds: seconds) == text)
    }

    @Test("a point in time in UTC")
    func time() {
        #expect(UTCTime.text(of: 1_800_000_000_000) == "2027-01-15 08:00:00Z")
    }
}
