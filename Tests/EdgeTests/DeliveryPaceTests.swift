// SPDX-License-Identifier: Apache-2.0

import NIOCore
import TestSupport
import Testing

@testable import Edge

@Suite("When delivering waits")
struct DeliveryPaceTests {
    /// Events that come at equal distances to a loop that takes so long for each round and each event of it.
    ///
    /// - Returns: the waits of the last rounds, and the events in them.
    private func run(
        eventsPerSecond: Double,
        roundCost: TimeAmount,
        eventCost: TimeAmount = .nanoseconds(0),
        waitMax: TimeAmount = .milliseconds(5)
    ) -> (waits: [TimeAmount], events: [Int]) {
        var pace = DeliveryPace(waitMax: waitMax)
        let start = NIODeadline.uptimeNanoseconds(1_000_000_000)
        func arrival(_ event: Int) -> NIODeadline { start + .nanoseconds(Int64(Double(event) * 1e9 / eventsPerSecond)) }
        var (now, next) = (start, 0)
        var (waits, events): ([TimeAmount], [Int]) = ([], [])
        for _ in 0..<300 {
            let first = max(now, arrival(next))
            let begin = first + pace.wait
            waits.append(pace.wait)
            var count = 0
            while arrival(next) <= begin { (next, count) = (next + 1, count + 1) }
            now = begin + roundCost + .nanoseconds(eventCost.nanoseconds * Int64(count))
            pace.delivered(count, from: begin, to: now, waited: begin - first)
            events.append(count)
        }
        return (Array(waits.suffix(100)), Array(events.suffix(100)))
    }

    @Test("A loop with time to spare never waits")
    func idle() {
        #expect(self.run(eventsPerSecond: 50, roundCost: .milliseconds(5)).waits.allSatisfy { $0 == .zero })
        #expect(self.run(eventsPerSecond: 1000, roundCost: .microseconds(100)).waits.allSatisfy { $0 == .zero })
    }

    @Test("A busy loop waits, no longer than the bound and than its rounds take, and writes more at once")
    func busy() {
        let without = self.run(eventsPerSecond: 1000, roundCost: .milliseconds(5), waitMax: .zero)
        let with = self.run(eventsPerSecond: 1000, roundCost: .milliseconds(5))
        #expect(without.waits.allSatisfy { $0 == .zero })
        #expect(with.waits.allSatisfy { $0 > .zero && $0 <= .milliseconds(5) })
        #expect(with.events.reduce(0, +) > without.events.reduce(0, +) * 3 / 2)
        let short = self.run(eventsPerSecond: 20_000, roundCost: .microseconds(300))
        #expect(short.waits.allSatisfy { $0 > .zero && $0 <= .microseconds(300) })
    }

    @Test("It does not wait where nothing would be joined")
    func nothingToJoin() {
        let rare = self.run(eventsPerSecond: 70, roundCost: .milliseconds(10))
        #expect(rare.waits.allSatisfy { $0 == .zero })
    }

    @Test("What was long ago does not count")
    func longAgo() {
        var pace = DeliveryPace(waitMax: .milliseconds(5))
        var now = NIODeadline.uptimeNanoseconds(1_000_000_000)
        for _ in 0..<50 {
            pace.delivered(10, from: now, to: now + .milliseconds(10), waited: .zero)
            now = now + .milliseconds(10)
        }
        #expect(pace.wait == .milliseconds(5))
        now = now + .seconds(5)
        pace.delivered(1, from: now, to: now + .milliseconds(10), waited: .zero)
        #expect(pace.wait == .zero)
    }
}
