// SPDX-License-Identifier: Apache-2.0

extension ReportPage {
    /// - Parameter hasText: Whether the last column holds sentences.
    func table(
        _ caption: String,
        _ head: [String],
        _ rows: [[String]],
        hasText: Bool = false,
        into markup: inout Markup
    ) {
        markup.element("div", ["class": "scroll", "tabindex": "0", "role": "region", "aria-label": caption]) { markup in
            markup.element("table") { markup in
                markup.element("caption", caption)
                self.writeHead(head, hasText: hasText, into: &markup)
                markup.element("tbody") { markup in
                    for row in rows { self.write(row, hasText: hasText, into: &markup) }
                }
            }
        }
    }

    private func writeHead(_ head: [String], hasText: Bool, into markup: inout Markup) {
        markup.element("thead") { markup in
            markup.element("tr") { markup in
                for (place, name) in head.enumerated() {
                    let isText = hasText && place == head.count - 1
                    markup.element("th", ["scope": "col", "class": isText ? "text" : "figure"], name)
                }
            }
        }
    }

    private func write(_ row: [String], hasText: Bool, into markup: inout Markup) {
        markup.element("tr") { markup in
            for (place, cell) in row.enumerated() {
                if place == 0 {
                    markup.element("th", ["scope": "row"], cell)
                } else if hasText, place == row.count - 1 {
                    markup.element("td", ["class": "text"], cell)
                } else {
                    markup.element("td", cell)
                }
            }
        }
    }

    // MARK: - Summary

    func writeSummary(into markup: inout Markup) {
        self.section("Summary", "summary", into: &markup) { markup in
            markup.element("div", ["class": "cards"]) { markup in
                self.writeLatencies(into: &markup)
                self.writeSessions(into: &markup)
                self.writeRates(into: &markup)
                self.writeErrors(into: &markup)
            }
        }
    }

    private func writeLatencies(into markup: inout Markup) {
        let named: [(String, LatencySummary)] = [
            ("acknowledged", self.report.acknowledgementLatency), ("delivered", self.report.deliveryLatency),
            ("sent late", self.report.generatorLateness),
        ]
        let rows = named.map { name, summary in
            let values = [summary.p50, summary.p90, summary.p99, summary.p999, summary.max]
            return [name] + values.map { summary.count > 0 ? FigureText.plain($0) : FigureText.none }
                + [FigureText.count(summary.count)]
        }
        self.table(
            "Latency in ms, from the planned send time, without the warm-up",
            ["", "p50", "p90", "p99", "p99.9", "max", "count"],
            rows,
            into: &markup
        )
    }

    private func writeRates(into markup: inout Markup) {
        let counts = self.report.counts
        let span = self.report.timeSeries.measured
        func perSecond(_ figure: KeyPath<TimeSeries.Interval, Int>) -> String {
            FigureText.plain(self.report.timeSeries.rate(figure))
        }
        let title = span.map { "Counts of the whole run; rates from \($0.start) s to \($0.end) s, without the warm-up" }
        self.table(
            title ?? "Counts of the whole run",
            ["", "count", "per second"],
            [
                ["messages offered", FigureText.count(counts.offered), perSecond(\.offered)],
                ["messages acknowledged", FigureText.count(counts.acknowledged), perSecond(\.acknowledged)],
                ["acknowledged as duplicate", FigureText.count(counts.acknowledgedAsDuplicate), ""],
                ["messages failed", FigureText.count(counts.failedInAll), perSecond(\.failed)],
                ["deliveries expected", FigureText.count(counts.expectedDeliveries), perSecond(\.offeredDeliveries)],
                ["deliveries made", FigureText.count(counts.delivered), perSecond(\.delivered)],
                ["of them by catch-up", FigureText.count(counts.deliveredByCatchUp), ""],
            ],
            into: &markup
        )
    }

