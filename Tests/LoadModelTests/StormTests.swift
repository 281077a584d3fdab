// SPDX-License-Identifier: Apache-2.0

import LoadModel
import Testing

@Suite("The figures of a storm")
struct StormTests {
    private static let second: Int64 = 1_000_000_000

    private func waiting(_ milliseconds: UInt32) -> ReturnTracker.Refusal {
        ReturnTracker.Refusal("rate_limited", retryAfterMilliseconds: milliseconds)
    }

    /// Users that lose their connections one after the other, and come back after that many seconds each.
    private func tracker(_ users: Range<Int>, backAfter seconds: Int64) -> ReturnTracker {
        var tracker = ReturnTracker()
        for user in users {
            tracker.drops(user)
            tracker.lost(user, .init("connection_lost"), at: Int64(user))
            tracker.back(user, at: Int64(user) + seconds * Self.second)
        }
        return tracker
    }

    @Test("a session is away from its loss until it is back, whatever it tries in between")
    func timeBack() {
        var tracker = ReturnTracker()
        tracker.drops(7)
        tracker.lost(7, .init("connection_lost"), at: 10 * Self.second)
        #expect(tracker.awayCount == 1)
        tracker.lost(7, .init("not_connected"), at: 11 * Self.second)
        tracker.told(7, self.waiting(1500))
        tracker.lost(7, .init("timed_out"), at: 12 * Self.second)
        tracker.back(7, at: 14 * Self.second)
        tracker.back(7, at: 15 * Self.second)
        #expect(tracker.awayCount == 0)
        let figures = tracker.summary
        #expect(figures.lost == 1)
        #expect(figures.dropped == 1)
        #expect(figures.back == 1)
        #expect(figures.lossesByReason.isEmpty)
        #expect(figures.errors == ["not_connected": 1, "timed_out": 1])
        #expect(figures.timeBack.count == 1)
        #expect(abs(figures.timeBack.max - 4000) < 4)
    }

