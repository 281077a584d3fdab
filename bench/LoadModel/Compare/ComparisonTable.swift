// SPDX-License-Identifier: Apache-2.0

/// A comparison as a person reads it, at most 100 columns wide.
package enum ComparisonTable {
    /// Differences below this are called the same.
    package static let samePercent = 0.05

    package static func text(of comparison: Comparison, names: (String, String)) -> String {
        var lines = [
            Self.head("A", names.0, comparison.first), Self.head("B", names.1, comparison.second), "",
        ]
        let weighty = comparison.differences.filter { $0.weight == .incomparable }
        let noted = comparison.differences.filter { $0.weight == .noted }
        if !weighty.isEmpty {
            lines.append("NOT COMPARABLE in these respects; what follows from them is in every figure below:")
            lines += weighty.map(Self.line) + [""]
        }
        if !noted.isEmpty {
            lines.append(weighty.isEmpty ? "the settings are the same but for:" : "also different:")
            lines += noted.map(Self.line) + [""]
        }
        if comparison.differences.isEmpty { lines += ["settings and machine are the same", ""] }
        lines.append(Self.row("", "A", "B", "B to A", "better"))
        lines += comparison.figures.map(Self.line)
        lines += ["", "* looked at by --fail-if-worse"]
        return lines.joined(separator: "\n")
    }

    private static func head(_ letter: String, _ name: String, _ report: RunReport) -> String {
        String("\(letter): \(name), run \(report.run), \(report.startedAt), \(report.verdict.name)".prefix(100))
    }

    private static func line(_ difference: Comparison.Difference) -> String {
        func short(_ text: String) -> String { text.isEmpty ? FigureText.none : String(text.prefix(28)) }
        return Self.padded("  \(difference.name)", 38) + Self.padded("A: \(short(difference.first))", 31)
            + " B: \(short(difference.second))"
    }

    private static func line(_ figure: Comparison.Figure) -> String {
        let unit = figure.unit.isEmpty ? "" : " (\(figure.unit))"
        return Self.row(
            "\(figure.name)\(unit)\(figure.isJudged ? " *" : "")",
            FigureText.plain(figure.first),
            FigureText.plain(figure.second),
            Self.text(ofPercent: figure.percent),
            Self.better(figure)
        )
    }

    /// With its sign; from nothing to something there is no percentage.
    package static func text(ofPercent percent: Double?) -> String {
        guard let percent else { return FigureText.none }
        guard percent.isFinite else { return percent > 0 ? "from 0" : "below 0" }
        return "\(percent > 0 ? "+" : "")\(FigureText.fixed(percent, digits: 1)) %"
    }

    private static func better(_ figure: Comparison.Figure) -> String {
        guard let worse = figure.percentWorse else { return FigureText.none }
        return abs(worse) < Self.samePercent ? "same" : worse > 0 ? "A" : "B"
    }

    private static func row(_ name: String, _ cells: String...) -> String {
        Self.padded(name, 40) + cells.map { String(repeating: " ", count: max(1, 14 - $0.count)) + $0 }.joined()
    }

    private static func padded(_ text: String, _ columns: Int) -> String {
        text + String(repeating: " ", count: max(0, columns - text.count))
    }
}
