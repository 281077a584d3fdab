// SPDX-License-Identifier: Apache-2.0

/// The figures as a block of lines for a terminal: plain text, one column a character.
package enum LiveView {
    /// Codes, and nodes, that are shown.
    package static let rowsMax = 12

    /// - Parameters:
    ///   - columns: No line is longer.
    ///   - rows: There are not more lines; the last ones, about the nodes, are left out first.
    package static func lines(of figures: LiveFigures, columns: Int, rows: Int) -> [String] {
        let all =
            Self.head(figures) + Self.violations(figures) + Self.traffic(figures) + Self.errors(figures)
            + Self.nodes(figures)
        return all.prefix(max(1, rows)).map { Self.printable($0).prefix(max(1, columns)) }.map { String($0) }
    }

    /// Names and codes come from the nodes: nothing in them may move the cursor.
    private static func printable(_ line: String) -> String {
        String(
            String.UnicodeScalarView(line.unicodeScalars.map { $0.properties.generalCategory == .control ? "?" : $0 })
        )
    }

    private static func head(_ figures: LiveFigures) -> [String] {
        let phase =
            switch figures.elapsedSeconds {
            case ..<figures.warmUpSeconds: "warm-up"
            case ..<figures.plannedSeconds: "measuring"
            default: "after the plan"
            }
        let planned = FigureText.fixed(figures.plannedSeconds, digits: 0)
        return ["\(FigureText.fixed(figures.elapsedSeconds, digits: 0)) of \(planned) s, \(phase)  \(figures.title)"]
    }

    private static func violations(_ figures: LiveFigures) -> [String] {
        guard figures.violations > 0 else { return [] }
        return ["AUDIT: \(FigureText.count(figures.violations)) violations"]
            + figures.firstViolations.prefix(CrewState.violationsNamedMax).map { "  \($0.line)" }
    }

    private static func traffic(_ figures: LiveFigures) -> [String] {
        func row(_ name: String, _ count: KeyPath<RunCounts, Int>, _ latency: LatencySummary?) -> String {
            let total = figures.counts[keyPath: count]
            let new = total - figures.countsBefore[keyPath: count]
            let rate = figures.intervalSeconds > 0 ? Double(new) / figures.intervalSeconds : 0
            let values = latency.map { [$0.p50, $0.p90, $0.p99, $0.max] } ?? []
            let cells = values.map { (latency?.count ?? 0) > 0 ? FigureText.plain($0) : FigureText.none }
            return Self.row(name, [FigureText.fixed(rate, digits: 0), FigureText.count(total)] + cells)
        }
        let away = figures.lost > 0 ? "  lost \(figures.lost), back \(figures.lost - figures.away)" : ""
        return [
            Self.row("", ["per second", "in all", "p50 ms", "p90 ms", "p99 ms", "max ms"]),
            row("offered", \.offered, nil),
            row("acknowledged", \.acknowledged, figures.acknowledgementLatency),
            row("delivered", \.delivered, figures.deliveryLatency),
            "in flight \(FigureText.count(figures.unanswered))  sessions \(FigureText.count(figures.sessionsOpen)) of "
                + "\(FigureText.count(figures.sessions))\(away)  failed \(FigureText.count(figures.failed))",
        ]
    }

    private static func errors(_ figures: LiveFigures) -> [String] {
        func listed(_ counts: [String: Int]) -> String {
            let most = counts.sorted { ($1.value, $0.key) < ($0.value, $1.key) }.prefix(Self.rowsMax)
            return most.map { "\($0.key) \(FigureText.count($0.value))" }.joined(separator: ", ")
        }
        return (figures.failures.isEmpty ? [] : ["failed for good: \(listed(figures.failures))"])
            + (figures.refusals.isEmpty ? [] : ["refused: \(listed(figures.refusals))"])
    }

    private static func nodes(_ figures: LiveFigures) -> [String] {
        guard !figures.nodes.isEmpty else { return [] }
        let shown = figures.nodes.prefix(Self.rowsMax).map { node in
            Self.row(node.name, [FigureText.percentOfCore(node.cores), FigureText.mebibytes(node.residentBytes)])
        }
        let more = figures.nodes.count - shown.count
        return [Self.row("node", ["CPU", "MiB"])] + shown + (more > 0 ? ["and \(more) more"] : [])
    }

    private static func row(_ name: String, _ cells: [String]) -> String {
        let first = String(name.prefix(Self.nameColumns))
        let rest = cells.map { String(repeating: " ", count: max(1, Self.cellColumns - $0.count)) + $0 }
        return first + String(repeating: " ", count: max(0, Self.nameColumns - first.count)) + rest.joined()
    }

    private static let nameColumns = 16
    private static let cellColumns = 11
}
