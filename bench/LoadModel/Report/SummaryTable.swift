// SPDX-License-Identifier: Apache-2.0

/// The report as a person reads it, at most 100 columns wide.
package struct SummaryTable {
    /// Violations that are shown; the JSON file has more.
    package static let violationsShownMax = 20

    let report: RunReport
    var lines: [String] = []

    package static func text(of report: RunReport) -> String {
        var table = SummaryTable(report: report)
        table.write()
        return table.lines.joined(separator: "\n")
    }

    private init(report: RunReport) {
        self.report = report
    }

    private mutating func write() {
        self.writeHead()
        self.writeCounts()
        self.writeLatencies()
        self.writeRamp()
        self.writeSessions()
        self.writeConnects()
        self.writeChanges()
        self.writeReturns()
        self.writeNodes()
        self.writeMemory()
        self.writeStorm()
        self.writeAudit()
    }

    private mutating func writeHead() {
        let settings = self.report.settings
        let edges = settings.edges.count == 1 ? "1 edge" : "\(settings.edges.count) edges"
        self.lines.append("trunkline-load, run \(self.report.run), seed \(settings.seed)")
        let devices = settings.devicesPerUser ?? 1
        let upTo = settings.scenario == .mixed ? "up to " : ""
        let processes = settings.processes ?? 1
        self.lines.append(
            "\(settings.scenario.rawValue): \(settings.users) users\(devices > 1 ? " with \(devices) devices" : "") on \(edges), "
                + "\(settings.conversations) conversations of \(upTo)\(settings.groupSize), bodies of \(settings.bodyBytes) bytes, "
                + "\(settings.subprotocol ?? "json")\(processes > 1 ? ", \(processes) processes" : "")"
        )
        self.lines.append(
            (self.report.ramp == nil ? "" : "a ramp from ")
                + "\(Self.number(settings.messagesPerSecond, digits: 1)) messages/s\(self.report.ramp == nil ? " for" : ", each step") "
                + "\(Self.number(settings.durationSeconds, digits: 1)) s after "
                + "\(Self.number(settings.warmUpSeconds, digits: 1)) s of warm-up; "
                + "setup \(Self.number(self.report.setupSeconds, digits: 1)) s, "
                + "drain \(Self.number(self.report.drainSeconds, digits: 1)) s, "
                + "audit \(Self.number(self.report.auditSeconds, digits: 1)) s"
        )
        self.lines.append("")
    }

    private mutating func writeCounts() {
        let counts = self.report.counts
        self.row("messages", ["offered", "sent", "acknowledged", "as duplicate", "failed"])
        self.row(
            "",
            [counts.offered, counts.sent, counts.acknowledged, counts.acknowledgedAsDuplicate, counts.failedInAll]
                .map(String.init)
        )
        for (code, count) in counts.failed.sorted(by: { $0.key < $1.key }) {
            self.lines.append("  failed with \(code): \(count)")
        }
        if counts.storedWithoutAcknowledgement > 0 {
            self.lines.append("  stored, never acknowledged (outcome unknown): \(counts.storedWithoutAcknowledgement)")
        }
        self.row("deliveries", ["expected", "delivered", "live", "by catch-up"])
        self.row(
            "",
            [counts.expectedDeliveries, counts.delivered, counts.deliveredLive, counts.deliveredByCatchUp]
                .map(String.init)
        )
        self.lines.append("")
    }

    private mutating func writeLatencies() {
        self.row("milliseconds", ["p50", "p90", "p99", "p99.9", "max"])
        self.latency("acknowledged", self.report.acknowledgementLatency)
        self.latency("delivered", self.report.deliveryLatency)
        self.latency("sent late", self.report.generatorLateness)
        let pauses = self.report.pauses
        self.lines.append(
            "longest pause: \(Self.pause(pauses.withoutAcknowledgement)) without an acknowledgement, "
                + "\(Self.pause(pauses.withoutDelivery)) without a delivery"
        )
        self.lines.append("")
    }

    private mutating func writeSessions() {
        let sessions = self.report.sessions
        self.row("sessions", ["connected", "lost", "ended", "sends again", "resync"])
        self.row(
            "",
            [
                sessions.connected, sessions.disconnections, sessions.ended, sessions.repeatedSends, sessions.resyncs,
            ].map(String.init)
        )
        self.row("on the wire", ["gaps", "duplicates", "out of order", "pages", "late at end"])
        self.row(
            "",
            [
                sessions.gaps, sessions.liveDuplicates, sessions.liveOutOfOrder, sessions.pagesFetched,
                sessions.completedByFinalCatchUp,
            ].map(String.init)
        )
        for (code, count) in sessions.retryableErrors.sorted(by: { $0.key < $1.key }) {
            self.lines.append("  asked to try again with \(code): \(count)")
        }
        self.lines.append("")
    }

    private mutating func writeAudit() {
        let audit = self.report.audit
        if audit.held {
            self.lines.append(
                "audit: held. \(audit.acknowledged) acknowledged messages in \(audit.conversations) conversations, "
                    + "each at every receiver once, in order"
            )
            if let count = audit.notCompared, count > 0 {
                self.lines.append(
                    "  of \(count) deliveries to devices that were far behind only order and bodies were looked at"
                )
            }
            if audit.deliveriesToAbsent > 0 {
                self.lines.append(
                    "  but for \(audit.deliveriesToAbsent) deliveries to devices that were not connected at the end"
                )
            }
        } else {
            self.lines.append("audit: FAILED, \(audit.violationCount) violations")
            for (kind, count) in audit.countByKind.sorted(by: { $0.key < $1.key }) {
                self.lines.append("  \(kind): \(count)")
            }
            for violation in audit.violations.prefix(Self.violationsShownMax) {
                self.lines.append("  \(violation.line)")
            }
            let left = audit.violationCount - min(audit.violationCount, Self.violationsShownMax)
            if left > 0 { self.lines.append("  and \(left) more") }
        }
        if self.report.isCutShort == true {
            self.lines.append(
                "cut short by --fail-fast: what was under way was not waited for, histories were not read"
            )
        }
        if self.report.verdict == .belowPlan {
            self.lines.append(
                "below plan: messages failed for good, the rate was not reached, sessions stayed away, or no step held"
            )
        }
    }

    mutating func latency(_ name: String, _ summary: LatencySummary) {
        guard summary.count > 0 else {
            self.row("  \(name)", Array(repeating: "-", count: 5))
            return
        }
        self.row(
            "  \(name)",
            [summary.p50, summary.p90, summary.p99, summary.p999, summary.max].map { Self.number($0, digits: 2) }
        )
    }

    mutating func row(_ name: String, _ cells: [String]) {
        let first = name + String(repeating: " ", count: max(0, 16 - name.count))
        let rest = cells.map { String(repeating: " ", count: max(1, 14 - $0.count)) + $0 }.joined()
        self.lines.append(first + rest)
    }

    private static func pause(_ pause: EventTimeline.Pause) -> String {
        "\(pause.milliseconds) ms (at \(Self.number(Double(pause.start) / 1000, digits: 2)) s)"
    }

    /// With a fixed number of digits behind the point.
    package static func number(_ value: Double, digits: Int) -> String {
        guard value.isFinite, abs(value) < 1e12 else { return "\(value)" }
        var scale: Int64 = 1
        for _ in 0..<digits { scale *= 10 }
        let scaled = Int64((abs(value) * Double(scale)).rounded())
        let sign = value < 0 && scaled > 0 ? "-" : ""
        guard digits > 0 else { return "\(sign)\(scaled)" }
        let fraction = String(scaled % scale)
        return "\(sign)\(scaled / scale)." + String(repeating: "0", count: digits - fraction.count) + fraction
    }
}
