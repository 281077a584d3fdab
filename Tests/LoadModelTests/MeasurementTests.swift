// SPDX-License-Identifier: Apache-2.0

import LoadModel
import Testing

@Suite("What a load run measures")
struct MeasurementTests {
    @Test("percentiles are those of the values, to three digits")
    func percentiles() {
        var recorder = LatencyRecorder()
        for microseconds in 1...10_000 { recorder.record(nanoseconds: Int64(microseconds) * 1000) }
        let summary = recorder.summary
        #expect(summary.count == 10_000)
        #expect(abs(summary.p50 - 5) < 0.01)
        #expect(abs(summary.p90 - 9) < 0.01)
        #expect(abs(summary.p99 - 9.9) < 0.01)
        #expect(abs(summary.p999 - 9.99) < 0.01)
        #expect(abs(summary.max - 10) < 0.01)
        #expect(abs(summary.mean - 5) < 0.01)
    }

    @Test("the recorders of two loops make one")
    func mergedRecorders() {
        var one = LatencyRecorder()
        var other = LatencyRecorder()
        var all = LatencyRecorder()
        for value in 1...1000 {
            let nanoseconds = Int64(value) * 10_000
            if value.isMultiple(of: 3) {
                one.record(nanoseconds: nanoseconds)
            } else {
                other.record(nanoseconds: nanoseconds)
            }
            all.record(nanoseconds: nanoseconds)
        }
        one.merge(other)
        #expect(one.summary == all.summary)
    }

    @Test("a latency below zero or beyond the bound counts as the bound")
    func extremes() {
        var recorder = LatencyRecorder()
        recorder.record(nanoseconds: -5)
        recorder.record(nanoseconds: .max)
        #expect(recorder.summary.count == 2)
        #expect(recorder.summary.max >= 599_000)
        #expect(LatencyRecorder().summary == LatencySummary())
    }

    @Test("the longest pause is found, also at the ends, also over two loops")
    func pauses() {
        var one = EventTimeline()
        var other = EventTimeline()
        #expect(one.longestPause(from: 100, to: 900) == EventTimeline.Pause(start: 100, milliseconds: 800))
        for millisecond in [0, 50, 150, 200, 850] { one.note(at: Int64(millisecond) * 1_000_000 + 17) }
        #expect(one.longestPause(from: 100, to: 900) == EventTimeline.Pause(start: 200, milliseconds: 650))
        other.note(at: 400_000_000)
        other.note(at: 899_999_999)
        one.merge(other)
        #expect(one.longestPause(from: 100, to: 900) == EventTimeline.Pause(start: 400, milliseconds: 450))
        #expect(one.longestPause(from: 0, to: 5000) == EventTimeline.Pause(start: 899, milliseconds: 4101))
        one.note(at: -1)
        one.note(at: .max)
        #expect(one.longestPause(from: 100, to: 900) == EventTimeline.Pause(start: 400, milliseconds: 450))
    }

    @Test("the longest pause is that of a plain search")
    func pausesAgainstModel() {
        withSeeds(200) { random in
            var timelines = [EventTimeline(), EventTimeline()]
            var events: [Int] = []
            for _ in 0..<Int.random(in: 0...40, using: &random) {
                let millisecond = Int.random(in: 0...1000, using: &random)
                timelines[Int.random(in: 0...1, using: &random)].note(at: Int64(millisecond) * 1_000_000)
                events.append(millisecond)
            }
            let (from, to) = (Int.random(in: 0...400, using: &random), Int.random(in: 500...1000, using: &random))
            let marks = ([from] + events.filter { $0 >= from && $0 <= to } + [to]).sorted()
            let longest = zip(marks, marks.dropFirst()).map { $1 - $0 }.max() ?? 0
            timelines[0].merge(timelines[1])
            return timelines[0].longestPause(from: from, to: to).milliseconds == longest
        }
    }

    /// Runs `body` with that many seeds and names the first for which it does not hold.
    private func withSeeds(_ count: UInt64, _ body: (inout SplitMix) -> Bool) {
        for seed in 1...count {
            var random = SplitMix(seed: seed)
            guard body(&random) else {
                Issue.record("seed \(seed)")
                return
            }
        }
    }
}
