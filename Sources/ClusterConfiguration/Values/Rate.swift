// SPDX-License-Identifier: Apache-2.0

/// How often something may happen, as it is written in `cluster.yaml`: `50/s burst 200`, `6/m burst 10`.
///
/// On average ``count`` in each ``period``, and ``burst`` at once after a quiet time.
package struct Rate: Hashable, Sendable, CustomStringConvertible {
    package enum Period: String, Sendable, CaseIterable {
        case second = "s"
        case minute = "m"
        case hour = "h"

        package var seconds: Int {
            switch self {
            case .second: 1
            case .minute: 60
            case .hour: 3600
            }
        }
    }

    /// Of ``count`` and of ``burst``.
    package static let bounds = 1...1_000_000
    /// What stands for "no limit".
    static let offWords = ["off", "0"]

    package let count: Int
    package let period: Period
    package let burst: Int

    /// Both numbers have to be within ``bounds``.
    package init(_ count: Int, per period: Period, burst: Int) {
        precondition(Self.bounds.contains(count) && Self.bounds.contains(burst), "a rate is within Rate.bounds")
        self.count = count
        self.period = period
        self.burst = burst
    }

    package var description: String {
        "\(self.count)/\(self.period.rawValue) burst \(self.burst)"
    }

    /// Reads a rate; nil is "off".
    static func parse(_ text: String) throws(ValueError) -> Rate? {
        if Self.offWords.contains(text) { return nil }
        let words = text.split(separator: " ", omittingEmptySubsequences: true)
        guard words.count == 3, words[1] == "burst" else { throw Self.malformed(text) }
        let parts = words[0].split(separator: "/", omittingEmptySubsequences: false)
        guard parts.count == 2, let period = Period(rawValue: String(parts[1])) else { throw Self.malformed(text) }
        return Rate(try Self.number(parts[0], in: text), per: period, burst: try Self.number(words[2], in: text))
    }

    private static func number(_ digits: Substring, in text: String) throws(ValueError) -> Int {
        guard !digits.isEmpty, digits.allSatisfy({ $0.isASCII && $0.isNumber }) else { throw Self.malformed(text) }
        guard let number = Int(digits), Self.bounds.contains(number) else {
            throw ValueError(
                "\(digits) is not within \(Self.bounds.lowerBound) to \(Self.bounds.upperBound)",
                remedy: "write a rate and a burst of \(Self.bounds.lowerBound) to \(Self.bounds.upperBound), or off"
            )
        }
        return number
    }

    private static func malformed(_ text: String) -> ValueError {
        ValueError(
            "\(quoted(text)) is not a rate",
            remedy: "write for example 50/s burst 200 (per s, m or h), or off for no limit"
        )
    }
}
