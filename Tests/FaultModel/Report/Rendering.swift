// SPDX-License-Identifier: Apache-2.0

/// Text for people.
package enum Rendering {
    /// Seconds with as many digits as say something.
    package static func seconds(_ time: Microseconds) -> String {
        let milliseconds = (time + 500) / 1000
        let fraction = String(milliseconds % 1000 + 1000).dropFirst()
        return time < 10_000_000
            ? "\(milliseconds / 1000).\(fraction.prefix(2))" : "\(milliseconds / 1000).\(fraction.prefix(1))"
    }

    /// Columns as wide as their widest cell; the first to the left, the others to the right, the last to the left.
    package static func table(_ rows: [[String]]) -> String {
        let columns = rows.map(\.count).max() ?? 0
        let widths = (0..<columns).map { column in
            rows.map { column < $0.count ? $0[column].count : 0 }.max() ?? 0
        }
        return rows.map { row in
            row.enumerated().map { column, cell in
                let padding = String(repeating: " ", count: widths[column] - cell.count)
                if column == columns - 1 { return cell }
                return column == 0 ? cell + padding : padding + cell
            }.joined(separator: "  ")
        }.joined(separator: "\n")
    }

    /// The table at the end of a run.
    package static func table(_ summaries: [FaultSummary]) -> String {
        let header = [
            "fault", "times", "ack p50", "p99", "max", "after", "no ack", "delivery p50", "p99", "max",
            "no delivery", "presence", "healing", "verdict",
        ]
        return Self.table(
            [header]
                + summaries.map { summary in
                    [
                        summary.kind.rawValue,
                        summary.combined == 0 ? "\(summary.alone)" : "\(summary.alone)+\(summary.combined)",
                        Self.seconds(summary.acknowledgement.median),
                        Self.seconds(summary.acknowledgement.percentile99),
                        Self.seconds(summary.acknowledgement.longest),
                        Self.seconds(summary.acknowledgementAfter),
                        Self.seconds(summary.anyAcknowledgement),
                        Self.seconds(summary.delivery.median),
                        Self.seconds(summary.delivery.percentile99),
                        Self.seconds(summary.delivery.longest),
                        Self.seconds(summary.anyDelivery),
                        Self.seconds(summary.presence),
                        Self.seconds(summary.healing),
                        summary.verdict,
                    ]
                }
        )
    }

    package static let legend = """
        Seconds. times: injections alone + together with another fault; the figures are of those alone, where there are any.
        ack: the longest time any sender waited for the acknowledgement of a message, from the injection to 5 s after it was
        undone; p50, p99 and max over injections. after: how long after it was undone (a server promoted, a process started) the
        last of those acknowledgements came. no ack: the longest time in which nobody at all got one.
        delivery: the longest time from an acknowledgement to the arrival at a device that is always there. no delivery: the
        longest time in which nothing arrived live anywhere. presence: the longest time in which such a device showed
        somebody as connected who was not, or the other way round; whoever leaves is shown for a second more. healing: from
        being undone to everything going on again.
        """

    /// What the audit looked at, then every violation that is kept.
    package static func text(_ result: AuditResult) -> String {
        var lines = [
            """
            audit: \(result.acknowledged) acknowledged, \(result.refused) refusals, \(result.stored) stored, \
            \(result.deliveries) deliveries, \(result.lists) lists of devices, \(result.removals) removals, \
            \(result.sightings) sightings of users, \(result.receipts) receipts as seen by a device, \
            \(result.views) views, \(result.writes) writes
            """
        ]
        for violation in result.violations {
            let time = violation.at.map { " at \(Self.seconds($0)) s" } ?? ""
            lines.append("violation \(violation.kind.rawValue)\(time): \(violation.detail)")
        }
        for (kind, count) in result.countByKind.sorted(by: { $0.key.rawValue < $1.key.rawValue })
        where count > AuditResult.violationsPerKindMax {
            lines.append("violation \(kind.rawValue): \(count) in all, \(AuditResult.violationsPerKindMax) are shown")
        }
        return lines.joined(separator: "\n")
    }
}
