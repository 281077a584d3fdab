// SPDX-License-Identifier: Apache-2.0

import Directory
import Messaging
import NIOCore
import Testing

@testable import Router

@Suite("Settlement of deliveries")
struct DeliverySettlementTests {
    private let first = EdgeLife(edge: "edge-1", incarnation: Incarnation(value: 1))
    private let second = EdgeLife(edge: "edge-2", incarnation: Incarnation(value: 2))

    private static func at(_ milliseconds: Int64) -> NIODeadline {
        .uptimeNanoseconds(1_000_000_000_000) + .milliseconds(milliseconds)
    }

    private func settlement(_ linked: Set<EdgeLife>, lost: [EdgeLife: NIODeadline] = [:]) -> DeliverySettlement {
        DeliverySettlement(linked: linked, lost: lost, silenceLimit: .milliseconds(1500), now: Self.at(0))
    }

    @Test("It is settled when every edge has answered, and at once when there is none")
    func answers() {
        var settlement = self.settlement([self.first, self.second])
        settlement.answered(self.first)
        #expect(!settlement.isSettled)
        settlement.answered(self.second)
        #expect(settlement.isSettled)
        #expect(self.settlement([]).isSettled)
    }

    @Test("An edge that was lost is waited for as long as it may still deliver, and no longer")
    func lost() {
        var settlement = self.settlement([self.first])
        settlement.failed(self.first, now: Self.at(100))
        var asked = settlement.tick(linked: [], now: Self.at(1600))
        #expect(asked == [] && !settlement.isSettled)
        asked = settlement.tick(linked: [], now: Self.at(1601))
        #expect(asked == [] && settlement.isSettled)
    }

    @Test("An edge that comes back is asked again, as often as it takes")
    func asksAgain() {
        var settlement = self.settlement([self.first])
        for time in [Int64(100), 5000, 10_000] {
            settlement.failed(self.first, now: Self.at(time))
            let asked = settlement.tick(linked: [self.first], now: Self.at(time + 4000))
            #expect(asked == [self.first])
            #expect(settlement.tick(linked: [self.first], now: Self.at(time + 4900)) == [])
            #expect(!settlement.isSettled)
        }
        settlement.answered(self.first)
        #expect(settlement.isSettled)
    }

    @Test("The next life of an edge does not answer for the one before it")
    func nextLife() {
        var settlement = self.settlement([self.first])
        let next = EdgeLife(edge: "edge-1", incarnation: Incarnation(value: 9))
        settlement.failed(self.first, now: Self.at(0))
        settlement.answered(next)
        let asked = settlement.tick(linked: [next], now: Self.at(1500))
        #expect(asked == [] && !settlement.isSettled)
    }

    @Test("Edges that were lost before it began count, those that were lost long before do not")
    func lostBefore() {
        #expect(self.settlement([], lost: [self.first: Self.at(-1501)]).isSettled)
        var settlement = self.settlement([], lost: [self.first: Self.at(-1500)])
        #expect(!settlement.isSettled)
        let asked = settlement.tick(linked: [], now: Self.at(1))
        #expect(asked == [] && settlement.isSettled)
        #expect(!self.settlement([self.first], lost: [self.first: Self.at(-9000)]).isSettled)
    }
}
