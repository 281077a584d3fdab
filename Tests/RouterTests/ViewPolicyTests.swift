// SPDX-License-Identifier: Apache-2.0

import Placement
import Testing

@testable import Router

@Suite("View policy")
struct ViewPolicyTests {
    private let policy = ViewPolicy(
        suspectAfter: .seconds(1),
        staleLeaseAfter: .milliseconds(750),
        suspectWithoutLeaseAfter: .seconds(4)
    )

    private func view(_ routers: [String]) -> View {
        View(shard: "shard-1", epoch: 5, routers: routers)
    }

    private func witness(_ name: String, unlinkedFor: Duration?, _ lease: RouterWitness.Lease) -> RouterWitness {
        RouterWitness(name: name, unlinkedFor: unlinkedFor, lease: lease)
    }

    private func proposal(
        _ routers: [String],
        own: String = "a",
        intent: ViewPolicy.Intent = .member,
        mayJoin: Bool = true,
        _ witnesses: [RouterWitness] = []
    ) -> [String]? {
        self.policy.proposal(
            for: self.view(routers),
            own: RouterLife(own),
            intent: intent,
            mayJoin: mayJoin,
            witnesses: witnesses
        )?.map(\.description)
    }

    @Test("Link and lease are those of one life: an earlier one that is still in the view is judged dead")
    func laterLife() throws {
        let start = ContinuousClock.now
        let board = WitnessBoard(now: start)
        let (old, new) = (RouterLife("b@1"), RouterLife("b@2"))
        board.linkUp(old, now: start)
        board.leasesRead([old: .zero])
        let living = RouterWitness(name: "b", unlinkedFor: nil, lease: .renewed(ago: .zero))
        #expect(board.witnesses(of: [old], now: start + .seconds(9)) == [living])
        board.linkDown(old, now: start + .seconds(10))
        board.linkUp(new, now: start + .seconds(11))
        board.leasesRead([new: .zero])
        let now = start + .seconds(13)
        let dead = RouterWitness(name: "b", unlinkedFor: .seconds(2), lease: .absent)
        #expect(board.witnesses(of: [old], now: now) == [dead])
        #expect(board.witnesses(of: [new], now: now) == [living])
        // The end of the older link that is heard of late.
        board.linkDown(old, now: now)
        #expect(board.witnesses(of: [new], now: now) == [living])
        #expect(self.proposal(["a", "b@1"], board.witnesses(of: [old], now: now)) == ["a"])
        // Out of the view it is not kept from coming back by a clock that is behind.
        #expect(self.proposal(["a"], own: "b@0") == ["a", "b@0"])
    }

    @Test("A router joins the view that it is not in, and is content with one that it is in")
    func join() {
        #expect(self.proposal([]) == ["a"])
        #expect(self.proposal(["b"]) == ["a", "b"])
        #expect(self.proposal(["a", "b"], [self.witness("b", unlinkedFor: nil, .renewed(ago: .zero))]) == nil)
    }

    @Test("A router that only observes neither joins nor judges")
    func observe() {
        let dead = self.witness("b", unlinkedFor: .seconds(60), .absent)
        #expect(self.proposal([], intent: .observing) == nil)
        #expect(self.proposal(["b", "c"], intent: .observing, [dead]) == nil)
    }

    @Test("One that was excluded waits before it joins again, and judges nobody meanwhile")
    func rejoin() {
        #expect(self.proposal(["b"], mayJoin: false) == nil)
        #expect(self.proposal(["b"], mayJoin: false, [self.witness("b", unlinkedFor: .seconds(60), .absent)]) == nil)
    }

    @Test(
        "A router goes only when both witnesses speak against it, or the one that is left does for long",
        arguments: [
            (Duration?.none, RouterWitness.Lease.absent, false),
            (Duration?.none, RouterWitness.Lease.unknown, false),
            (.milliseconds(999), .absent, false),
            (.seconds(1), .absent, true),
            (.seconds(60), .renewed(ago: .milliseconds(749)), false),
            (.milliseconds(999), .renewed(ago: .seconds(60)), false),
            (.seconds(1), .renewed(ago: .milliseconds(750)), true),
            (Duration?.none, .renewed(ago: .seconds(60)), false),
            (.seconds(3), .unknown, false),
            (.seconds(4), .unknown, true),
        ]
    )
    func suspicion(unlinkedFor: Duration?, lease: RouterWitness.Lease, isOut: Bool) {
        let proposal = self.proposal(["a", "b"], [self.witness("b", unlinkedFor: unlinkedFor, lease)])
        #expect(proposal == (isOut ? ["a"] : nil))
    }

    @Test("One step puts the dead out and oneself in")
    func replaceTheDead() {
        #expect(self.proposal(["b"], [self.witness("b", unlinkedFor: .seconds(2), .absent)]) == ["a"])
    }

    @Test("Who leaves takes itself out, unless nobody would be left")
    func leave() {
        #expect(self.proposal(["a", "b"], intent: .leaving) == ["b"])
        #expect(self.proposal(["a"], intent: .leaving) == nil)
        #expect(self.proposal(["b"], intent: .leaving) == nil)
    }

    @Test("The last router does not hand its slots to a dead one")
    func leaveWithADeadOne() {
        let dead = self.witness("b", unlinkedFor: .seconds(2), .absent)
        #expect(self.proposal(["a", "b"], intent: .leaving, [dead]) == ["a"])
    }

    @Test("A later life takes the place of an earlier one under the same name, never the other way round")
    func lives() {
        #expect(self.proposal(["a@1", "b@1"], own: "a@2") == ["a@2", "b@1"])
        #expect(self.proposal(["a@2", "b@1"], own: "a@1") == nil)
        #expect(self.proposal(["a@2", "b@1"], own: "a@1", intent: .leaving) == nil)
    }
}
