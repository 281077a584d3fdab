// SPDX-License-Identifier: Apache-2.0

/// Two runs side by side: what differs in what they were, and in what came out.
package struct Comparison: Sendable {
    /// Something that was set, or where it was measured, and that was not the same.
    package struct Difference: Sendable, Equatable {
        package enum Weight: Sendable {
            /// Another load, or another machine: figures say nothing about each other.
            case incomparable
            /// Worth knowing: the program, or the seed.
            case noted
        }

        package var name: String
        package var first: String
        package var second: String
        package var weight: Weight
    }

    package struct Figure: Sendable {
        package enum Better: Sendable {
            case lower, higher
        }

        package var name: String
        package var unit: String
        package var first: Double?
        package var second: Double?
        package var better: Better
        /// Whether `--fail-if-worse` looks at it. Largest values and pauses are single events, and are only shown.
        package var isJudged: Bool

        /// From the first to the second. Nil where one of them is not known; infinite for something that was nothing.
        package var percent: Double? {
            guard let first, let second else { return nil }
            guard first != second else { return 0 }
            guard first != 0 else { return second > 0 ? .infinity : -.infinity }
            return (second - first) / abs(first) * 100
        }

        /// By how many percent the second is worse; below zero when it is better.
        package var percentWorse: Double? {
            self.percent.map { self.better == .lower ? $0 : -$0 }
        }
    }

    package let first: RunReport
    package let second: RunReport
    package let differences: [Difference]
    package let figures: [Figure]

    package init(_ first: RunReport, _ second: RunReport) {
        self.first = first
        self.second = second
        self.differences = Self.differences(first, second)
        self.figures = Self.figures(first, second)
    }

    package var isComparable: Bool { !self.differences.contains { $0.weight == .incomparable } }

    /// The judged figures that are worse by more than this in the second run.
    ///
    /// A figure that only the first run has is not among them: nobody can say how it is.
    package func worse(thanPercent percent: Double) -> [Figure] {
        self.figures.filter { $0.isJudged && ($0.percentWorse ?? 0) > percent }
    }

    /// Judged figures that the first run has and the second one has not.
    package var unknown: [Figure] {
        self.figures.filter { $0.isJudged && $0.first != nil && $0.second == nil }
    }

    /// What speaks against the second run, each in a sentence.
    package func findings(percent: Double) -> [String] {
        self.worse(thanPercent: percent).map { figure in
            "\(figure.name): \(FigureText.plain(figure.first)) to \(FigureText.plain(figure.second)) \(figure.unit)"
                + " (\(ComparisonTable.text(ofPercent: figure.percent)))"
        } + self.unknown.map { "\($0.name): B does not have it" }
    }

    // MARK: - Differences

    private static func differences(_ first: RunReport, _ second: RunReport) -> [Difference] {
        var differences: [Difference] = []
        func compare(_ name: String, _ weight: Difference.Weight, _ text: (RunReport) -> String) {
            let (one, other) = (text(first), text(second))
            guard one != other else { return }
            differences.append(Difference(name: name, first: one, second: other, weight: weight))
        }
        compare("scenario", .incomparable) { $0.settings.scenario.rawValue }
        compare("users", .incomparable) { FigureText.count($0.settings.users) }
        compare("conversations", .incomparable) { FigureText.count($0.settings.conversations) }
        compare("members of a conversation", .incomparable) { FigureText.count($0.settings.groupSize) }
        compare("members that send", .incomparable) { FigureText.count($0.settings.senders) }
        compare("connected users", .incomparable) { FigureText.count($0.settings.connected) }
        compare("messages per second", .incomparable) { FigureText.trimmed($0.settings.messagesPerSecond) }
        // What earlier versions did not tell was so.
        compare("devices of a user", .incomparable) { FigureText.count($0.settings.devicesPerUser ?? 1) }
        compare("protocol", .incomparable) { $0.settings.subprotocol ?? "json" }
        compare("messages between two, of a hundred", .incomparable) { report in
            report.settings.directPercent.map { FigureText.count($0) } ?? FigureText.none
        }
        compare("guests of a group", .incomparable) { FigureText.count($0.settings.guests ?? 0) }
        compare("changes per second", .incomparable) { FigureText.trimmed($0.settings.changesPerSecond ?? 0) }
        compare("members of a group that are away", .incomparable) { FigureText.count($0.settings.away ?? 0) }
        compare("processes of the generator", .incomparable) { FigureText.count($0.settings.processes ?? 1) }
        compare("sessions that connect at a time", .noted) { FigureText.count($0.settings.connectConcurrency ?? 32) }
        compare("ramp", .incomparable) { $0.ramp?.terms ?? "none" }
        compare("body bytes", .incomparable) { FigureText.count($0.settings.bodyBytes) }
        compare("edges", .incomparable) { FigureText.count($0.settings.edges.count) }
        compare("measured seconds", .incomparable) { FigureText.trimmed($0.settings.durationSeconds) }
        compare("warm-up seconds", .incomparable) { FigureText.trimmed($0.settings.warmUpSeconds) }
        compare("event loops of the generator", .incomparable) { FigureText.count($0.settings.eventLoops) }
        compare("watched nodes", .incomparable) { report in
            Dictionary(grouping: report.timeSeries.clusterNodes, by: \.role.rawValue).map { "\($1.count) \($0)" }
                .sorted().joined(separator: ", ")
        }
        compare("processor", .incomparable) { $0.machine.processor }
        compare("cores", .incomparable) { FigureText.count($0.machine.cores) }
        compare("memory, MiB", .noted) { FigureText.count($0.machine.memoryMebibytes) }
        compare("kernel", .noted) { $0.machine.kernel }
        compare("seed", .noted) { String($0.settings.seed) }
        compare("load generator", .noted) { $0.program }
        compare("version of the nodes", .noted) { report in
            Set(report.timeSeries.nodes.compactMap(\.version)).sorted().joined(separator: ", ")
        }
        return differences
    }

    // MARK: - Figures

    private static func figures(_ first: RunReport, _ second: RunReport) -> [Figure] {
        func figure(
            _ name: String,
            _ unit: String,
            _ better: Figure.Better = .lower,
            isJudged: Bool = false,
            _ value: (RunReport) -> Double?
        ) -> Figure {
            Figure(
                name: name,
                unit: unit,
                first: value(first),
                second: value(second),
                better: better,
                isJudged: isJudged
            )
        }
        func latencies(_ name: String, _ latency: @escaping (RunReport) -> LatencySummary) -> [Figure] {
            let quantiles: [(String, KeyPath<LatencySummary, Double>, Bool)] = [
                ("p50", \.p50, true), ("p90", \.p90, true), ("p99", \.p99, true), ("p99.9", \.p999, false),
                ("max", \.max, false),
            ]
            return quantiles.map { quantile, path, isJudged in
                figure("\(name) \(quantile)", "ms", isJudged: isJudged) { report in
                    let summary = latency(report)
                    return summary.count > 0 ? summary[keyPath: path] : nil
                }
            }
        }
        let costs =
            [figure("CPU per delivery, watched nodes", "µs", isJudged: true) { $0.timeSeries.microsecondsPerDelivery }]
            + [NodeSeries.Role.edge, .router].map { role in
                figure("CPU per delivery, \(role.rawValue)s", "µs") { $0.timeSeries.microsecondsPerDelivery(of: role) }
            }
        return [
            figure("knee, messages per second", "1/s", .higher, isJudged: true) { $0.ramp?.knee },
            figure("audit violations", "", isJudged: true) { Double($0.audit.violationCount) },
            figure("messages failed", "", isJudged: true) { Double($0.counts.failedInAll) },
            figure("acknowledged per second", "1/s", .higher, isJudged: true) { $0.timeSeries.rate(\.acknowledged) },
            figure("delivered per second", "1/s", .higher, isJudged: true) { $0.timeSeries.rate(\.delivered) },
        ] + latencies("current after an absence") { $0.sync?.timeToBeCurrent ?? LatencySummary() }
            + latencies("membership changed after") { $0.churn?.changeTimes ?? LatencySummary() }
            + latencies("acknowledged") { $0.acknowledgementLatency } + latencies("delivered") { $0.deliveryLatency }
            + [
                figure("sent late p99", "ms") { $0.generatorLateness.count > 0 ? $0.generatorLateness.p99 : nil },
                figure("longest pause of acknowledgements", "ms") {
                    Double($0.pauses.withoutAcknowledgement.milliseconds)
                },
                figure("longest pause of deliveries", "ms") { Double($0.pauses.withoutDelivery.milliseconds) },
                figure("sessions begun per second", "1/s", .higher) { $0.connectsPerSecond },
                figure("memory of a session", "KiB") { $0.bytesPerSession.map { $0 / 1024 } },
                figure("connections lost", "") { Double($0.sessions.disconnections) },
                figure("messages sent again", "") { Double($0.sessions.repeatedSends) },
            ] + costs
            + [
                figure("largest memory of a node", "MiB") { report in
                    report.timeSeries.clusterNodes.compactMap(\.peakResidentBytes).max().map { Double($0) / 1_048_576 }
                }
            ]
    }
}

extension TimeSeries {
    /// Over the measured span.
    package func rate(_ figure: KeyPath<Interval, Int>) -> Double? {
        guard let span = self.measured, span.seconds > 0 else { return nil }
        let inside = self.intervals.filter { $0.start >= span.start && $0.start < span.end }
        return Double(inside.reduce(0) { $0 + $1[keyPath: figure] }) / Double(span.seconds)
    }

    /// Nil when none has the role, or one that has it is not known.
    package func microsecondsPerDelivery(of role: NodeSeries.Role) -> Double? {
        let nodes = self.nodes.filter { $0.role == role }
        let known = nodes.compactMap { self.microsecondsPerDelivery(of: $0) }
        return nodes.isEmpty || known.count < nodes.count ? nil : known.reduce(0, +)
    }
}
