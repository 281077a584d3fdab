// SPDX-License-Identifier: Apache-2.0

import Placement

/// What one life of a router owns in one shard, as far as it knows: a value, taken from ``RoutingState``.
package struct SlotOwnership: Sendable {
    package let own: RouterLife
    package let shard: String
    package let table: RoutingTable

    package init(own: RouterLife, shard: String, table: RoutingTable) {
        self.own = own
        self.shard = shard
        self.table = table
    }

    /// Nil while the shard's view was never read.
    package var view: View? { self.table.views[self.shard] }

    /// Whether the shard holds the slot and this life of the router owns it. A view that names another life of the
    /// router's name gives this one nothing.
    package func isOwn(_ slot: Slot) -> Bool {
        guard let map = self.table.map, map.shard(of: slot) == self.shard, let view = self.view else { return false }
        return view.holds(slot) && view.owner(of: slot) == self.own.name
            && view.member(named: self.own.name) == self.own
    }
}
