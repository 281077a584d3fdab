// SPDX-License-Identifier: Apache-2.0

/// How the latencies of a run are spread: the curve of the percentiles, and how many lie in which range.
package struct LatencyDistribution: Sendable, Codable, Equatable {
    package struct Point: Sendable, Codable, Equatable {
        /// 0 to 100.
        package var percentage: Double
        /// So many percent took at most this.
        package var milliseconds: Double

        package init(percentage: Double, milliseconds: Double) {
            self.percentage = percentage
            self.milliseconds = milliseconds
        }

        private enum CodingKeys: String, CodingKey {
            case percentage = "percent"
            case milliseconds = "ms"
        }
    }

    package struct Bucket: Sendable, Codable, Equatable {
        /// Included.
        package var lower: Double
        /// Not included.
        package var upper: Double
        package var count: UInt64

        private enum CodingKeys: String, CodingKey {
            case count
            case lower = "from_ms"
            case upper = "below_ms"
        }
    }

    /// Rising in both.
    package private(set) var percentiles: [Point] = []
    /// Neighbours touch; the first and the last are not empty.
    package private(set) var buckets: [Bucket] = []

    package init() {}

    /// - Parameter buckets: Counts by ``bucket(ofMicroseconds:)``.
    init(percentiles: [Point], buckets: [Int: UInt64]) {
        self.percentiles = percentiles
        guard let first = buckets.keys.min(), let last = buckets.keys.max() else { return }
        self.buckets = (first...last).map { index in
            Bucket(
                lower: Self.lowerMilliseconds(ofBucket: index),
                upper: Self.lowerMilliseconds(ofBucket: index + 1),
                count: buckets[index] ?? 0
            )
        }
    }

    // MARK: - Buckets

    /// Bounds of each power of ten, preferred numbers (ISO 3, R10): every bucket is about a quarter wider than the one
    /// before it, so that one scale fits from microseconds to minutes.
    private static let bounds: [Double] = [1, 1.25, 1.6, 2, 2.5, 3.15, 4, 5, 6.3, 8]

    /// Ranges rise with their number, which is 0 for everything below 10 µs.
    static func bucket(ofMicroseconds microseconds: UInt64) -> Int {
        guard microseconds >= 10 else { return 0 }
        var decade = 0
        var power = 10.0
        while Double(microseconds) >= power * 10 {
            power *= 10
            decade += 1
        }
        let place = Self.bounds.lastIndex { Double(microseconds) >= $0 * power } ?? 0
        return 1 + decade * Self.bounds.count + place
    }

    static func lowerMilliseconds(ofBucket index: Int) -> Double {
        guard index > 0 else { return 0 }
        var power = 10.0
        for _ in 0..<((index - 1) / Self.bounds.count) { power *= 10 }
        return Self.bounds[(index - 1) % Self.bounds.count] * power / 1000
    }

    // MARK: - Percentiles

    /// The percentages worth telling of so many values: five steps for every halving of what is left above, up to the
    /// one beyond which a single value lies, and 100.
    static func percentages(count: UInt64) -> [Double] {
        var percentages: [Double] = []
        var rest = 1.0
        while rest * Double(count) > 1, percentages.count < Self.pointsMax {
            for step in 0..<5 {
                let above = rest * (1 - Double(step) / 10)
                if above * Double(count) >= 1 { percentages.append(100 * (1 - above)) }
            }
            rest /= 2
        }
        return percentages + [100]
    }

    /// 32 halvings: more values than a run can have.
    private static let pointsMax = 5 * 32
}
