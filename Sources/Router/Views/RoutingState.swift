// SPDX-License-Identifier: Apache-2.0

import Messaging
import Placement
import Synchronization
import Wire

/// The routing table that all threads of a router share. What is adopted here was read from a shard, so it is true.
package final class RoutingState: Sendable {
    /// How often newer views of a shard took the place of older ones, in this life of the router.
    struct ViewChanges: Sendable, Equatable {
        /// Changes of who is in the view.
        var ofRouters = 0
        /// Changes of nothing but the slots that the shard holds, as a move between shards makes many of.
        var ofSlots = 0
    }

    private struct State {
        var table = RoutingTable()
        var viewChanges: [String: ViewChanges] = [:]
    }

    package let own: RouterLife
    private let state = Mutex(State())
    private let onChange: @Sendable (RoutingNews) -> Void

    /// - Parameter onChange: told of everything new, on the thread that adopted it.
    package init(own: RouterLife, onChange: @escaping @Sendable (RoutingNews) -> Void) {
        self.own = own
        self.onChange = onChange
    }

    package var snapshot: RoutingTable {
        self.state.withLock { $0.table }
    }

    package var news: RoutingNews {
        RoutingNews(self.snapshot)
    }

    /// What a sender that came to the wrong router needs to find the right one. The map is not among it: it is large,
    /// rarely new, and told to everybody when it is.
    package func news(about slot: Slot) -> RoutingNews {
        let table = self.snapshot
        let view = (table.map?.shard(of: slot)).flatMap { table.views[$0] }
        return RoutingNews(map: nil, views: view.map { [$0] } ?? [])
    }

    package var mapVersion: UInt64? {
        self.state.withLock { $0.table.map?.version }
    }

    package func view(of shard: String) -> View? {
        self.state.withLock { $0.table.views[shard] }
    }

    /// What has changed in the views of a shard since this router began to know it.
    func viewChanges(of shard: String) -> ViewChanges {
        self.state.withLock { $0.viewChanges[shard] ?? ViewChanges() }
    }

    package func route(to slot: Slot) -> RoutingTable.Route? {
        self.state.withLock { $0.table.route(to: slot) }
    }

    /// What this life of the router owns in a shard at this moment.
    package func ownership(in shard: String) -> SlotOwnership {
        SlotOwnership(own: self.own, shard: shard, table: self.snapshot)
    }

    /// The shard of a slot that this life of the router owns; nil for all others.
    package func ownShard(of slot: Slot) -> String? {
        let table = self.snapshot
        guard let shard = table.map?.shard(of: slot) else { return nil }
        return SlotOwnership(own: self.own, shard: shard, table: table).isOwn(slot) ? shard : nil
    }

    /// The slots of a shard that this life of the router owns, in order.
    package func ownSlots(in shard: String) -> [Slot] {
        let ownership = self.ownership(in: shard)
        return (0..<Slot.count).compactMap { Slot($0) }.filter { ownership.isOwn($0) }
    }

    package func adopt(_ view: View) {
        let isNews = self.state.withLock { state in
            let former = state.table.views[view.shard]
            guard state.table.adopt(view) else { return false }
            // The first one is what was there already.
            guard let former else { return true }
            if former.members == view.members {
                state.viewChanges[view.shard, default: ViewChanges()].ofSlots += 1
            } else {
                state.viewChanges[view.shard, default: ViewChanges()].ofRouters += 1
            }
            return true
        }
        if isNews {
            self.onChange(RoutingNews(map: nil, views: [view]))
        }
    }

    package func adopt(_ map: ShardMap) {
        if self.state.withLock({ $0.table.adopt(map) }) {
            self.onChange(RoutingNews(map: map, views: []))
        }
    }

    /// Whether a peer knows something newer; what it says is not taken, only a reason to read the shards again.
    package func isOutdated(by news: RoutingNews) -> Bool {
        self.state.withLock { state in
            var other = state.table
            let hasNewerMap = news.map.map { other.adopt($0) } ?? false
            return news.views.contains { other.adopt($0) } || hasNewerMap
        }
    }
}
