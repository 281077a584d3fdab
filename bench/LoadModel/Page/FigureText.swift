// SPDX-License-Identifier: Apache-2.0

/// Figures as a person reads them.
package enum FigureText {
    /// Stands where there is no figure.
    package static let none = "–"

    /// Groups of three digits.
    package static func count(_ value: some BinaryInteger) -> String {
        Self.grouped(String(value))
    }

    /// With so many digits behind the point that three or four count: 0.0123, 1.23, 12.3, 1,234.
    package static func plain(_ value: Double?) -> String {
        guard let value, value.isFinite else { return Self.none }
        let digits =
            switch abs(value) {
            case 0: 0
            case ..<0.1: 4
            case ..<1: 3
            case ..<10: 2
            case ..<100: 1
            default: 0
            }
        return Self.fixed(value, digits: digits)
    }

    package static func fixed(_ value: Double?, digits: Int) -> String {
        guard let value, value.isFinite else { return Self.none }
        return Self.grouped(SummaryTable.number(value, digits: digits))
    }

    package static func milliseconds(_ value: Double?) -> String {
        value.map { "\(Self.plain($0)) ms" } ?? Self.none
    }

    package static func mebibytes(_ bytes: Int?) -> String {
        Self.fixed(bytes.map { Double($0) / 1_048_576 }, digits: 1)
    }

    /// 100 for one core.
    package static func percentOfCore(_ cores: Double?) -> String {
        cores.map { "\(Self.fixed($0 * 100, digits: 1)) %" } ?? Self.none
    }

    /// 45 s, 2 min 5 s, 1 h 0 min.
    package static func span(_ seconds: Double) -> String {
        guard seconds.isFinite, seconds >= 0, seconds < 1e9 else { return Self.none }
        if seconds < 60 { return "\(Self.trimmed(seconds)) s" }
        let whole = Int(seconds.rounded())
        let (large, small) = whole < 3600 ? (whole / 60, whole % 60) : (whole / 3600, whole % 3600 / 60)
        let units = whole < 3600 ? ("min", "s") : ("h", "min")
        return "\(large) \(units.0)" + (small > 0 ? " \(small) \(units.1)" : "")
    }

    /// At most two digits behind the point, and no zeros at the end.
    package static func trimmed(_ value: Double) -> String {
        var text = Self.fixed(value, digits: 2)
        guard text.contains(".") else { return text }
        while text.hasSuffix("0") { text.removeLast() }
        if text.hasSuffix(".") { text.removeLast() }
        return text
    }

    static func grouped(_ number: String) -> String {
        let start = number.firstIndex { $0.isNumber } ?? number.startIndex
        let end = number.firstIndex(of: ".") ?? number.endIndex
        guard start <= end, number[start..<end].allSatisfy(\.isNumber) else { return number }
        var digits = ""
        for (place, digit) in number[start..<end].reversed().enumerated() {
            if place > 0, place.isMultiple(of: 3) { digits.append(",") }
            digits.append(digit)
        }
        return number[..<start] + String(digits.reversed()) + number[end...]
    }
}
