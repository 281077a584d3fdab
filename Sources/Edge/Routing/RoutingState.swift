// SPDX-License-Identifier: Apache-2.0

package import Placement
import Synchronization
package import Wire

/// The newest shard map and views that any router told this edge. May be used from any thread.
package final class RoutingState: Sendable {
    private let table = Mutex(RoutingTable())
    private let changes = Atomic<UInt64>(0)

    package init() {}

    /// Takes what is newer than the known. Returns whether anything was.
    @discardableResult
    package func adopt(_ news: RoutingNews) -> Bool {
        self.table.withLock { table in
            var isNewer = false
            if let map = news.map {
                isNewer = table.adopt(map)
            }
            for view in news.views {
                isNewer = table.adopt(view) || isNewer
            }
            if isNewer { self.changes.wrappingAdd(1, ordering: .relaxed) }
            return isNewer
        }
    }

    /// How often something newer was adopted.
    var generation: UInt64 { self.changes.load(ordering: .relaxed) }

    package func route(to slot: Slot) -> RoutingTable.Route? {
        self.table.withLock { $0.route(to: slot) }
    }

    /// Routes of several slots by one reading of the table; nil where there is none.
    package func routes(to slots: [Slot]) -> [RoutingTable.Route?] {
        self.table.withLock { table in slots.map { table.route(to: $0) } }
    }

    /// Whether every slot has a shard whose view names a router.
    package var isComplete: Bool {
        self.table.withLock { table in
            guard let map = table.map else { return false }
            let used = Set(map.assignment)
            return used.allSatisfy { index in
                table.views[map.shards[Int(index)]].map { !$0.routers.isEmpty } ?? false
            }
        }
    }
}
