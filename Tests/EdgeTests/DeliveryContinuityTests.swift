// SPDX-License-Identifier: Apache-2.0

import Edge
import Placement
import Testing

@Suite("Deliveries that a broken link took along")
struct DeliveryContinuityTests {
    private let first = RouterLife(name: "router-1", incarnation: "1")
    private let second = RouterLife(name: "router-1", incarnation: "2")
    private let other = RouterLife(name: "router-2", incarnation: "1")
    private var continuity = DeliveryContinuity()

    @Test("The first link of a router calls for nothing")
    mutating func firstLink() {
        let action = self.continuity.linkUp(self.first)
        #expect(action == .none)
    }

    @Test("A link that comes up again to the same life calls for a resync, once")
    mutating func sameLife() {
        self.continuity.linkDown(self.first)
        let unconcerned = self.continuity.linkUp(self.other)
        let again = self.continuity.linkUp(self.first)
        let later = self.continuity.linkUp(self.first)
        #expect([unconcerned, again, later] == [.none, .resync, .none])
    }

    @Test("A new life proves nothing about the former one; the view without that one does")
    mutating func newLife() {
        self.continuity.linkDown(self.first)
        let up = self.continuity.linkUp(self.second)
        let still = self.continuity.ownersChanged([self.first, self.other])
        let gone = self.continuity.ownersChanged([self.second, self.other])
        let settled = self.continuity.ownersChanged([self.other])
        #expect([up, still, gone, settled] == [.none, .none, .resync, .none])
    }

    @Test("Without a link to the owner there is no use in asking, until another one owns its slots")
    mutating func takenOver() {
        self.continuity.linkDown(self.first)
        self.continuity.linkDown(self.other)
        let one = self.continuity.ownersChanged([self.other])
        let two = self.continuity.linkUp(self.other)
        #expect([one, two] == [.resync, .resync])
    }
}
