// SPDX-License-Identifier: Apache-2.0

import LoadModel
import TestSupport
import Testing

@Suite("The search for the knee")
struct KneeSearchTests {
    private func settings(from rate: Double, steps: Int = 40) -> KneeSearch.Settings {
        var settings = KneeSearch.Settings(firstRate: rate)
        settings.factor = 2
        settings.precision = 1.05
        settings.stepsMax = steps
        return settings
    }

    /// Searches a cluster that bears exactly this much. Returns what was offered.
    private func rates(_ search: inout KneeSearch, capacity: Double) -> [Double] {
        var rates: [Double] = []
        while let rate = search.nextRate {
            rates.append(rate)
            search.note(held: rate <= capacity)
        }
        return rates
    }

    @Test("it climbs by the factor until a step fails, then bisects between the two")
    func climbs() {
        var search = KneeSearch(self.settings(from: 100))
        let rates = self.rates(&search, capacity: 1000)
        #expect(rates.prefix(5) == [100, 200, 400, 800, 1600])
        #expect(rates[5] > 1131 && rates[5] < 1132, "the geometric mean")
        #expect(search.isBracketed)
    }

    @Test("it falls by the factor when the first step is too much")
    func falls() {
        var search = KneeSearch(self.settings(from: 1000))
        let rates = self.rates(&search, capacity: 200)
        #expect(rates.prefix(4) == [1000, 500, 250, 125])
        #expect(search.isBracketed)
    }

    @Test("the knee is found to within the precision, wherever it lies and wherever the search begins")
    func precision() {
        var generator = SeededRandom(seed: 7)
        for _ in 0..<300 {
            let capacity = Double.random(in: 5...200_000, using: &generator)
            let first = Double.random(in: 1...100_000, using: &generator)
            var search = KneeSearch(self.settings(from: first))
            _ = self.rates(&search, capacity: capacity)
            guard let held = search.held, let failed = search.failed else {
                Issue.record("not bracketed: \(capacity) from \(first)")
                continue
            }
            #expect(held <= capacity && failed > capacity)
            #expect(failed <= held * 1.05 * 1.000_001, "\(capacity) from \(first)")
        }
    }

    @Test("it ends when steps are used up, at the bounds of the rate, and when it is stopped")
    func ends() {
        var few = KneeSearch(self.settings(from: 100, steps: 3))
        #expect(self.rates(&few, capacity: .infinity) == [100, 200, 400])
        #expect(few.held == 400 && few.failed == nil && !few.isBracketed)
        var high = KneeSearch(self.settings(from: 400_000))
        #expect(self.rates(&high, capacity: .infinity) == [400_000, 800_000, 1_000_000])
        var low = KneeSearch(self.settings(from: 3))
        #expect(self.rates(&low, capacity: 0) == [3, 1.5, 1])
        #expect(low.held == nil && low.failed == 1)
        var stopped = KneeSearch(self.settings(from: 100))
        stopped.stop()
        #expect(stopped.nextRate == nil)
        stopped.note(held: true)
        #expect(stopped.steps == 0 && stopped.held == nil)
    }

    // MARK: - Steps

    private func step(
        offered: Int = 1000,
        acknowledged: Int = 1000,
        failed: Int = 0,
        milliseconds: Int64 = 10,
        late: Int64 = 0,
        isDrained: Bool = true
    ) -> RampStep {
        var outcome = StretchOutcome()
        outcome.offered = offered
        outcome.acknowledged = acknowledged
        outcome.delivered = 3 * acknowledged
        outcome.failed = failed
        outcome.acknowledgementLatency.record(nanoseconds: milliseconds * 1_000_000, count: acknowledged)
        outcome.lateness.record(nanoseconds: late * 1_000_000, count: offered)
        let stretch = SendSchedule.Stretch(
            start: 5_000_000_000,
            messagesPerSecond: Double(offered) / 10,
            warmUp: 1_000_000_000,
            measured: 10_000_000_000
        )
        return RampStep(stretch, outcome, limit: KneeLimit(p99: 50, ratio: 0.9), isDrained: isDrained)
    }

    @Test("a step holds when p99, the ratio, failures, the drain and the generator itself allow it")
    func limits() {
        let good = self.step()
        #expect(good.held && good.offered == 100 && good.achieved == 100 && good.delivered == 300)
        #expect(good.startSeconds == 6 && good.endSeconds == 16)
        #expect(self.step(acknowledged: 900, milliseconds: 50).held)
        #expect(self.step(milliseconds: 51).findings.count == 1)
        #expect(self.step(acknowledged: 899).findings == ["89.9 % of the rate acknowledged"])
        #expect(self.step(failed: 1).findings == ["1 failed"])
        #expect(self.step(isDrained: false).findings == ["not drained"])
        #expect(self.step(late: 26).findings.count == 1)
        #expect(self.step(acknowledged: 0).findings.first == "nothing was acknowledged")
    }

    @Test("the knee is named in the summary, on the page with its plot, and in the file")
    func reported() throws {
        var report = SampleReport.make()
        var ramp = RampReport(limit: KneeLimit(), search: KneeSearch.Settings(firstRate: 100))
        ramp.steps = [
            self.step(), self.step(offered: 2250, milliseconds: 90), self.step(offered: 1500, milliseconds: 40),
        ]
        (ramp.knee, ramp.ceiling) = (150, 225)
        report.ramp = ramp
        #expect(ramp.sortedSteps.map(\.offered) == [100, 150, 225])
        let text = SummaryTable.text(of: report)
        #expect(text.contains("knee: 150 messages/s held"), "\(text)")
        #expect(text.split(separator: "\n").allSatisfy { $0.count <= 130 })
        let page = ReportPage.html(of: report)
        #expect(page.contains("Throughput against offered") && page.contains("knee: 150 messages/s"))
        #expect(WellFormedness(page).error == nil)
        let back = try RunReport(json: try report.json())
        #expect(back.ramp == ramp)
    }

    @Test("without a step that held the plan was not reached; what a ramp tries beyond the knee is no failure")
    func verdicts() {
        func verdict(knee: Double?) -> Verdict {
            var ramp = RampReport(limit: KneeLimit(), search: KneeSearch.Settings(firstRate: 100))
            ramp.knee = knee
            return Verdict(
                audit: AuditResult(),
                ramp: ramp,
                failures: 10,
                failuresAllowed: 0,
                lateness: 10_000_000_000,
                plannedNanoseconds: 1_000_000_000
            )
        }
        #expect(verdict(knee: 100) == .held)
        #expect(verdict(knee: nil) == .belowPlan)
    }
}
