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
