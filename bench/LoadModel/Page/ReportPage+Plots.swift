// SPDX-License-Identifier: Apache-2.0

extension ReportPage {
    func write(_ plots: [Plot], into markup: inout Markup) {
        markup.element("div", ["class": "plots"]) { markup in
            for plot in plots { self.write(plot, into: &markup) }
        }
    }

    private func write(_ plot: Plot, into markup: inout Markup) {
        markup.element("figure", ["aria-labelledby": "\(plot.id)-name"]) { markup in
            markup.element("h3", ["id": "\(plot.id)-name"], plot.title)
            markup.element("figcaption", plot.caption)
            guard !plot.isEmpty else {
                markup.element("p", ["class": "soft"], "There is nothing to show.")
                return
            }
            self.writeLegend(of: plot, into: &markup)
            for size in [PlotDrawing.Size.wide, .narrow] {
                PlotDrawing(plot: plot, size: size).draw(into: &markup)
            }
            markup.element("details") { markup in
                markup.element("summary", "Values as a table")
                self.table(plot.title, plot.table.head, plot.table.rows, into: &markup)
            }
        }
    }

    private func writeLegend(of plot: Plot, into markup: inout Markup) {
        markup.element("ul", ["class": "legend"]) { markup in
            for series in plot.series {
                markup.element("li") { markup in
                    self.swatch(into: &markup) { markup in
                        markup.empty("path", ["class": "line s\(series.style)", "d": "M1 6L33 6"])
                    }
                    markup.element("span", series.name)
                }
            }
            for band in plot.bands {
                markup.element("li") { markup in
                    self.swatch(into: &markup) { markup in
                        markup.empty("rect", ["class": "band", "width": "34", "height": "12"])
                    }
                    markup.element("span", band.label)
                }
            }
        }
    }

    private func swatch(into markup: inout Markup, _ content: (inout Markup) -> Void) {
        markup.element(
            "svg",
            ["width": "34", "height": "12", "aria-hidden": "true", "xmlns": "http://www.w3.org/2000/svg"],
            content
        )
    }

    // MARK: - Over time

    var series: TimeSeries { self.report.timeSeries }

    var plannedSeconds: Double {
        self.report.plannedSeconds ?? self.report.settings.warmUpSeconds + self.report.settings.durationSeconds
    }

    /// The intervals that are drawn: those of the plan, and of the time after it when that was longer than an interval.
    ///
    /// An interval that the end of the plan cuts is left out, so that no line drops only because less was planned in it.
    var shownIntervals: ArraySlice<TimeSeries.Interval> {
        let width = Double(self.series.intervalSeconds)
        let whole = Int((self.plannedSeconds / width + 1e-9).rounded(.down))
        let isLong = self.report.drainSeconds > width || whole == 0
        return isLong ? self.series.intervals[...] : self.series.intervals.prefix(whole)
    }

    private var shownSeconds: Double {
        Double((self.shownIntervals.last?.start ?? 0) + self.series.intervalSeconds)
    }

    struct Line {
        var name: String
        var style: Int
        /// By the place of the interval.
        var value: (Int) -> Double?
    }

    /// A plot over the time since the start of the sending.
    ///
    /// - Parameter decimals: Formats a value of the table and the hints.
    func plot(
        _ id: String,
        _ title: String,
        _ caption: String,
        y: Plot.Axis,
        _ lines: [Line],
        format: (Double?) -> String = FigureText.plain
    ) -> Plot {
        let width = self.series.intervalSeconds
        let scale = PlotScale.time(upTo: self.shownSeconds)
        let places = self.shownIntervals.indices
        let rows = places.map { place in
            ["\(place * width)"] + lines.map { format($0.value(place)) }
        }
        let hints = places.map { place in
            let values = lines.map { "\($0.name): \(format($0.value(place)))" }.joined(separator: "\n")
            return Plot.Hint(
                from: Double(place * width),
                to: Double((place + 1) * width),
                text: "\(place * width) s to \((place + 1) * width) s\n\(values)"
            )
        }
        return Plot(
            id: id,
            title: title,
            caption: caption,
            x: Plot.Axis(name: "Time since the start of the sending", unit: scale.timeUnit.rawValue, scale: scale),
            y: y,
            series: lines.map { line in
                Plot.Series(
                    name: line.name,
                    style: line.style,
                    points: places.map { Plot.Point(x: (Double($0) + 0.5) * Double(width), y: line.value($0)) }
                )
            },
            bands: self.bands,
            markers: self.report.settings.stormSeconds.map { [Plot.Marker(x: $0, label: "all connections cut")] } ?? [],
            hints: hints,
            table: Plot.Table(
                head: ["from (s)"] + lines.map { "\($0.name)\(y.unit.isEmpty ? "" : " (\(y.unit))")" },
                rows: rows
            )
        )
    }

    private var bands: [Plot.Band] {
        var bands: [Plot.Band] = []
        if self.report.settings.warmUpSeconds > 0 {
            bands.append(Plot.Band(from: 0, to: self.report.settings.warmUpSeconds, label: "warm-up"))
        }
        if self.shownSeconds > self.plannedSeconds, self.plannedSeconds > 0 {
            bands.append(Plot.Band(from: self.plannedSeconds, to: self.shownSeconds, label: "after the plan"))
        }
        return bands
    }

    // MARK: - Throughput

    var throughputPlots: [Plot] {
        let width = Double(self.series.intervalSeconds)
        func rate(_ figure: KeyPath<TimeSeries.Interval, Int>) -> (Int) -> Double? {
            { place in Double(self.series.intervals[place][keyPath: figure]) / width }
        }
        let messages = [
            Line(name: "offered by the plan", style: 5, value: rate(\.offered)),
            Line(name: "handed to a session", style: 1, value: rate(\.sent)),
            Line(name: "acknowledged", style: 0, value: rate(\.acknowledged)),
        ]
        let deliveries = [
            Line(name: "expected for what is offered", style: 5, value: rate(\.offeredDeliveries)),
            Line(name: "delivered", style: 2, value: rate(\.delivered)),
        ]
        var plots = [
            self.ratePlot(
                "messages",
                "Messages: throughput against what was offered",
                "Where less is acknowledged than offered, the cluster does not keep up; where more, it catches up.",
                messages
            ),
            self.ratePlot(
                "deliveries",
                "Deliveries: throughput against what was offered",
                "A message counts once for each receiver, when it arrives there.",
                deliveries
            ),
        ]
        let errors = [
            Line(name: "messages given up", style: 3, value: rate(\.failed)),
            Line(name: "connections lost", style: 4, value: rate(\.connectionsLost)),
        ]
        if self.series.intervals.contains(where: { $0.failed > 0 || $0.connectionsLost > 0 }) {
            let caption = "When messages were given up for good, and when sessions lost their connection."
            plots.append(self.ratePlot("errors", "Errors", caption, errors))
        }
        return plots
    }

    private func ratePlot(_ id: String, _ title: String, _ caption: String, _ lines: [Line]) -> Plot {
        self.plot(
            id,
            title,
            caption,
            y: Plot.Axis(name: "Rate", unit: "1/s", scale: .linear(self.values(of: lines))),
            lines
        )
    }

    /// All that is drawn.
    func values(of lines: [Line]) -> [Double] {
        lines.flatMap { line in self.shownIntervals.indices.compactMap { line.value($0) } }
    }
}
