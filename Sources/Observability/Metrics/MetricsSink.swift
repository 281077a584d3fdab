// SPDX-License-Identifier: Apache-2.0

/// A metric whose values are handed in at scrape time; see ``MetricsRegistry/declare(_:_:help:labels:)``.
package struct CollectedMetric: Sendable {
    let name: String
    let labelCount: Int
}

/// Takes the values that a collector reads at scrape time.
package struct MetricsSink {
    struct Sample {
        var labelValues: [String]
        var value: Double
    }

    private let samplesMax: Int
    private var sampleCount = 0
    private var seen: Set<[String]> = []
    private(set) var samples: [String: [Sample]] = [:]
    /// Beyond the bound, or a second value for the same labels.
    private(set) var samplesDropped: UInt64 = 0

    init(samplesMax: Int) {
        self.samplesMax = samplesMax
    }

    /// Hands in one value, with the values of the labels in the order in which they were declared.
    package mutating func record(_ metric: CollectedMetric, _ value: Double, _ labelValues: [String] = []) {
        precondition(labelValues.count == metric.labelCount, "\(metric.name) has \(metric.labelCount) labels")
        guard self.sampleCount < self.samplesMax, self.seen.insert([metric.name] + labelValues).inserted else {
            self.samplesDropped += 1
            return
        }
        self.sampleCount += 1
        self.samples[metric.name, default: []].append(Sample(labelValues: labelValues, value: value))
    }

    /// The same for a whole number.
    package mutating func record(_ metric: CollectedMetric, _ value: some BinaryInteger, _ labelValues: [String] = []) {
        self.record(metric, Double(value), labelValues)
    }
}
