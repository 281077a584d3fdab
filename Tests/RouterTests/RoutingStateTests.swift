// SPDX-License-Identifier: Apache-2.0

import Placement
import Testing

@testable import Router

@Suite("Changes of views, counted")
struct RoutingStateTests {
    private let state = RoutingState(own: RouterLife(name: "router-1", incarnation: "a")) { _ in }

    private func adopt(_ epoch: UInt64, _ routers: [String], _ slots: SlotSet? = nil, shard: String = "shard-1") {
        self.state.adopt(View(shard: shard, epoch: epoch, routers: routers, slots: slots))
    }

    @Test("The view that was there is no change; who comes and who goes is, once each")
    func routers() {
        self.adopt(7, ["router-1@a"])
        #expect(self.state.viewChanges(of: "shard-1") == .init())
        self.adopt(8, ["router-1@a", "router-2@b"])
        self.adopt(8, ["router-1@a", "router-2@b"])
        self.adopt(6, ["router-3@c"])
        #expect(self.state.viewChanges(of: "shard-1") == .init(ofRouters: 1, ofSlots: 0))
        // Another life under the same name.
        self.adopt(9, ["router-1@a", "router-2@d"])
        #expect(self.state.viewChanges(of: "shard-1") == .init(ofRouters: 2, ofSlots: 0))
    }

    @Test("Slots that move between shards count apart, and each shard for itself")
    func slots() {
        self.adopt(1, ["router-1@a"], .all)
        self.adopt(2, ["router-1@a"], SlotSet())
        self.adopt(3, ["router-1@a"], .all)
        self.adopt(1, ["router-1@a"], shard: "shard-2")
        #expect(self.state.viewChanges(of: "shard-1") == .init(ofRouters: 0, ofSlots: 2))
        #expect(self.state.viewChanges(of: "shard-2") == .init())
        #expect(self.state.viewChanges(of: "shard-3") == .init())
    }
}
