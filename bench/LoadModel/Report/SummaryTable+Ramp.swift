// SPDX-License-Identifier: Apache-2.0

extension SummaryTable {
    /// The steps of a ramp by their rates, and what follows from them; nothing without a ramp.
    mutating func writeRamp() {
        guard let ramp = self.report.ramp else { return }
        self.lines.append(
            "ramp         offered   acked/s  delivered/s    p50 ms    p99 ms  late p99   µs/delivery"
        )
        for step in ramp.sortedSteps {
            let latency = step.acknowledgementLatency
            let cells: [(text: String, width: Int)] = [
                (RampReport.rate(step.offered), 20), (RampReport.rate(step.achieved), 10),
                (RampReport.rate(step.delivered), 13),
                (latency.count > 0 ? FigureText.plain(latency.p50) : FigureText.none, 10),
                (latency.count > 0 ? FigureText.plain(latency.p99) : FigureText.none, 10),
                (FigureText.plain(step.lateness.p99), 10), (FigureText.plain(step.costPerDelivery), 14),
            ]
            let row = cells.map { String(repeating: " ", count: max(1, $0.width - $0.text.count)) + $0.text }.joined()
            self.lines.append(row + (step.held ? "  held" : "  -"))
            if !step.held { self.lines.append("      " + step.findings.joined(separator: "; ")) }
        }
        self.lines.append(ramp.conclusion)
        self.lines.append("")
    }

    /// How fast sessions began, and in the scenario that is about that what each takes of its edge.
    mutating func writeConnects() {
        guard let latency = self.report.connectLatency, latency.count > 0,
            let rate = self.report.connectsPerSecond
        else { return }
        self.lines.append(
            "\(self.report.settings.sessions) sessions began in \(Self.number(self.report.connectSeconds, digits: 1)) s, "
                + "\(FigureText.fixed(rate, digits: 0)) a second; each took p50 \(FigureText.plain(latency.p50)), "
                + "p99 \(FigureText.plain(latency.p99)) ms"
        )
        if self.report.settings.scenario == .idle { self.writeSessionMemory() }
        self.lines.append("")
    }

    private mutating func writeSessionMemory() {
        guard let edges = self.report.sessionMemory, !edges.isEmpty else { return }
        self.row("edges", ["sessions", "MiB before", "MiB with them", "KiB/session"])
        for edge in edges {
            self.row(
                "  \(edge.node)",
                [
                    FigureText.count(edge.after.sessions - edge.before.sessions),
                    FigureText.mebibytes(edge.before.residentBytes), FigureText.mebibytes(edge.after.residentBytes),
                    FigureText.fixed(edge.bytesPerSession.map { $0 / 1024 }, digits: 1),
                ]
            )
        }
    }
}
