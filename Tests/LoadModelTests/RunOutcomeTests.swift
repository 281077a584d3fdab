// SPDX-License-Identifier: Apache-2.0

import Foundation
import LoadModel
import TestSupport
import Testing

@Suite("What several loops and processes counted, put together")
struct RunOutcomeTests {
    private static let seed: UInt64 = 11

    /// Messages that one of several counted, and the same in one that counts everything.
    private func fill(_ outcomes: inout [RunOutcome], _ whole: inout RunOutcome) {
        var generator = SeededRandom(seed: Self.seed)
        func empty() -> RunOutcome {
            var outcome = RunOutcome()
            outcome.stretches = [StretchOutcome(), StretchOutcome()]
            return outcome
        }
        whole = empty()
        for place in outcomes.indices { outcomes[place] = empty() }
        for _ in 0..<3000 {
            let place = Int.random(in: 0..<outcomes.count, using: &generator)
            let stretch = Int.random(in: 0...1, using: &generator)
            let planned = Int64.random(in: 0...700_000_000_000, using: &generator)
            let latency = Int64.random(in: 1000...9_000_000_000, using: &generator)
            // One of them is slow in everything: an average of percentiles would be far off.
            let slow = place == 0 ? latency * 10 : latency
            func count(_ outcome: inout RunOutcome) {
                outcome.counts.offered += 1
                outcome.counts.failed["overloaded", default: 0] += 1
                outcome.stretches[stretch].offered += 1
                outcome.stretches[stretch].acknowledged += 1
                outcome.stretches[stretch].acknowledgementLatency.record(nanoseconds: slow)
                outcome.stretches[stretch].deliveryLatency.record(nanoseconds: slow / 2, count: 5)
                outcome.series.acknowledged(at: planned + slow, planned: planned)
                outcome.acknowledgementTimes.note(at: planned)
                outcome.connects.record(nanoseconds: latency)
                outcome.lastSendLateness = max(outcome.lastSendLateness, latency)
            }
            count(&outcomes[place])
            count(&whole)
        }
    }

    /// The file of `--json`, by lines.
    private func report(_ outcome: RunOutcome) throws -> [String] {
        var schedule = SendSchedule()
        let second: Int64 = 1_000_000_000
        let first = SendSchedule.Stretch(start: 0, messagesPerSecond: 1, warmUp: 2 * second, measured: 400 * second)
        let next = SendSchedule.Stretch(start: 402 * second, messagesPerSecond: 1, warmUp: 0, measured: 300 * second)
        for stretch in [first, next] { schedule = try #require(schedule.appending(stretch)) }
        var report = RunReport()
        report.take(outcome, schedule, nodes: [])
        return String(decoding: try report.json(), as: UTF8.self).split(separator: "\n").map(String.init)
    }

    @Test("four reports become the one that a single process would have written, also by way of their files")
    func merged() throws {
        var parts = Array(repeating: RunOutcome(), count: 4)
        var whole = RunOutcome()
        self.fill(&parts, &whole)
        var direct = RunOutcome()
        var decoded = RunOutcome()
        for part in parts {
            direct.merge(part)
            decoded.merge(try JSONDecoder().decode(RunOutcome.self, from: try JSONEncoder().encode(part)))
        }
        let expected = try self.report(whole)
        for (name, outcome) in [("merged", direct), ("read again", decoded)] {
            let lines = try self.report(outcome)
            #expect(lines.count == expected.count, "\(name), seed \(Self.seed)")
            let other = zip(lines, expected).first { $0 != $1 }
            #expect(other == nil, "\(name), seed \(Self.seed)")
        }
        #expect(direct.counts.failed == ["overloaded": 3000])
        #expect(direct.lastSendLateness == parts.map(\.lastSendLateness).max())
    }

    @Test("violations of all are added up, and each says which process saw it")
    func violations() {
        var result = AuditResult()
        for process in 1...3 {
            var outcome = AuditResult()
            for seq in 0..<100 {
                outcome.note(Violation(.repeated, conversation: 1, seq: UInt64(seq), user: 2, "planted"))
            }
            outcome.acknowledged = 10
            result.merge(outcome.of(process: process))
        }
        #expect(result.violationCount == 300 && result.countByKind == ["repeated": 300])
        #expect(result.violations.count == AuditResult.violationsMax)
        #expect(result.violations.first?.line == "process 1 conversation 1 seq 0 user 2: repeated: planted")
        #expect(result.violations.last?.process == 2)
        #expect(result.acknowledged == 30)
    }

    @Test("where everybody stands: sums, and all is sent when all have sent all")
    func states() {
        var one = CrewState()
        one.unanswered = 3
        one.violations = 9
        one.firstViolations = (0..<4).map { Violation(.gap, conversation: $0, seq: 1, "planted") }
        var other = one
        other.hasSentAll = false
        one.merge(other)
        #expect(one.unanswered == 6 && one.violations == 18 && !one.hasSentAll)
        #expect(one.firstViolations.count == CrewState.violationsNamedMax)
    }

    @Test("sessions of all edges: what each takes, and nothing where there are not more than before")
    func memory() {
        let before = SessionMemory.Census(residentBytes: 50 << 20, sessions: 10)
        let after = SessionMemory.Census(residentBytes: (50 << 20) + 600 * 1024, sessions: 110)
        #expect(SessionMemory(node: "edge-1", before: before, after: after).bytesPerSession == 6144)
        #expect(SessionMemory(node: "edge-1", before: after, after: after).bytesPerSession == nil)
        let text = "process_resident_memory_bytes 4.096e+06\ntrunkline_edge_sessions 17\n"
        #expect(SessionMemory.Census(metrics: text) == .init(residentBytes: 4_096_000, sessions: 17))
        #expect(SessionMemory.Census(metrics: "process_resident_memory_bytes 4096\n") == nil, "a router")
        var report = RunReport()
        report.sessionMemory = [SessionMemory(node: "a", before: before, after: after)]
        report.settings.connected = 100
        report.connectSeconds = 4
        #expect(report.bytesPerSession == 6144 && report.connectsPerSecond == 25)
    }
}
