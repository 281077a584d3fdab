// SPDX-License-Identifier: Apache-2.0

/// A length of time on the command line: a number with `ms`, `s`, `m` or `h`, such as `10s`, `1.5s` or `250ms`.
package struct TimeSpan: Sendable, Equatable {
    package var nanoseconds: Int64

    package init(nanoseconds: Int64) {
        self.nanoseconds = nanoseconds
    }

    /// Returns nil for anything else, and for more than 24 hours.
    package init?(_ text: String) {
        let units: [(name: String, nanoseconds: Double)] = [
            ("ms", 1e6), ("s", 1e9), ("m", 60e9), ("h", 3600e9),
        ]
        guard let unit = units.first(where: { text.hasSuffix($0.name) }) else { return nil }
        let number = text.dropLast(unit.name.count)
        guard !number.isEmpty, number.utf8.allSatisfy({ "0123456789.".utf8.contains($0) }),
            let value = Double(number)
        else { return nil }
        let nanoseconds = value * unit.nanoseconds
        guard nanoseconds <= 24 * 3600e9 else { return nil }
        self.nanoseconds = Int64(nanoseconds.rounded())
    }

    package var seconds: Double { Double(self.nanoseconds) / 1e9 }
}