    private func writeSessions(into markup: inout Markup) {
        let (sessions, pauses) = (self.report.sessions, self.report.pauses)
        func pause(_ pause: EventTimeline.Pause) -> String {
            "\(FigureText.count(pause.milliseconds)) ms, at \(FigureText.trimmed(Double(pause.start) / 1000)) s"
        }
        var rows = [
            ["longest pause without an acknowledgement", pause(pauses.withoutAcknowledgement)],
            ["longest pause without a delivery", pause(pauses.withoutDelivery)],
            ["sessions connected", FigureText.count(sessions.connected)],
            ["sessions that ended for good", FigureText.count(sessions.ended)],
            ["messages sent again", FigureText.count(sessions.repeatedSends)],
            ["resyncs", FigureText.count(sessions.resyncs)],
            ["gaps seen by devices, and closed", FigureText.count(sessions.gaps)],
            ["duplicates on the wire, left out", FigureText.count(sessions.liveDuplicates)],
        ]
        let returns = self.report.returns
        if returns.lost > 0 {
            let back = returns.timeBack
            rows += [
                ["connections lost, back", "\(FigureText.count(returns.lost)), \(FigureText.count(returns.back))"],
                [
                    "back after, p50, p99, max",
                    [back.p50, back.p99, back.max].map { FigureText.plain($0) }.joined(separator: ", ") + " ms",
                ],
            ]
        }
        self.table("Pauses and sessions", ["", ""], rows + self.changes, into: &markup)
    }

    /// How sessions began, and what became of those that come and go.
    private var changes: [[String]] {
        func times(_ latency: LatencySummary) -> String {
            [latency.p50, latency.p99, latency.max].map { FigureText.plain($0) }.joined(separator: ", ") + " ms"
        }
        var rows: [[String]] = []
        if let rate = self.report.connectsPerSecond {
            rows.append(["sessions begun per second", FigureText.plain(rate)])
        }
        if self.report.settings.scenario == .idle, let bytes = self.report.bytesPerSession {
            rows.append(["memory of a session on its edge", "\(FigureText.fixed(bytes / 1024, digits: 1)) KiB"])
        }
        if let churn = self.report.churn {
            rows += [
                [
                    "members added, removed",
                    "\(FigureText.count(churn.additions)), \(FigureText.count(churn.removals))",
                ],
                ["changed after, p50, p99, max", times(churn.changeTimes)],
                ["connections cut", FigureText.count(churn.cuts)],
            ]
        }
        if let sync = self.report.sync {
            rows += [
                ["devices away, back", "\(FigureText.count(sync.devices)), \(FigureText.count(sync.back))"],
                ["messages that they had missed", FigureText.count(sync.missed)],
                ["current after, p50, p99, max", times(sync.timeToBeCurrent)],
            ]
        }
        return rows
    }

    /// Nothing when there were none.
    private func writeErrors(into markup: inout Markup) {
        func rows(_ counts: [String: Int], _ what: String) -> [[String]] {
            counts.sorted { $0.key < $1.key }.map { [$0.key, FigureText.count($0.value), what] }
        }
        let returns = self.report.returns
        let found =
            rows(self.report.counts.failed, "messages failed for good")
            + rows(self.report.sessions.retryableErrors, "the client was asked to try again")
            + rows(returns.lossesByReason, "connections lost")
            + (returns.rateLimited > 0
                ? [["rate_limited", FigureText.count(returns.rateLimited), "told to wait"]] : [])
            + returns.errors.sorted { $0.key < $1.key }.map { name, count in
                [name, FigureText.count(count), returns.firstMessages[name] ?? ""]
            }
        guard !found.isEmpty else { return }
        self.table("Errors by code", ["code", "count", "what"], found, hasText: true, into: &markup)
    }

    // MARK: - Nodes

