// SPDX-License-Identifier: Apache-2.0

import LoadModel
import Testing

/// Message k is due after k seconds and has the number k.
@Suite("The audit of who comes and goes")
struct GuestAuditTests {
    private static func due(_ seq: UInt64) -> Int64 { Int64(seq) * 1_000_000_000 }

    /// Asked in when `head` was acknowledged, in for certain a second later.
    private func inside(after head: UInt64 = 10) -> GuestAudit {
        var audit = GuestAudit()
        audit.willEnter(head: head)
        audit.entered()
        return audit
    }

    /// What is found when these numbers are handed over.
    private func findings(_ audit: inout GuestAudit, _ seqs: some Sequence<UInt64>) -> [GuestAudit.Finding] {
        seqs.compactMap { audit.saw($0, due: Self.due($0)) }
    }

    @Test("from the first message on all come, in order; where the stay begins nobody can say")
    func inOrder() {
        var audit = self.inside()
        let found1 = self.findings(&audit, 13...20)
        #expect(found1.isEmpty)
        #expect(audit.delivered == 8)
        var other = self.inside()
        let found2 = self.findings(&other, 11...20)
        #expect(found2.isEmpty)
    }

    @Test("nothing from before the join")
    func beforeJoin() {
        var audit = self.inside()
        let found3 = self.findings(&audit, [10])
        #expect(found3 == [.beforeJoin])
        let found4 = self.findings(&audit, [11, 3])
        #expect(found4 == [.beforeJoin])
    }

    @Test("a gap, a repetition and a late message")
    func irregular() {
        var audit = self.inside()
        let found = self.findings(&audit, [12, 13, 15, 14, 14])
        #expect(found == [.irregular(.gap(first: 14, last: 14)), .irregular(.repeated(seq: 14))])
    }

    @Test("nothing that was sent after the removal was acknowledged; what was under way may arrive")
    func afterRemoval() {
        var audit = self.inside()
        let found5 = self.findings(&audit, 11...20)
        #expect(found5.isEmpty)
        audit.willLeave()
        let found6 = self.findings(&audit, 21...22)
        #expect(found6.isEmpty)
        audit.left(at: Self.due(25))
        let found7 = self.findings(&audit, [23, 25])
        #expect(found7.isEmpty)
        let found8 = self.findings(&audit, [26])
        #expect(found8 == [.afterRemoval])
    }

    @Test("who was never a member is handed over nothing")
    func stranger() {
        var audit = GuestAudit()
        let found9 = self.findings(&audit, [1])
        #expect(found9 == [.afterRemoval])
    }

    @Test("a second stay: what lies between the two does not come, what was under way at the end of the first may")
    func secondStay() {
        var audit = self.inside()
        let found10 = self.findings(&audit, 11...20)
        #expect(found10.isEmpty)
        audit.willLeave()
        audit.left(at: Self.due(22))
        audit.willEnter(head: 30)
        let found11 = self.findings(&audit, [21])
        #expect(found11.isEmpty, "under way")
        let found12 = self.findings(&audit, [25])
        #expect(found12 == [.beforeJoin])
        let found13 = self.findings(&audit, [9])
        #expect(found13 == [.beforeJoin])
        audit.entered()
        let found14 = self.findings(&audit, 32...40)
        #expect(found14.isEmpty)
    }

    @Test("it has what it is certain to get when everything has come from the first certain message on")
    func reached() {
        var audit = self.inside()
        #expect(audit.hasReached(20, firstCertain: nil), "nothing is certain")
        #expect(audit.hasReached(20, firstCertain: 21))
        #expect(!audit.hasReached(20, firstCertain: 15))
        let found15 = self.findings(&audit, 14...19)
        #expect(found15.isEmpty)
        #expect(!audit.hasReached(20, firstCertain: 15))
        let found16 = self.findings(&audit, [20])
        #expect(found16.isEmpty)
        #expect(audit.hasReached(20, firstCertain: 15))
        #expect(!audit.hasReached(20, firstCertain: 13), "the first that came is behind one that is certain")
        var gap = self.inside()
        let found17 = self.findings(&gap, [14, 16])
        #expect(found17.count == 1)
        #expect(!gap.hasReached(16, firstCertain: 14))
        audit.willLeave()
        #expect(audit.hasReached(50, firstCertain: 15), "who goes gets nothing for certain")
    }