    @Test("a loss that the generator did not cause is told with its reason; the end of an edge is no error")
    func losses() {
        var tracker = ReturnTracker()
        for (user, reason) in ["connection_lost", "closed_4000", "closed_4002", "timed_out"].enumerated() {
            tracker.lost(user, .init(reason), at: 0)
        }
        let figures = tracker.summary
        #expect(figures.lost == 4)
        #expect(figures.dropped == 0)
        #expect(
            figures.lossesByReason == ["connection_lost": 1, "closed_4000": 1, "closed_4002": 1, "timed_out": 1]
        )
        #expect(figures.errors == ["closed_4002": 1, "timed_out": 1])
    }

    @Test("a session that was on its way back when it was cut is lost once, and the cut is no error")
    func cutWhileAway() {
        var tracker = ReturnTracker()
        tracker.lost(1, .init("connection_lost"), at: 0)
        tracker.drops(1)
        tracker.lost(1, .init("connection_lost"), at: Self.second)
        tracker.back(1, at: 3 * Self.second)
        let figures = tracker.summary
        #expect(figures.lost == 1)
        #expect(figures.errors.isEmpty)
        #expect(abs(figures.timeBack.max - 3000) < 3)
    }

    @Test("rate_limited is counted by session, by time and by wait, and is no error")
    func rateLimited() {
        var tracker = ReturnTracker()
        for user in [1, 2, 2] { tracker.told(user, self.waiting(UInt32(user) * 1000)) }
        tracker.told(3, .init("rate_limited"))
        let figures = tracker.summary
        #expect(figures.sessionsRateLimited == 3)
        #expect(figures.rateLimited == 4)
        #expect(figures.retryAfterMillisecondsTotal == 5000)
        #expect(figures.retryAfterMillisecondsMax == 2000)
        #expect(figures.errors.isEmpty)
    }

    @Test("the trackers of two loops make one")
    func merged() {
        var one = self.tracker(0..<10, backAfter: 1)
        var other = self.tracker(10..<20, backAfter: 2)
        one.told(3, self.waiting(10))
        other.told(13, self.waiting(30))
        other.lost(14, .init("closed_4002"), at: 0)
        one.merge(other)
        let figures = one.summary
        #expect(figures.lost == 21)
        #expect(figures.back == 20)
        #expect(figures.away == 1)
        #expect(one.awayCount == 1)
        #expect(figures.sessionsRateLimited == 2)
        #expect(figures.retryAfterMillisecondsMax == 30)
        #expect(figures.timeBack.count == 20)
        #expect(abs(figures.timeBack.p50 - 1000) < 1)
        #expect(abs(figures.timeBack.max - 2000) < 2)
        #expect(figures.errors == ["closed_4002": 1])
    }

    @Test("a storm is held when all were back in time and nothing but rate_limited was seen")
    func rule() {
        let rule = StormRule(limitSeconds: 15, memoryMebibytesMax: 100)
        var tracker = self.tracker(0..<5, backAfter: 14)
        tracker.told(1, self.waiting(9000))
        #expect(rule.findings(tracker.summary, []).isEmpty)
        #expect(rule.findings(ReturnFigures(), []).count == 1, "nobody was lost")
        #expect(rule.findings(self.tracker(0..<5, backAfter: 16).summary, []).count == 1)
        tracker.told(1, .init("unavailable"))
        #expect(rule.findings(tracker.summary, []).count == 1)
        tracker.lost(2, .init("connection_lost"), at: 0)
        #expect(rule.findings(tracker.summary, []).count == 2)
    }

    @Test("a node may not take more memory than the rule says, nor keep it to itself")
    func memory() {
        let rule = StormRule(limitSeconds: 15, memoryMebibytesMax: 100)
        let returns = self.tracker(0..<1, backAfter: 1).summary
        var node = NodeMemory(node: "127.0.0.1:8201")
        node.note(90 << 20, .start)
        node.note(nil, .start)
        node.note(95 << 20, .before)
        #expect(rule.findings(returns, [node]).count == 1, "it told nothing in the storm")
        for mebibytes in [98, 100, 97] { node.note(mebibytes << 20, .storm) }
        #expect(rule.findings(returns, [node]).isEmpty)
        node.note(100 << 20 + 1, .storm)
        #expect(rule.findings(returns, [node]).first?.contains("took 101 MiB") == true)
        #expect([node.atStart, node.before, node.peak].map { ($0 ?? 0) >> 20 } == [90, 95, 100])
        #expect(node.samples == 6)
        #expect(node.missed == 1)
        #expect(StormRule.memoryMebibytesMax(sessions: 0) == 64)
        #expect(StormRule.memoryMebibytesMax(sessions: 1) == 65)
        #expect(StormRule.memoryMebibytesMax(sessions: 5000) == 143)
    }

    @Test("the value of a metric is the one of the whole name")
    func metric() {
        let text = """
            # HELP process_resident_memory_bytes Resident memory.
            # TYPE process_resident_memory_bytes gauge
            process_resident_memory_bytes_max 5
            process_resident_memory_bytes 59125760
            process_open_fds{what="all"} 17

            """
        #expect(MetricsText.value(of: "process_resident_memory_bytes", in: text) == 59_125_760)
        #expect(MetricsText.value(of: "process_resident_memory_bytes_max", in: text) == 5)
        #expect(MetricsText.value(of: "process_resident", in: text) == nil)
        #expect(MetricsText.value(of: "process_resident_memory_bytes", in: "") == nil)
    }

    @Test("the verdict of a storm stands behind that of the audit and before that of the rate")
    func verdict() {
        func verdict(held: Bool, findings: [String], failures: Int = 0) -> Verdict {
            var audit = AuditResult()
            if !held { audit.note(Violation(.lost, conversation: 0, seq: 1, "planted")) }
            return Verdict(
                audit: audit,
                stormFindings: findings,
                failures: failures,
                failuresAllowed: 0,
                lateness: 0,
                plannedNanoseconds: 1
            )
        }
        #expect(verdict(held: true, findings: []) == .held)
        #expect(verdict(held: true, findings: ["late"]) == .stormFailed)
        #expect(verdict(held: true, findings: ["late"], failures: 1) == .stormFailed)
        #expect(verdict(held: false, findings: ["late"]) == .violated)
        #expect(Verdict.stormFailed.rawValue == 5)
    }

    @Test("the summary tells losses, returns, waits, errors and memory, and why a storm was not held")
    func summary() {
        var report = RunReport()
        #expect(!SummaryTable.text(of: report).contains("cut by us"), "nothing was lost")
        #expect(!SummaryTable.text(of: report).contains("storm:"))
        var tracker = self.tracker(0..<5000, backAfter: 3)
        tracker.told(17, self.waiting(1200))
        report.returns = tracker.summary
        report.storm = StormRule(limitSeconds: 15, memoryMebibytesMax: 200)
        var node = NodeMemory(node: "127.0.0.1:8201")
        node.note(150 << 20, .storm)
        report.memory = [node]
        let held = SummaryTable.text(of: report)
        for part in ["5000", "3000", "rate_limited: 1, to wait 1.2 s", "150.0", "storm: held. 5000 sessions lost"] {
            #expect(held.contains(part), "\(part)")
        }
        tracker.told(18, .init("not_connected", message: "Refused. " + String(repeating: "x", count: 400)))
        tracker.told(19, .init("unavailable"))
        report.returns = tracker.summary
        report.verdict = .stormFailed
        let failed = SummaryTable.text(of: report)
        for part in ["error not_connected: 1", "Refused. xxx", "storm: FAILED", "2 errors other than rate_limited"] {
            #expect(failed.contains(part), "\(part)")
        }
        #expect([held, failed].joined(separator: "\n").split(separator: "\n").allSatisfy { $0.count <= 100 })
    }
}
