// SPDX-License-Identifier: Apache-2.0

import Foundation

/// What people read.
package enum MicroTable {
    package static let header = Self.line(
        ["benchmark", "ns", "spread", "bytes", "allocations", "allocated bytes", "instructions"]
    )

    package static func row(_ measurement: BenchmarkResult) -> String {
        Self.line([
            measurement.name, Self.number(measurement.nanoseconds), Self.percent(measurement.spread),
            measurement.bytes == 0 ? "-" : String(measurement.bytes), Self.optional(measurement.allocations),
            Self.optional(measurement.allocatedBytes), Self.optional(measurement.instructions),
        ])
    }

    package static let comparisonHeader = Self.line([
        "ratio to the baseline", "time", "", "", "allocations", "", "instructions",
    ])

    package static func row(_ comparison: MicroReport.Comparison) -> String {
        Self.line([
            comparison.name, Self.ratio(comparison.time), comparison.isBeyondSpread ? "" : "same", "",
            Self.ratio(comparison.allocations), "", Self.ratio(comparison.instructions),
        ])
    }

    private static func line(_ cells: [String]) -> String {
        let widths = [38, 12, 8, 9, 12, 16, 14]
        return zip(cells, widths).enumerated().map { index, cell in
            let padding = String(repeating: " ", count: max(0, cell.1 - cell.0.count))
            return index == 0 ? cell.0 + padding : padding + cell.0
        }.joined()
    }

    /// With as many digits as mean something.
    package static func number(_ value: Double) -> String {
        String(format: value < 100 ? "%.2f" : "%.0f", value)
    }

    package static func percent(_ part: Double) -> String {
        String(format: "%.1f %%", part * 100)
    }

    private static func optional(_ value: Double?) -> String {
        value.map(Self.number) ?? "n/a"
    }

    private static func ratio(_ value: Double?) -> String {
        value.map { String(format: "%.2f", $0) } ?? "n/a"
    }
}
