// SPDX-License-Identifier: Apache-2.0

import Synchronization

/// What a metric is; the raw value is its name in the exposition.
package enum MetricKind: String, Sendable {
    case counter
    case gauge
    case histogram
}

/// All metrics of one process.
///
/// A counter, gauge or histogram is made once, when its owner starts, and held by the owner: counting never looks
/// anything up and takes no lock. Values that someone else keeps already are read at scrape time by a collector.
/// A wrong or repeated name is a mistake in the program and stops it at start. Safe from any thread.
package final class MetricsRegistry: Sendable {
    /// Metrics held by their owners. They are made by code, not by input, so passing it is a mistake in the program.
    package static let seriesMax = 10_000
    /// Samples that collectors may hand in at one scrape; more are dropped and counted.
    package static let collectedSamplesMax = 20_000

    enum Instrument: Sendable {
        case counter(Counter)
        case gauge(Gauge)
        case histogram(Histogram)
    }

    struct Series: Sendable {
        var labels: Labels
        var instrument: Instrument
    }

    struct Family: Sendable {
        var name: String
        var kind: MetricKind
        var help: String
        /// Of a collected family; nil for one whose series are held by their owners.
        var collectedLabels: [String]?
        var scale: HistogramScale?
        var series: [Series] = []
    }

    private struct State {
        var families: [String: Family] = [:]
        var seriesCount = 0
        var collectors: [@Sendable (inout MetricsSink) -> Void] = []
    }

    private let state = Mutex(State())
    private let samplesDropped: Counter

    package init() {
        let dropped = Counter()
        self.samplesDropped = dropped
        let family = Family(
            name: "trunkline_metrics_samples_dropped_total",
            kind: .counter,
            help: "Collected samples beyond the bound, or given twice in one scrape."
        )
        self.state.withLock { state in
            Self.insert(.counter(dropped), labels: Labels(), into: family, &state)
        }
    }

    // MARK: - Metrics held by their owners

    /// A new counter. `name` ends in `_total`; `labels` tell it from the others of that name.
    package func counter(
        _ name: String,
        help: String,
        labels: KeyValuePairs<String, String> = [:]
    ) -> Counter {
        let counter = Counter()
        self.register(.counter(counter), Family(name: name, kind: .counter, help: help), labels)
        return counter
    }

    /// A new gauge.
    package func gauge(
        _ name: String,
        help: String,
        labels: KeyValuePairs<String, String> = [:]
    ) -> Gauge {
        let gauge = Gauge()
        self.register(.gauge(gauge), Family(name: name, kind: .gauge, help: help), labels)
        return gauge
    }

    /// A new histogram. All of one name have the same scale.
    package func histogram(
        _ name: String,
        help: String,
        scale: HistogramScale = .seconds,
        labels: KeyValuePairs<String, String> = [:]
    ) -> Histogram {
        let histogram = Histogram(scale: scale)
        self.register(.histogram(histogram), Family(name: name, kind: .histogram, help: help, scale: scale), labels)
        return histogram
    }

    // MARK: - Metrics read at scrape time

    /// Names a metric whose values collectors hand in, each with one value per label. A counter or a gauge.
    package func declare(_ kind: MetricKind, _ name: String, help: String, labels: [String] = []) -> CollectedMetric {
        precondition(MetricName.isValid(name, kind: kind), "\(name) is not the name of a \(kind)")
        return self.declareUnchecked(kind, name, help: help, labels: labels)
    }

    func declareUnchecked(_ kind: MetricKind, _ name: String, help: String, labels: [String]) -> CollectedMetric {
        precondition(kind != .histogram, "\(name): a histogram cannot be collected")
        precondition(labels.allSatisfy(MetricName.isValidLabel), "\(name) has a label with a wrong name: \(labels)")
        precondition(Set(labels).count == labels.count, "\(name) names a label twice: \(labels)")
        let isNew = self.state.withLock { state in
            guard state.families[name] == nil else { return false }
            state.families[name] = Family(name: name, kind: kind, help: help, collectedLabels: labels)
            return true
        }
        precondition(isNew, "\(name) is declared twice")
        return CollectedMetric(name: name, labelCount: labels.count)
    }

    /// Calls back at every scrape, on the scraping thread and without a lock held. It must return quickly.
    package func collect(_ collector: @escaping @Sendable (inout MetricsSink) -> Void) {
        self.state.withLock { $0.collectors.append(collector) }
    }

    // MARK: - Exposition

    /// All metrics in the Prometheus text format 0.0.4. Runs the collectors.
    package func render() -> String {
        let (families, collectors) = self.state.withLock { ($0.families, $0.collectors) }
        var sink = MetricsSink(samplesMax: Self.collectedSamplesMax)
        for collector in collectors { collector(&sink) }
        if sink.samplesDropped > 0 { self.samplesDropped.increment(by: sink.samplesDropped) }
        return Exposition.render(families: families.values.sorted { $0.name < $1.name }, collected: sink.samples)
    }

    /// The `Content-Type` of ``render()``.
    package static let contentType = "text/plain; version=0.0.4; charset=utf-8"

    // MARK: - Registration

    private func register(_ instrument: Instrument, _ family: Family, _ labels: KeyValuePairs<String, String>) {
        let name = family.name
        precondition(MetricName.isValid(name, kind: family.kind), "\(name) is not the name of a \(family.kind)")
        let names = labels.map(\.key)
        precondition(names.allSatisfy(MetricName.isValidLabel), "\(name) has a label with a wrong name: \(names)")
        precondition(Set(names).count == names.count, "\(name) names a label twice: \(names)")
        let sorted = Labels(labels.map { ($0.key, $0.value) }.sorted { $0.0 < $1.0 })
        self.state.withLock { Self.insert(instrument, labels: sorted, into: family, &$0) }
    }

    private static func insert(_ instrument: Instrument, labels: Labels, into new: Family, _ state: inout State) {
        var family = state.families[new.name] ?? new
        precondition(family.kind == new.kind, "\(new.name) is a \(family.kind) already")
        precondition(family.scale == new.scale, "\(new.name) has another scale already")
        precondition(family.help == new.help, "\(new.name) has another help text already")
        precondition(family.collectedLabels == nil, "\(new.name) is collected")
        precondition(
            family.series.allSatisfy { $0.labels.names == labels.names },
            "\(new.name) has other labels already"
        )
        precondition(
            !family.series.contains { $0.labels == labels },
            "\(new.name) with these labels is registered already"
        )
        precondition(state.seriesCount < Self.seriesMax, "more than \(Self.seriesMax) metrics")
        family.series.append(Series(labels: labels, instrument: instrument))
        state.families[new.name] = family
        state.seriesCount += 1
    }
}