    func writeNodes(into markup: inout Markup) {
        let series = self.report.timeSeries
        guard !series.nodes.isEmpty else {
            markup.element("p", "No node was watched.")
            return
        }
        var rows = series.nodes.map { node in
            [
                node.name, node.role.rawValue,
                FigureText.percentOfCore(Self.cores(node, series.measured)),
                node.role == .generator ? FigureText.none : FigureText.plain(series.microsecondsPerDelivery(of: node)),
                FigureText.mebibytes(node.peakResidentBytes), FigureText.count(node.missed),
            ]
        }
        if let all = self.allNodes { rows.append(all) }
        let span = series.measured.map { ", CPU from \($0.start) s to \($0.end) s" } ?? ""
        self.table(
            "Watched nodes\(span); 100 % is one core",
            ["node", "role", "CPU", "CPU per delivery (µs)", "peak memory (MiB)", "answers missed"],
            rows,
            into: &markup
        )
        guard self.silentNodes > 0 else { return }
        let text =
            "\(self.silentNodes) of \(series.clusterNodes.count) nodes did not answer all the time, or started anew: "
        markup.element(
            "p",
            ["class": "soft"],
            text + "what they took is not known, and the sums are what it was at least."
        )
    }

    /// The sum over the cluster: what at least it is, when a node is not known.
    private var allNodes: [String]? {
        let series = self.report.timeSeries
        let known = series.clusterNodes.compactMap { Self.cores($0, series.measured) }
        guard !known.isEmpty else { return nil }
        let costs = series.clusterNodes.compactMap { series.microsecondsPerDelivery(of: $0) }
        let sign = self.silentNodes > 0 ? "≥ " : ""
        return [
            "all watched nodes", "", sign + FigureText.percentOfCore(known.reduce(0, +)),
            costs.isEmpty ? FigureText.none : sign + FigureText.plain(costs.reduce(0, +)), FigureText.none,
            FigureText.none,
        ]
    }

    /// Nodes of the cluster whose processor time is not known.
    private var silentNodes: Int { self.report.timeSeries.clusterNodes.count { $0.measuredCPUSeconds == nil } }

    private static func cores(_ node: NodeSeries, _ span: TimeSeries.Span?) -> Double? {
        guard let seconds = node.measuredCPUSeconds, let span, span.seconds > 0 else { return nil }
        return seconds / Double(span.seconds)
    }

    // MARK: - Notes

    func writeNotes(into markup: inout Markup) {
        let width = self.report.timeSeries.intervalSeconds
        let notes = [
            "No coordinated omission: messages are planned at equal distances whatever the answers do (an open loop), and "
                + "every latency is counted from the planned send time. A stall of the cluster, or of the load generator, is in "
                + "the latency of every message that it held up. The row “sent late” tells what the generator itself added.",
            self.report.settings.warmUpSeconds > 0
                ? "The warm-up (the first \(FigureText.span(self.report.settings.warmUpSeconds)), tinted in the plots) is audited "
                    + "and drawn, and is in no latency figure of the summary, in no distribution and in no cost."
                : "There was no warm-up: what the first messages cost is in every figure.",
            "Percentiles are never averaged. Those of an interval are computed from all values of the interval (HdrHistogram, "
                + "two significant digits), those of the whole run from all values of the run (three digits). The largest "
                + "latency that can be told is \(LatencyRecorder.microsecondsMax / 60_000_000) minutes.",
            "An interval is \(width) s. In the plots over time a latency lies at the planned send time of its message; "
                + "acknowledgements and deliveries are counted when they arrive. A percentile of an interval with few values "
                + "is close to its largest value.",
            "A delivery is one message handed to one receiver, live or by catch-up. CPU per delivery is the processor time that "
                + "the node took, everything it did and its idle work included, divided by the deliveries of the whole cluster. "
                + "Only watched nodes are counted: the edges, and what was named with --metrics.",
            "Processor time and memory are what the nodes tell in /metrics (process_cpu_seconds_total, "
                + "process_resident_memory_bytes), asked once a second; peaks between two answers are not seen.",
            "Load generator and nodes may share a machine; then they take processor time from each other.",
        ]
        markup.element("ul", ["class": "notes"]) { markup in
            for note in notes { markup.element("li", note) }
        }
    }
}
