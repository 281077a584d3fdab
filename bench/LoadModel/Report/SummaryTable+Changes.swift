// SPDX-License-Identifier: Apache-2.0

extension SummaryTable {
    /// Comings and goings; nothing in other scenarios.
    mutating func writeChanges() {
        if let churn = self.report.churn {
            self.row("churn", ["added", "removed", "cut", "failed", "deliveries"])
            let failed = churn.failures.values.reduce(0, +)
            self.row(
                "",
                [churn.additions, churn.removals, churn.cuts, failed, churn.deliveries].map(String.init)
            )
            self.row("milliseconds", ["p50", "p90", "p99", "p99.9", "max"])
            self.latency("changed after", churn.changeTimes)
            for (code, count) in churn.failures.sorted(by: { $0.key < $1.key }) {
                self.lines.append("  changes that failed with \(code): \(count)")
            }
            self.lines.append("")
        }
        if let sync = self.report.sync {
            self.row("devices away", ["away", "back", "missed in all", "missed each"])
            let each = sync.back > 0 ? Double(sync.missed) / Double(sync.back) : nil
            self.row("", ["\(sync.devices)", "\(sync.back)", "\(sync.missed)", FigureText.plain(each)])
            self.row("milliseconds", ["p50", "p90", "p99", "p99.9", "max"])
            self.latency("current after", sync.timeToBeCurrent)
            self.lines.append("")
        }
    }
}
