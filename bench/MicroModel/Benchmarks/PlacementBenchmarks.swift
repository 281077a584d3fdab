// SPDX-License-Identifier: Apache-2.0

import Messaging
import Placement

extension Benchmark {
    /// From an id to the node that owns it.
    static let placement: [Benchmark] = {
        let routers = (1...4).map { "router-\($0)" }
        var random = Samples.Random(seed: 4)
        let conversations: [ConversationID] = (0..<1024).map { _ in Samples.identifier(&random) }
        let slots = conversations.map { Slot(of: $0.value) }
        let ring = Ring(routers: routers)
        var table = RoutingTable()
        if let map = ShardMap(dealing: ["shard-1", "shard-2"]) { table.adopt(map) }
        for shard in ["shard-1", "shard-2"] { table.adopt(View(shard: shard, epoch: 3, routers: routers)) }
        let routing = table
        return [
            Benchmark("placement.slot", "the slot of a conversation") {
                Case { count in
                    for index in 0..<count { keep(Slot(of: conversations[index & 1023].value)) }
                }
            },
            Benchmark("placement.owner", "the router that owns a slot, on the ring of four") {
                Case { count in
                    for index in 0..<count { keep(ring.owner(of: slots[index & 1023])) }
                }
            },
            Benchmark("placement.route", "conversation to shard, router and epoch") {
                Case { count in
                    for index in 0..<count {
                        keep(routing.route(to: Slot(of: conversations[index & 1023].value)))
                    }
                }
            },
            Self.repeated("placement.ring", "a new ring of four routers") { keep(Ring(routers: routers)) },
        ]
    }()
}
