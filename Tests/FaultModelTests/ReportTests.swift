// SPDX-License-Identifier: Apache-2.0

import FaultModel
import Messaging
import TestSupport
import Testing

@Suite("Figures and table of a fault run")
struct ReportTests {
    @Test("The longest wait of a window is that of the straightforward search", arguments: [1, 2, 3, 4] as [UInt64])
    func longest(seed: UInt64) {
        var random = SeededRandom(seed: seed)
        func wait(_ most: Microseconds) -> Wait {
            let from = Microseconds.random(in: 0...1000, using: &random)
            return Wait(from: from, until: from + Microseconds.random(in: 0...most, using: &random))
        }
        let waits = (0..<300).map { _ in wait(60) }
        let windows = (0..<40).map { _ in wait(200) }
        let expected = windows.map { window in
            waits.filter { $0.from <= window.until && $0.until >= window.from }
                .map { min($0.until, window.until) - $0.from }.max() ?? 0
        }
        #expect(LongestWait.longest(waits, in: windows) == expected)
    }

    @Test("Percentiles by nearest rank")
    func spread() {
        #expect(FaultSummary.Spread([]) == nil)
        let one = FaultSummary.Spread([7])
        #expect(one?.median == 7 && one?.percentile99 == 7 && one?.longest == 7)
        let many = FaultSummary.Spread(Array((1...200).reversed()))
        #expect(many?.median == 100 && many?.percentile99 == 198 && many?.longest == 200)
    }

    @Test("What an injection costs: the waits that reach into it, and what was told of others does not count")
    func summary() throws {
        var record = Fixture.record()
        record.sends[1].acknowledgements[0].at = 345
        record.injections.append(
            Injection(
                kind: .killRouter,
                step: 2,
                target: "router-2",
                beganAt: 600,
                undoneAt: 610,
                healedAt: 620
            )
        )
        record.injections.append(
            Injection(kind: .redisFlush, step: 2, target: "redis", beganAt: 600, undoneAt: 600, healedAt: 620)
        )
        let summary = try #require(FaultSummary.summaries(record, Auditor.audit(record)).first)
        #expect(summary.alone == 1 && summary.combined == 1)
        #expect(summary.acknowledgement.longest == 45, "from 300 to 345")
        #expect(summary.anyAcknowledgement == 225, "from 120 to 345")
        #expect(summary.acknowledgementAfter == 25, "from 320 to 345")
        #expect(summary.healing == 180)
        #expect(summary.verdict == "held")
    }

    @Test(
        "Presence: from a change of the truth to its being shown; who hides is left out"
    )
    func presence() {
        var record = Fixture.record()
        for device in 0..<3 { record.devices[device].presence = [:] }
        record.devices[0].connections = [Wait(from: 0, until: .max)]
        record.devices[0].sightings = [
            PresenceSighting(user: 1, status: .busy, at: 30), PresenceSighting(user: 1, status: .offline, at: 240),
            PresenceSighting(user: 1, status: .away, at: 260), PresenceSighting(user: 1, status: .offline, at: 950),
        ]
        record.devices[1].connections = [Wait(from: 10, until: 100), Wait(from: 250, until: 900)]
        record.devices[1].sightings = [
            PresenceSighting(user: 0, status: .online, at: 15), PresenceSighting(user: 0, status: .online, at: 255),
        ]
        let expected = [
            Wait(from: 100, until: 240), Wait(from: 250, until: 260), Wait(from: 900, until: 950),
        ]
        func waits() -> Set<[Microseconds]> { Set(Waits(record).presence.map { [$0.from, $0.until] }) }
        #expect(waits() == Set(expected.map { [$0.from, $0.until] }))
        #expect(FaultSummary.summaries(record, Auditor.audit(record)).first?.presence == 50)
        record.hiddenUsers = [1]
        #expect(waits().isEmpty)
        record.hiddenUsers = []
        record.choosingUsers = [1]
        #expect(waits().isEmpty)
        // Never put right: to the end.
        record = Fixture.record()
        record.devices[0].connections = [Wait(from: 5, until: .max)]
        record.devices[1].connections = [Wait(from: 1, until: .max)]
        record.devices[0].sightings = [PresenceSighting(user: 1, status: .offline, at: 7)]
        record.devices[1].sightings = []
        #expect(waits() == [[7, 1000]])
    }

    @Test("The verdict names what did not heal and what was violated meanwhile")
    func verdict() throws {
        var record = Fixture.record()
        record.injections[0].healedAt = nil
        record.sends[2].acknowledgements = []
        let summary = try #require(FaultSummary.summaries(record, Auditor.audit(record)).first)
        #expect(summary.verdict == "1 not healed, 1 violations")
    }

    @Test("A table has columns that stand below each other, times have the digits that matter")
    func table() {
        let text = Rendering.table([["fault", "n", "verdict"], ["kill", "10", "held"]])
        #expect(text == "fault   n  verdict\nkill   10  held")
        #expect(Rendering.seconds(1_234_567) == "1.23")
        #expect(Rendering.seconds(12_345_678) == "12.3")
        #expect(Rendering.seconds(49_000) == "0.04" || Rendering.seconds(49_000) == "0.05")
    }

    @Test("The text of an audit has every violation that is kept, and the count of those that are not")
    func violations() {
        var record = Fixture.record()
        record.sends[0].refusals = (0..<30).map { _ in Refusal(code: "internal", retryAfterMilliseconds: 1, at: 1) }
        let text = Rendering.text(Auditor.audit(record))
        #expect(text.split(separator: "\n").count == 1 + AuditResult.violationsPerKindMax + 1)
        #expect(text.contains("30 in all"))
    }
}
