// SPDX-License-Identifier: Apache-2.0

import Histogram

/// Times in microseconds, to three significant digits (HdrHistogram).
package struct LatencyRecorder: Sendable {
    /// Ten minutes; longer times count as that.
    package static let microsecondsMax: UInt64 = 600_000_000

    private var histogram = Histogram<UInt64>(
        lowestDiscernibleValue: 1,
        highestTrackableValue: LatencyRecorder.microsecondsMax,
        numberOfSignificantValueDigits: .three
    )

    package init() {}

    package mutating func record(nanoseconds: Int64) {
        let microseconds = min(UInt64(max(0, nanoseconds)) / 1000, Self.microsecondsMax)
        _ = self.histogram.record(microseconds)
    }

    package mutating func merge(_ other: LatencyRecorder) {
        self.histogram.add(other.histogram)
    }

    package var summary: LatencySummary {
        guard self.histogram.totalCount > 0 else { return LatencySummary() }
        func milliseconds(_ percentile: Double) -> Double {
            Double(self.histogram.valueAtPercentile(percentile)) / 1000
        }
        var summary = LatencySummary()
        summary.count = self.histogram.totalCount
        summary.mean = self.histogram.mean / 1000
        summary.p50 = milliseconds(50)
        summary.p90 = milliseconds(90)
        summary.p99 = milliseconds(99)
        summary.p999 = milliseconds(99.9)
        summary.max = Double(self.histogram.max) / 1000
        return summary
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
