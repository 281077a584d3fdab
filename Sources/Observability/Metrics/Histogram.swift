// SPDX-License-Identifier: Apache-2.0

import Synchronization

/// How a histogram divides its values: each bucket ends at twice the end of the one before.
///
/// Fixed, so that finding the bucket is a few instructions and all nodes can be added up.
package struct HistogramScale: Sendable, Hashable {
    /// The end of the first bucket, in the unit that values are observed in.
    let firstBound: UInt64
    /// Without the last one, which has no end.
    let boundCount: Int
    /// Observed units in one unit of the exposition.
    let unitsPerExposed: Double

    /// Observed in nanoseconds, shown in seconds: 100 µs to 52 s.
    package static let seconds = HistogramScale(firstBound: 100_000, boundCount: 20, unitsPerExposed: 1e9)
    /// Things in a batch: 1 to 65,536.
    package static let items = HistogramScale(firstBound: 1, boundCount: 17, unitsPerExposed: 1)
    /// Sizes: 64 B to 64 MiB.
    package static let bytes = HistogramScale(firstBound: 64, boundCount: 21, unitsPerExposed: 1)

    /// The index of the first bucket whose end is not below the value.
    func bucket(of value: UInt64) -> Int {
        guard value > 0 else { return 0 }
        let multiple = (value - 1) / self.firstBound
        return min(UInt64.bitWidth - multiple.leadingZeroBitCount, self.boundCount)
    }

    /// The end of a bucket as it is shown.
    func bound(_ index: Int) -> Double {
        Double(self.firstBound << UInt64(index)) / self.unitsPerExposed
    }
}

/// Counts of values by size. Made by ``MetricsRegistry``; safe from any thread, two atomic additions per call.
package final class Histogram: Sendable {
    static let bucketsMax = 32

    let scale: HistogramScale
    private let counts = InlineArray<32, Atomic<UInt64>> { _ in Atomic(0) }
    private let total = Atomic<UInt64>(0)

    init(scale: HistogramScale) {
        precondition(scale.boundCount < Self.bucketsMax, "a histogram has at most \(Self.bucketsMax) buckets")
        self.scale = scale
    }

    /// Counts one value, in the unit of the scale: nanoseconds, items or bytes.
    package func observe(_ value: UInt64) {
        self.counts[self.scale.bucket(of: value)].wrappingAdd(1, ordering: .relaxed)
        self.total.wrappingAdd(value, ordering: .relaxed)
    }

    /// Counts one duration, for ``HistogramScale/seconds``. A negative one, from a clock set back, counts as none.
    package func observe(_ duration: Duration) {
        let (seconds, attoseconds) = duration.components
        guard seconds >= 0, attoseconds >= 0 else { return self.observe(UInt64(0)) }
        let (whole, overflow) = UInt64(seconds).multipliedReportingOverflow(by: 1_000_000_000)
        self.observe(overflow ? UInt64(Int64.max) : whole &+ UInt64(attoseconds / 1_000_000_000))
    }

    /// What has been counted so far. The count is the sum of the buckets, so the two never disagree.
    func snapshot() -> (counts: [UInt64], sum: Double) {
        let counts = (0...self.scale.boundCount).map { self.counts[$0].load(ordering: .relaxed) }
        return (counts, Double(self.total.load(ordering: .relaxed)) / self.scale.unitsPerExposed)
    }

    /// How many values were counted.
    package var count: UInt64 {
        self.snapshot().counts.reduce(0, &+)
    }
}
