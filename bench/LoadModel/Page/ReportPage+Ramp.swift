// SPDX-License-Identifier: Apache-2.0

extension ReportPage {
    /// What each rate of the ramp came to.
    func writeRamp(into markup: inout Markup) {
        guard let ramp = self.report.ramp else { return }
        markup.element("p", "\(ramp.conclusion).")
        self.write(self.rampPlots(ramp), into: &markup)
        self.table(
            "Steps by their rate",
            [
                "offered/s", "acknowledged/s", "delivered/s", "p50 ms", "p99 ms", "sent late p99 ms", "CPU µs/delivery",
                "outcome",
            ],
            ramp.sortedSteps.map { step in
                Self.figures(step).map { FigureText.plain($0) }
                    + [step.held ? "held" : step.findings.joined(separator: "; ")]
            },
            hasText: true,
            into: &markup
        )
    }

    private static func figures(_ step: RampStep) -> [Double?] {
        let latency = step.acknowledgementLatency
        return [
            step.offered, step.achieved, step.delivered, latency.count > 0 ? latency.p50 : nil,
            latency.count > 0 ? latency.p99 : nil, step.lateness.p99, step.costPerDelivery,
        ]
    }

    private func rampPlots(_ ramp: RampReport) -> [Plot] {
        let steps = ramp.sortedSteps
        let rates = steps.flatMap { [$0.offered, $0.achieved] }
        return [
            self.rampPlot(
                ramp,
                "ramp-throughput",
                "Throughput against offered",
                "Each point is a rate that was offered for \(FigureText.span(self.report.settings.durationSeconds)). Where the lines part, the cluster does not bear it any more.",
                Plot.Axis(name: "Messages", unit: "1/s", scale: .linear(rates)),
                [
                    RampLine(name: "offered", style: 5) { $0.offered },
                    RampLine(name: "acknowledged", style: 0) { $0.achieved },
                ]
            ),
            self.rampPlot(
                ramp,
                "ramp-latency",
                "Latency against offered",
                "Of the acknowledgements, from the planned send time; a step holds up to \(FigureText.trimmed(ramp.limit.p99)) ms of p99.",
                Plot.Axis(
                    name: "Latency",
                    unit: "ms",
                    scale: .fitting(steps.flatMap { [$0.acknowledgementLatency.p50, $0.acknowledgementLatency.p99] })
                ),
                [
                    RampLine(name: "p50", style: 0) {
                        $0.acknowledgementLatency.count > 0 ? $0.acknowledgementLatency.p50 : nil
                    },
                    RampLine(name: "p99", style: 2) {
                        $0.acknowledgementLatency.count > 0 ? $0.acknowledgementLatency.p99 : nil
                    },
                ]
            ),
        ]
    }

    private struct RampLine {
        var name: String
        var style: Int
        var value: (RampStep) -> Double?
    }

    private func rampPlot(
        _ ramp: RampReport,
        _ id: String,
        _ title: String,
        _ caption: String,
        _ y: Plot.Axis,
        _ lines: [RampLine]
    ) -> Plot {
        let steps = ramp.sortedSteps
        return Plot(
            id: id,
            title: title,
            caption: caption,
            x: Plot.Axis(name: "Offered", unit: "1/s", scale: .linear(steps.map(\.offered))),
            y: y,
            series: lines.map { line in
                Plot.Series(
                    name: line.name,
                    style: line.style,
                    points: steps.map { Plot.Point(x: $0.offered, y: line.value($0)) }
                )
            },
            markers: ramp.knee.map { [Plot.Marker(x: $0, label: "knee: \(RampReport.rate($0)) messages/s")] } ?? [],
            table: Plot.Table(
                head: ["offered (1/s)"] + lines.map { "\($0.name) (\(y.unit))" },
                rows: steps.map { step in
                    [FigureText.plain(step.offered)] + lines.map { FigureText.plain($0.value(step)) }
                }
            )
        )
    }
}
