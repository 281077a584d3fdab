// SPDX-License-Identifier: Apache-2.0

import Messaging
import Placement
import Testing
import Wire

@testable import Edge

private let oneLife = Incarnation(value: 100)
private let otherLife = Incarnation(value: 200)

@Suite("How far the edge has come with its routers")
struct RouterPositionsTests {
    private func begins(_ position: UInt64, lastChange: UInt64) -> DeliveryProgress {
        DeliveryProgress(kind: .begins, position: position, lastChange: lastChange)
    }

    private func linked(_ lastChange: UInt64 = 0) -> RouterPositions {
        var positions = RouterPositions()
        positions.linkUp("r1", oneLife)
        positions.received(self.begins(1, lastChange: lastChange), from: "r1", oneLife)
        return positions
    }

    @Test("A router that never sent anything costs nobody a resync; one that did may have sent without this edge")
    func firstLink() {
        #expect(self.linked().snapshot.losses == 0)
        #expect(self.linked().snapshot.positions == [oneLife: 1])
        #expect(self.linked(1).snapshot.losses == 1)
    }

    @Test("No token is given before a router has begun, or after a link ended")
    func wholeness() {
        var positions = self.linked()
        positions.linkUp("r2", otherLife)
        #expect(positions.snapshot.positions == nil)
        positions.received(DeliveryProgress(kind: .reached, position: 9), from: "r2", otherLife)
        #expect(positions.snapshot.positions == nil)
        positions.received(self.begins(0, lastChange: 0), from: "r2", otherLife)
        #expect(positions.snapshot.positions == [oneLife: 1, otherLife: 0])
        positions.linkDown("r2")
        #expect(positions.snapshot.positions == nil)
    }

    private func owners(_ lives: Incarnation...) -> Set<RouterLife> {
        Set(lives.map { RouterLife(name: "r1", incarnation: $0.description) })
    }

    @Test(
        "An owner that this edge had no link to may have stored what nobody here got: its end is a loss, its link may be none"
    )
    func ownerWithoutLink() {
        var positions = self.linked()
        let other = RouterLife(name: "r2", incarnation: otherLife.description)
        positions.ownersChanged(self.owners(oneLife).union([other]))
        #expect(positions.snapshot.losses == 0 && positions.snapshot.positions == nil)
        var linked = positions
        positions.ownersChanged(self.owners(oneLife))
        #expect(positions.snapshot.losses == 1)
        #expect(positions.snapshot.positions == [oneLife: 1])
        linked.linkUp("r2", otherLife)
        linked.received(self.begins(0, lastChange: 0), from: "r2", otherLife)
        #expect(linked.snapshot.losses == 0)
        #expect(linked.snapshot.positions == [oneLife: 1, otherLife: 0])
        linked.ownersChanged(self.owners(oneLife))
        #expect(linked.snapshot.losses == 0, "its link tells")
    }

    @Test("A link that comes back to the same life loses nothing when nothing happened meanwhile")
    func comesBack() {
        var positions = self.linked()
        positions.ownersChanged(self.owners(oneLife))
        positions.received(DeliveryProgress(kind: .reached, position: 7), from: "r1", oneLife)
        positions.linkDown("r1")
        positions.linkUp("r1", oneLife)
        positions.received(self.begins(7, lastChange: 7), from: "r1", oneLife)
        #expect(positions.snapshot.losses == 0)
        #expect(positions.snapshot.positions == [oneLife: 7])
        positions.linkDown("r1")
        positions.linkUp("r1", oneLife)
        positions.received(self.begins(9, lastChange: 8), from: "r1", oneLife)
        #expect(positions.snapshot.losses == 1)
    }

    @Test("What an ended link took along is asked for when its life owns nothing any more, not when the next one comes")
    func losses() {
        var positions = self.linked()
        positions.ownersChanged(self.owners(oneLife))
        positions.linkDown("r1")
        positions.linkUp("r1", otherLife)
        positions.received(self.begins(0, lastChange: 0), from: "r1", otherLife)
        #expect(positions.snapshot.losses == 0)
        #expect(positions.snapshot.positions == nil)
        positions.ownersChanged(self.owners(otherLife))
        #expect(positions.snapshot.losses == 1)
        #expect(positions.snapshot.positions == [otherLife: 0])
        positions.received(DeliveryProgress(kind: .gap, position: 3), from: "r1", otherLife)
        #expect(positions.snapshot.losses == 2)
        // What an earlier life said comes too late.
        positions.received(DeliveryProgress(kind: .reached, position: 90), from: "r1", oneLife)
        #expect(positions.snapshot.positions == [otherLife: 0])
        // One that owns nothing by the time that its link ends.
        positions.ownersChanged(self.owners())
        positions.linkDown("r1")
        #expect(positions.snapshot.losses == 3)
    }

