// SPDX-License-Identifier: Apache-2.0

import LoadModel
import Testing

@Suite("The report of a load run")
struct ReportTests {
    private func verdict(held: Bool, failures: Int = 0, allowed: Int = 0, lateness: Int64 = 0) -> Verdict {
        var audit = AuditResult()
        if !held { audit.note(Violation(.lost, conversation: 0, seq: 1, "planted")) }
        return Verdict(
            audit: audit,
            failures: failures,
            failuresAllowed: allowed,
            lateness: lateness,
            plannedNanoseconds: 100_000_000_000
        )
    }

    @Test("exit codes")
    func verdicts() {
        #expect(self.verdict(held: true) == .held)
        #expect(self.verdict(held: false) == .violated)
        #expect(self.verdict(held: false, failures: 3) == .violated)
        #expect(self.verdict(held: true, failures: 1) == .belowPlan)
        #expect(self.verdict(held: true, failures: 3, allowed: 3) == .held)
        #expect(self.verdict(held: true, lateness: 1_000_000_000) == .held)
        #expect(self.verdict(held: true, lateness: 1_000_000_001) == .belowPlan)
        var audit = AuditResult()
        audit.deliveriesToAbsent = 1
        let absent = Verdict(audit: audit, failures: 0, failuresAllowed: 0, lateness: 0, plannedNanoseconds: 1)
        #expect(absent == .belowPlan)
        #expect(Verdict.allCases.map(\.rawValue) == [0, 1, 2, 3, 4, 5])
    }

    @Test("numbers have a fixed count of digits behind the point")
    func numbers() {
        #expect(SummaryTable.number(0, digits: 2) == "0.00")
        #expect(SummaryTable.number(1.005, digits: 1) == "1.0")
        #expect(SummaryTable.number(12.345, digits: 2) == "12.35")
        #expect(SummaryTable.number(0.999, digits: 2) == "1.00")
        #expect(SummaryTable.number(-0.04, digits: 1) == "0.0")
        #expect(SummaryTable.number(-3.26, digits: 1) == "-3.3")
        #expect(SummaryTable.number(7, digits: 0) == "7")
    }

    @Test("the summary shows what matters, and of many violations the first twenty")
    func summary() {
        var report = RunReport()
        report.run = "abc"
        report.counts.offered = 1234
        report.counts.failed = ["overloaded": 5]
        report.pauses.withoutAcknowledgement = .init(start: 3200, milliseconds: 417)
        #expect(SummaryTable.text(of: report).contains("audit: held"))
        for seq in 1...30 {
            report.audit.note(Violation(.undelivered, conversation: 3, seq: UInt64(seq), user: 9, "planted"))
        }
        let text = SummaryTable.text(of: report)
        for part in ["1234", "failed with overloaded: 5", "417 ms (at 3.20 s)", "FAILED, 30 violations", "and 10 more"]
        {
            #expect(text.contains(part), "\(part)")
        }
        #expect(text.contains("conversation 3 seq 20 user 9"))
        #expect(!text.contains("seq 21"))
        #expect(text.split(separator: "\n").allSatisfy { $0.count <= 100 })
    }

    @Test("the summary tells what each node took, and what a delivery cost")
    func nodes() {
        let text = SummaryTable.text(of: SampleReport.make { _ in 1 })
        // Node 0 takes a tenth of a core, node 1 two tenths, and 50 deliveries are made in a second.
        let lines = text.split(separator: "\n").map { $0.split(separator: " ") }
        #expect(lines.contains(["node-0", "10.0", "2,000", "40.0", "0"]), "\(text)")
        #expect(lines.contains(["node-1", "20.0", "4,000", "40.0", "0"]), "\(text)")
        #expect(lines.contains(["node-2", "30.0", "40.0", "0"]), "the load generator costs the cluster nothing")
        #expect(lines.contains(["all", "watched", "6,000"]), "\(text)")
        #expect(text.split(separator: "\n").allSatisfy { $0.count <= 100 })
    }

    @Test("counts of two loops add up")
    func counts() {
        var one = RunCounts()
        one.offered = 3
        one.failed = ["timed_out": 1]
        var other = RunCounts()
        other.offered = 4
        other.failed = ["timed_out": 2, "overloaded": 1]
        other.deliveredByCatchUp = 6
        one += other
        #expect(one.offered == 7)
        #expect(one.failed == ["timed_out": 3, "overloaded": 1])
        #expect(one.failedInAll == 4)
        #expect(one.delivered == 6)
    }
}
