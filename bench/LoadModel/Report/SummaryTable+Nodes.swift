// SPDX-License-Identifier: Apache-2.0

extension SummaryTable {
    /// What the watched nodes and the load generator took; nothing when nothing is known of them.
    mutating func writeNodes() {
        let series = self.report.timeSeries
        guard let span = series.measured, series.nodes.contains(where: { $0.measuredCPUSeconds != nil }) else { return }
        self.row("nodes", ["CPU, % core", "µs/delivery", "peak MiB", "not answered"])
        for node in series.nodes {
            let cores = node.measuredCPUSeconds.map { $0 / Double(span.seconds) }
            self.row(
                "  \(node.name)",
                [
                    FigureText.fixed(cores.map { $0 * 100 }, digits: 1),
                    node.role == .generator ? "" : FigureText.plain(series.microsecondsPerDelivery(of: node)),
                    FigureText.mebibytes(node.peakResidentBytes), FigureText.count(node.missed),
                ]
            )
        }
        if let cost = series.microsecondsPerDelivery { self.row("  all watched", ["", FigureText.plain(cost)]) }
        self.lines.append("")
    }
}
