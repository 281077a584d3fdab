// SPDX-License-Identifier: Apache-2.0

import Foundation
import Placement

extension RingSimulation {
    /// For people.
    package func text() -> String {
        var table = TextTable("ROUTERS", "SLOTS EACH", "FEWEST", "MOST", "FROM EVEN")
        for evenness in [self.before, self.after] {
            table.add(
                String(evenness.routers),
                String(format: "%.1f", evenness.average),
                String(evenness.fewest),
                String(evenness.most),
                String(format: "%.1f %%", evenness.spread * 100)
            )
        }
        let share = String(format: "%.1f %%", Double(self.moved) * 100 / Double(Slot.count))
        return table.text()
            + "\n\nMoved: \(self.moved) of \(Slot.count) slots (\(share)); even shares alone would ask for \(self.least). "
            + "Between routers that stay: \(self.movedNeedlessly).\n"
    }
}

extension ClusterStatus {
    /// How many slots each router owns, in all shards together.
    package func ringText() -> String {
        var slots: [String: Int] = [:]
        for shard in self.shards {
            for router in shard.routers { slots[router.name, default: 0] += router.slots }
        }
        let total = slots.values.reduce(0, +)
        let average = slots.isEmpty ? 0 : Double(total) / Double(slots.count)
        var table = TextTable("ROUTER", "SLOTS", "FROM EVEN", "SHARDS")
        for (router, count) in slots.sorted(by: { $0.key < $1.key }) {
            let shards = self.shards.compactMap { shard in
                shard.routers.first { $0.name == router }.map { "\(shard.name): \($0.slots)" }
            }
            table.add(
                router,
                String(count),
                String(format: "%+.1f %%", average > 0 ? (Double(count) - average) * 100 / average : 0),
                shards.joined(separator: ", ")
            )
        }
        let unknown = self.shards.filter { $0.problem != nil }.map(\.name)
        let missing =
            unknown.isEmpty ? "" : "\nNot known, because they cannot be reached: \(unknown.joined(separator: ", "))\n"
        return table.text() + "\n" + missing
    }
}
