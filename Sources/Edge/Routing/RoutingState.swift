// SPDX-License-Identifier: Apache-2.0

package import Placement
import Synchronization
package import Wire

/// The newest shard map and views that any router told this edge. May be used from any thread.
package final class RoutingState: Sendable {
    private let table = Mutex(RoutingTable())
    private let changes = Atomic<UInt64>(0)
    /// Held from reading the owners to telling them, so that an older set is not told after a newer one.
    private let telling = Mutex(())
    private let onChange: @Sendable (_ owners: Set<RouterLife>) -> Void

    /// - Parameter onChange: called with the routers that the views name after something newer was taken, on the thread that
    ///   brought it; one call at a time. It must not call ``adopt(_:)``.
    package init(onChange: @escaping @Sendable (_ owners: Set<RouterLife>) -> Void = { _ in }) {
        self.onChange = onChange
    }

    /// Takes what is newer than the known. Returns whether anything was.
    @discardableResult
    package func adopt(_ news: RoutingNews) -> Bool {
        let isNewer = self.table.withLock { table in
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
        if isNewer { self.telling.withLock { _ in self.onChange(self.owners) } }
        return isNewer
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

    /// The routers that the views name.
    package var owners: Set<RouterLife> {
        self.table.withLock { table in Set(table.views.values.flatMap(\.members)) }
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
