// SPDX-License-Identifier: Apache-2.0

extension ReportPage {
    var latencyPlots: [Plot] {
        [
            self.latencyOverTime(
                "acknowledgement",
                "Acknowledgement latency over time",
                "From the planned send time to message_sent, which comes after the commit.",
                \.acknowledgementLatency
            ),
            self.latencyOverTime(
                "delivery",
                "Delivery latency over time",
                "From the planned send time to the arrival at a receiver; every receiver counts.",
                \.deliveryLatency
            ),
            self.percentilePlot,
            self.histogramPlot,
        ]
    }

    // MARK: - Over time

    private func latencyOverTime(
        _ id: String,
        _ title: String,
        _ caption: String,
        _ latency: KeyPath<TimeSeries.Interval, LatencySummary>
    ) -> Plot {
        func line(_ name: String, _ style: Int, _ figure: KeyPath<LatencySummary, Double>) -> Line {
            Line(name: name, style: style) { place in
                let summary = self.series.intervals[place][keyPath: latency]
                return summary.count > 0 ? summary[keyPath: figure] : nil
            }
        }
        return self.plot(
            id,
            title,
            "\(caption) Percentiles of each interval of \(self.series.intervalSeconds) s by itself.",
            y: Plot.Axis(name: "Latency", unit: "ms", scale: self.latencyScale),
            [
                line("p50", 0, \.p50), line("p90", 1, \.p90), line("p99", 2, \.p99), line("max", 3, \.max),
            ]
        )
    }

    /// The same for acknowledgements and deliveries, so that the two can be compared by eye.
    private var latencyScale: PlotScale {
        let values = self.shownIntervals.flatMap { interval in
            [interval.acknowledgementLatency, interval.deliveryLatency].filter { $0.count > 0 }
                .flatMap { [$0.p50, $0.max] }
        }
        return .fitting(values)
    }

    // MARK: - All values

    private var distributions: [(name: String, style: Int, LatencyDistribution, count: UInt64)] {
        [
            (
                "acknowledged", 0, self.report.acknowledgementDistribution, self.report.acknowledgementLatency.count
            ),
            ("delivered", 1, self.report.deliveryDistribution, self.report.deliveryLatency.count),
        ]
    }

    private var percentilePlot: Plot {
        let shown = self.distributions
        let values = shown.flatMap { $0.2.percentiles.map(\.milliseconds) }
        let scale = PlotScale.nines(count: shown.map(\.count).max() ?? 0)
        let percentages = [0, 25, 50, 75, 90, 95, 99, 99.5, 99.9, 99.95, 99.99, 99.999, 100]
        let rows = percentages.map { percentage in
            [Self.percentText(percentage)]
                + shown.map { entry in
                    // Less than one value lies above it: that is the largest one, and no percentile.
                    guard percentage == 100 || Double(entry.count) * (1 - percentage / 100) > 1 - 1e-9 else {
                        return FigureText.none
                    }
                    let point = entry.2.percentiles.first { $0.percentage >= percentage - 1e-9 }
                    return FigureText.plain(point?.milliseconds)
                }
        }
        return Plot(
            id: "percentiles",
            title: "Latency by percentile",
            caption:
                "All messages after the warm-up: so many percent took at most this long. The right end is the largest value.",
            x: Plot.Axis(name: "Percentile", unit: "%", scale: scale),
            y: Plot.Axis(name: "Latency", unit: "ms", scale: .fitting(values)),
            series: shown.map { entry in
                Plot.Series(
                    name: "\(entry.name) (\(FigureText.count(entry.count)) values)",
                    style: entry.style,
                    points: entry.2.percentiles.map { Plot.Point(x: $0.percentage, y: $0.milliseconds) }
                )
            },
            table: Plot.Table(head: ["percentile"] + shown.map { "\($0.name) (ms)" }, rows: rows)
        )
    }

    private static func percentText(_ percentage: Double) -> String {
        percentage == 100 ? "max" : percentage == 0 ? "min" : "p\(percentage.formattedShortly)"
    }

    private var histogramPlot: Plot {
        let shown = self.distributions
        func share(_ bucket: LatencyDistribution.Bucket, of count: UInt64) -> Double {
            100 * Double(bucket.count) / Double(max(1, count))
        }
        let bounds = shown.flatMap { $0.2.buckets.flatMap { [max($0.lower, 0.005), $0.upper] } }
        let shares = shown.flatMap { entry in entry.2.buckets.map { share($0, of: entry.count) } }
        let all = Set(shown.flatMap { $0.2.buckets.map(\.lower) }).sorted()
        let rows = all.map { lower in
            let upper = shown.lazy.flatMap(\.2.buckets).first { $0.lower == lower }?.upper
            return [Self.bound(lower), Self.bound(upper ?? lower)]
                + shown.map { entry in
                    FigureText.count(entry.2.buckets.first { $0.lower == lower }?.count ?? 0)
                }
        }
        return Plot(
            id: "histogram",
            title: "Latency histogram",
            caption: "All messages after the warm-up. Every range is about a quarter wider than the one before it.",
            x: Plot.Axis(name: "Latency", unit: "ms", scale: .logarithmic(bounds)),
            y: Plot.Axis(name: "Share of the values", unit: "%", scale: .linear(shares)),
            series: shown.map { entry in
                var points: [Plot.Point] = []
                if let first = entry.2.buckets.first { points.append(Plot.Point(x: first.lower, y: 0)) }
                for bucket in entry.2.buckets {
                    points.append(Plot.Point(x: bucket.lower, y: share(bucket, of: entry.count)))
                    points.append(Plot.Point(x: bucket.upper, y: share(bucket, of: entry.count)))
                }
                if let last = entry.2.buckets.last { points.append(Plot.Point(x: last.upper, y: 0)) }
                return Plot.Series(name: entry.name, style: entry.style, points: points, isFilled: true)
            },
            table: Plot.Table(head: ["from (ms)", "below (ms)"] + shown.map { "\($0.name) (count)" }, rows: rows)
        )
    }

    /// A bound of a range, such as 0.0315 or 1,250.
    private static func bound(_ milliseconds: Double) -> String {
        FigureText.grouped(milliseconds.formattedShortly)
    }
}

extension Double {
    /// With up to four digits behind the point and no zeros at the end.
    fileprivate var formattedShortly: String {
        var text = SummaryTable.number(self, digits: 4)
        while text.hasSuffix("0") { text.removeLast() }
        if text.hasSuffix(".") { text.removeLast() }
        return text
    }
}
