// SPDX-License-Identifier: Apache-2.0

/// The middle of several repetitions, and how far apart they are.
package struct Statistics: Sendable, Equatable {
    package var median: Double
    /// Between the first and the third quarter, by the median; 0 for a single value.
    package var spread: Double

    /// Nil without values.
    package init?(_ values: [Double]) {
        guard let median = Self.quantile(0.5, of: values), let low = Self.quantile(0.25, of: values),
            let high = Self.quantile(0.75, of: values)
        else { return nil }
        self.median = median
        self.spread = median == 0 ? 0 : (high - low) / median
    }

    /// Between the two nearest values in proportion (Hyndman and Fan 1996, definition 7). Nil without values.
    package static func quantile(_ part: Double, of values: [Double]) -> Double? {
        guard !values.isEmpty else { return nil }
        let sorted = values.sorted()
        let position = min(max(part, 0), 1) * Double(sorted.count - 1)
        let below = Int(position)
        let above = min(below + 1, sorted.count - 1)
        return sorted[below] + (sorted[above] - sorted[below]) * (position - Double(below))
    }
}
