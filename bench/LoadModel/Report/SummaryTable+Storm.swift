// SPDX-License-Identifier: Apache-2.0

extension SummaryTable {
    /// Losses and returns; nothing when nothing was lost.
    mutating func writeReturns() {
        let returns = self.report.returns
        guard returns.lost > 0 else { return }
        self.row("connections", ["lost", "cut by us", "back", "not back", "told to wait"])
        self.row(
            "",
            [returns.lost, returns.dropped, returns.back, returns.away, returns.sessionsRateLimited].map(String.init)
        )
        self.row("milliseconds", ["p50", "p90", "p99", "p99.9", "max"])
        self.latency("back after", returns.timeBack)
        if returns.rateLimited > 0 {
            self.lines.append(
                "  rate_limited: \(returns.rateLimited), to wait \(Self.seconds(returns.retryAfterMillisecondsTotal)) s "
                    + "in all, \(Self.seconds(returns.retryAfterMillisecondsMax)) s at most"
            )
        }
        for (reason, count) in returns.lossesByReason.sorted(by: { $0.key < $1.key }) {
            self.lines.append("  lost with \(reason): \(count)")
        }
        for (name, count) in returns.errors.sorted(by: { $0.key < $1.key }) {
            self.lines.append("  error \(name): \(count)")
            if let message = returns.firstMessages[name], !message.isEmpty {
                self.lines.append("    \(message.prefix(Self.messageCharactersMax))")
            }
        }
        self.lines.append("")
    }

    /// Resident memory; nothing when no node was watched.
    mutating func writeMemory() {
        guard !self.report.memory.isEmpty else { return }
        self.row("MiB resident", ["at start", "before storm", "peak", "at end", "samples"])
        for node in self.report.memory {
            let cells = [node.atStart, node.before, node.peak, node.atEnd].map { bytes in
                bytes.map { Self.number(Double($0) / 1_048_576, digits: 1) } ?? "-"
            }
            self.row(node.node, cells + ["\(node.samples)"])
            if node.missed > 0 { self.lines.append("  did not answer: \(node.missed) times") }
        }
        self.lines.append("")
    }

    mutating func writeStorm() {
        guard let rule = self.report.storm else { return }
        let findings = rule.findings(self.report.returns, self.report.memory)
        guard findings.isEmpty else {
            self.lines.append("storm: FAILED")
            self.lines += findings.map { "  \($0)" }
            return
        }
        let slowest = Self.number(self.report.returns.timeBack.max / 1000, digits: 1)
        self.lines.append(
            "storm: held. \(self.report.returns.lost) sessions lost, all back within \(slowest) s, "
                + "nothing but rate_limited seen"
        )
    }

    /// Of what came with an error; the JSON file has more.
    private static let messageCharactersMax = 90

    private static func seconds(_ milliseconds: Int) -> String {
        Self.number(Double(milliseconds) / 1000, digits: 1)
    }
}