    @Test("A life that ends in order loses nothing, and is remembered with its last position")
    func ends() {
        var positions = self.linked()
        positions.ownersChanged(self.owners())
        positions.received(DeliveryProgress(kind: .ends, position: 12), from: "r1", oneLife)
        positions.linkDown("r1")
        #expect(positions.snapshot.losses == 0)
        #expect(positions.snapshot.positions == [:])
        #expect(positions.snapshot.ended == [oneLife: 12])
        positions.linkUp("r1", otherLife)
        positions.received(self.begins(1, lastChange: 0), from: "r1", otherLife)
        #expect(positions.snapshot.losses == 0)
    }

    private func reached(_ position: UInt64, after other: UInt64, _ kind: DeliveryProgress.Kind = .reached)
        -> DeliveryProgress
    {
        let after = other > 0 ? [RelayedThrough(life: otherLife, position: other)] : []
        return DeliveryProgress(kind: kind, position: position, after: after)
    }

    /// r1 has parts of its messages passed on by r2.
    private func relayed() -> RouterPositions {
        var positions = self.linked()
        positions.linkUp("r2", otherLife)
        positions.received(self.begins(0, lastChange: 0), from: "r2", otherLife)
        return positions
    }

    @Test("What another router passes on holds a position back until it has come, and no later word lets it pass")
    func heldBack() {
        var positions = self.relayed()
        positions.received(self.reached(5, after: 3), from: "r1", oneLife)
        #expect(positions.snapshot.positions == [oneLife: 1, otherLife: 0])
        // The condition is told once, and holds for what is told after it.
        positions.received(self.reached(6, after: 0), from: "r1", oneLife)
        positions.received(self.reached(2, after: 0), from: "r2", otherLife)
        #expect(positions.snapshot.positions == [oneLife: 1, otherLife: 2])
        positions.received(self.reached(3, after: 0), from: "r2", otherLife)
        #expect(positions.snapshot.positions == [oneLife: 6, otherLife: 3])
        positions.received(self.reached(7, after: 0), from: "r1", oneLife)
        #expect(positions.snapshot.positions == [oneLife: 7, otherLife: 3])
    }

    @Test("A condition may come before the position that it belongs to")
    func conditionFirst() {
        var positions = self.relayed()
        positions.received(self.reached(1, after: 4), from: "r1", oneLife)
        positions.received(self.reached(2, after: 0), from: "r1", oneLife)
        #expect(positions.snapshot.positions == [oneLife: 1, otherLife: 0])
        positions.received(self.reached(4, after: 0), from: "r2", otherLife)
        #expect(positions.snapshot.positions == [oneLife: 2, otherLife: 4])
    }

    @Test("When the router that passed it on is lost, the position is not taken before that is counted as a loss")
    func lostOnTheWay() {
        var positions = self.relayed()
        positions.ownersChanged([
            RouterLife(name: "r1", incarnation: oneLife.description),
            RouterLife(name: "r2", incarnation: otherLife.description),
        ])
        positions.received(self.reached(5, after: 3), from: "r1", oneLife)
        positions.linkDown("r2")
        #expect(positions.snapshot.losses == 0 && positions.snapshot.positions == nil)
        positions.ownersChanged(self.owners(oneLife))
        #expect(positions.snapshot.losses == 1 && positions.snapshot.positions == [oneLife: 5])
    }

    @Test(
        "A router that ends counts as ended only when what others pass on for it has come; otherwise it may be a loss"
    )
    func lastWord() {
        var positions = self.relayed()
        positions.ownersChanged(self.owners(oneLife))
        positions.received(self.reached(5, after: 3, .ends), from: "r1", oneLife)
        #expect(positions.snapshot.ended.isEmpty)
        var lost = positions
        positions.received(self.reached(3, after: 0), from: "r2", otherLife)
        #expect(positions.snapshot.ended == [oneLife: 5])
        positions.linkDown("r1")
        positions.ownersChanged([])
        #expect(positions.snapshot.losses == 0)
        lost.linkDown("r1")
        lost.ownersChanged([])
        #expect(lost.snapshot.losses == 1)
    }
}
