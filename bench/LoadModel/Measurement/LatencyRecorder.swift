// SPDX-License-Identifier: Apache-2.0

import Histogram

/// Times in microseconds, to two or three significant digits (HdrHistogram).
package struct LatencyRecorder: Sendable {
    /// Ten minutes; longer times count as that.
    package static let microsecondsMax: UInt64 = 600_000_000

    /// Significant digits: what each recorder costs. Only recorders of one precision can be merged.
    package enum Precision: String, Sendable, Codable {
        /// 23 KiB, a time is right to a hundredth: for one interval of many.
        case two
        /// 170 KiB, a time is right to a thousandth: for a whole run.
        case three
    }

    private var histogram: Histogram<UInt64>
    private let precision: Precision

    package init(_ precision: Precision = .three) {
        self.precision = precision
        self.histogram = Histogram<UInt64>(
            lowestDiscernibleValue: 1,
            highestTrackableValue: Self.microsecondsMax,
            numberOfSignificantValueDigits: precision == .two ? .two : .three
        )
    }

    /// - Parameter count: How often it was that long.
    package mutating func record(nanoseconds: Int64, count: Int = 1) {
        let microseconds = min(UInt64(max(0, nanoseconds)) / 1000, Self.microsecondsMax)
        _ = self.histogram.record(microseconds, count: UInt64(count))
    }

    package mutating func merge(_ other: LatencyRecorder) {
        self.histogram.add(other.histogram)
    }

    package var count: UInt64 { self.histogram.totalCount }

    package var summary: LatencySummary {
        guard self.count > 0 else { return LatencySummary() }
        var summary = LatencySummary()
        summary.count = self.count
        summary.mean = self.histogram.mean / 1000
        summary.p50 = self.milliseconds(50)
        summary.p90 = self.milliseconds(90)
        summary.p99 = self.milliseconds(99)
        summary.p999 = self.milliseconds(99.9)
        summary.max = Double(self.histogram.max) / 1000
        return summary
    }

    package var distribution: LatencyDistribution {
        guard self.count > 0 else { return LatencyDistribution() }
        let points = LatencyDistribution.percentages(count: self.count).map { percentage in
            LatencyDistribution.Point(percentage: percentage, milliseconds: self.milliseconds(percentage))
        }
        var buckets: [Int: UInt64] = [:]
        for value in self.histogram.recordedValues() {
            buckets[LatencyDistribution.bucket(ofMicroseconds: value.value), default: 0] += value.count
        }
        return LatencyDistribution(percentiles: points, buckets: buckets)
    }

    private func milliseconds(_ percentage: Double) -> Double {
        Double(percentage < 100 ? self.histogram.valueAtPercentile(percentage) : self.histogram.max) / 1000
    }
}

extension LatencyRecorder: Codable {
    private enum CodingKeys: String, CodingKey {
        case precision, microseconds, counts
    }

    /// Only what is not empty is written: a value of each range that has some, and how many. What is read back counts,
    /// merges and tells the same.
    package func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: CodingKeys.self)
        try container.encode(self.precision, forKey: .precision)
        var values = self.histogram.recordedValues().map { (microseconds: $0.value, count: $0.count) }
        // The smallest and the largest are known exactly, and are to stay so.
        if let first = values.first, first.count > 1 {
            values[0].count -= 1
            values.insert((self.histogram.min, 1), at: 0)
        }
        if !values.isEmpty { values[values.count - 1].microseconds = self.histogram.maxRecorded }
        if values.count > 1 { values[0].microseconds = self.histogram.min }
        try container.encode(values.map(\.microseconds), forKey: .microseconds)
        try container.encode(values.map(\.count), forKey: .counts)
    }

    package init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        self.init(try container.decode(Precision.self, forKey: .precision))
        let values = try container.decode([UInt64].self, forKey: .microseconds)
        let counts = try container.decode([UInt64].self, forKey: .counts)
        for (value, count) in zip(values, counts) {
            _ = self.histogram.record(min(value, Self.microsecondsMax), count: count)
        }
    }
}

/// Milliseconds.
package struct LatencySummary: Sendable, Codable, Equatable {
    package var count: UInt64 = 0
    package var mean = 0.0
    package var p50 = 0.0
    package var p90 = 0.0
    package var p99 = 0.0
    package var p999 = 0.0
    package var max = 0.0

    package init() {}

    private enum CodingKeys: String, CodingKey {
        case count
        case mean = "mean_ms"
        case p50 = "p50_ms"
        case p90 = "p90_ms"
        case p99 = "p99_ms"
        case p999 = "p99_9_ms"
        case max = "max_ms"
    }
}