    @Test("certain is what was due after it was told to be in, and acknowledged: the smallest number of it")
    func stays() {
        var watch = StayWatch()
        watch.acknowledged(5, in: 1, due: Self.due(5))
        watch.begin(7, in: 1, since: Self.due(10))
        watch.acknowledged(10, in: 1, due: Self.due(10))
        #expect(watch.firstCertain(of: 7) == nil)
        for seq in [14, 12, 13] as [UInt64] { watch.acknowledged(seq, in: 1, due: Self.due(seq)) }
        watch.acknowledged(11, in: 2, due: Self.due(11))
        #expect(watch.firstCertain(of: 7) == 12)
        #expect(watch.firstCertain(of: 8) == nil)
        watch.end(7)
        #expect(watch.firstCertain(of: 7) == nil)
    }

    @Test("guests are users of their own and no members; who is away does not send")
    func topology() throws {
        let churn = Topology.changing(.churn, groupCount: 3, groupSize: 5, guests: 2, edgeCount: 2, loopCount: 2)
        #expect(churn.userCount == 21 && churn.connectedCount == 21)
        #expect(Set(churn.guests.joined()) == Set(15..<21))
        #expect(churn.members.allSatisfy { $0.count == 5 } && Set(churn.members.joined()) == Set(0..<15))
        #expect(churn.receivers == [4, 4, 4] && churn.awayDevices.isEmpty)
        let sync = Topology.changing(.sync, groupCount: 3, groupSize: 5, away: 2, edgeCount: 2, loopCount: 2)
        #expect(sync.awayDevices == [3, 4, 8, 9, 13, 14])
        let stretch = SendSchedule.Stretch(start: 0, messagesPerSecond: 500, warmUp: 0, measured: 1_000_000_000)
        let plan = try #require(MessagePlan(topology: sync, seed: 1).appending(stretch))
        let senders = Set((0..<plan.count).map { plan.sender(of: $0) })
        #expect(senders == Set(0..<15).subtracting(sync.awayDevices))
    }

    @Test("comings, goings and returns of several processes are added up and told")
    func reported() throws {
        var outcome = RunOutcome()
        for _ in 0..<2 {
            var part = RunOutcome()
            var churn = ChurnOutcome()
            churn.additions = 4
            churn.failures = ["unavailable": 1]
            churn.changeTimes.record(nanoseconds: 5_000_000)
            part.churn = churn
            var sync = SyncOutcome()
            (sync.devices, sync.back, sync.missed) = (3, 3, 300)
            sync.timeToBeCurrent.record(nanoseconds: 70_000_000)
            part.sync = sync
            outcome.merge(part)
        }
        var schedule = SendSchedule()
        schedule = try #require(schedule.appending(.init(start: 0, messagesPerSecond: 1, warmUp: 0, measured: 1)))
        var report = SampleReport.make()
        report.take(outcome, schedule, nodes: [])
        #expect(report.churn?.additions == 8 && report.churn?.failures == ["unavailable": 2])
        #expect(report.sync?.missed == 600 && report.sync?.timeToBeCurrent.count == 2)
        let text = SummaryTable.text(of: report)
        for part in ["changes that failed with unavailable: 2", "current after", "missed each", "changed after"] {
            #expect(text.contains(part), "\(part) in \(text)")
        }
        let back = try RunReport(json: try report.json())
        #expect(back.churn == report.churn && back.sync == report.sync)
    }
}
