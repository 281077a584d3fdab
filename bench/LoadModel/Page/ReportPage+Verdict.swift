// SPDX-License-Identifier: Apache-2.0

extension ReportPage {
    func writeVerdict(into markup: inout Markup) {
        let (style, head, text) = self.verdict
        markup.element("div", ["class": "verdict \(style)", "role": "status"]) { markup in
            markup.element("strong", head)
            markup.element("p", text)
            if let rule = self.report.storm {
                let findings = rule.findings(self.report.returns, self.report.memory)
                if !findings.isEmpty {
                    markup.element("ul", ["class": "notes"]) { markup in
                        for finding in findings { markup.element("li", finding) }
                    }
                }
            }
            if !self.report.audit.held { self.writeViolations(into: &markup) }
        }
    }

    private var verdict: (style: String, head: String, text: String) {
        let audit = self.report.audit
        let code = "Exit code \(self.report.verdict.rawValue)."
        let held =
            "\(FigureText.count(audit.acknowledged)) acknowledged messages in \(FigureText.count(audit.conversations)) "
            + "conversations: each is in the history, and reached every receiver once and in order."
        switch self.report.verdict {
        case .held:
            return ("good", "The audit held", "\(held) \(code)")
        case .violated:
            return (
                "bad", "The audit found \(FigureText.count(audit.violationCount)) violations",
                "What was acknowledged is not what was stored or delivered. \(code)"
            )
        case .belowPlan:
            let reasons =
                "But \(FigureText.count(self.report.counts.failedInAll)) messages failed for good "
                + "(allowed: \(self.report.settings.allowedFailures)), "
                + "\(FigureText.count(audit.deliveriesToAbsent)) deliveries were to devices that were away at the end, and "
                + "the sending was at most \(FigureText.milliseconds(self.report.generatorLateness.max)) late."
            return ("warn", "The audit held, the plan was not reached", "\(held) \(reasons) \(code)")
        case .stormFailed:
            return ("bad", "The audit held, the storm was not weathered", "\(held) \(code)")
        case .usage, .setupFailed:
            return ("bad", "The run did not come about", code)
        }
    }

    private func writeViolations(into markup: inout Markup) {
        let audit = self.report.audit
        let kinds = audit.countByKind.sorted { $0.key < $1.key }
        markup.element("p", kinds.map { "\($0.key): \(FigureText.count($0.value))" }.joined(separator: ", "))
        let shown = audit.violations.prefix(SummaryTable.violationsShownMax)
        let rows = shown.map { violation in
            [
                violation.kind.rawValue,
                (violation.process.map { "\($0): " } ?? "") + String(violation.conversation),
                violation.seq.map(String.init) ?? FigureText.none,
                violation.user.map(String.init) ?? FigureText.none, violation.detail,
            ]
        }
        markup.element("details") { markup in
            markup.element("summary", "The first \(shown.count), one by one")
            let head = ["violation", "conversation", "seq", "user", "what was seen"]
            self.table("Violations", head, rows, hasText: true, into: &markup)
        }
    }
}
