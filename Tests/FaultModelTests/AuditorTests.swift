// SPDX-License-Identifier: Apache-2.0

import FaultModel
import Messaging
import Testing

/// Every check has a record that violates it, and nothing else.
@Suite("Auditor of a fault run")
struct AuditorTests {
    private func kinds(_ record: RunRecord, limits: Auditor.Limits = Auditor.Limits()) -> Set<Violation.Kind> {
        Set(Auditor.audit(record, limits: limits).countByKind.keys)
    }

    @Test("A run in which all is right has no violations, and everything was looked at")
    func clean() {
        let result = Auditor.audit(Fixture.record())
        #expect(result.holds, "\(result.violations)")
        #expect(result.acknowledged == 3 && result.stored == 3 && result.lists == 2)
        #expect(result.deliveries == 8 && result.removals == 1 && result.views == 2 && result.writes == 2)
        #expect(result.sightings == 6 && result.receipts == 4)
    }

    // MARK: - Messages

    @Test("An acknowledged message that is not stored is lost")
    func lost() {
        var record = Fixture.record()
        record.dropStored(seq: 3)
        #expect(self.kinds(record).isSuperset(of: [.lost, .phantom]))
    }

    @Test("A message stored twice is found, in the messages and in the ids")
    func storedTwice() {
        var record = Fixture.record()
        let first = record.conversations[0].stored[0]
        record.conversations[0].stored.append(StoredMessage(seq: 4, id: first.id, user: first.user))
        record.conversations[0].storedIDs.append(StoredID(seq: 4, id: first.id, user: first.user))
        #expect(self.kinds(record).isSuperset(of: [.storedTwice]))

        var other = Fixture.record()
        other.shards[0].anomalies.append("two rows for one id")
        #expect(self.kinds(other) == [.storedTwice])
    }

    @Test("An acknowledgement with another number than the stored one")
    func wrongNumber() {
        var record = Fixture.record()
        record.sends[0].acknowledgements[0].seq = 2
        #expect(self.kinds(record) == [.wrongNumber])

        var twice = Fixture.record()
        twice.sends[0].acknowledgements.append(Acknowledgement(seq: 3, at: 900))
        #expect(self.kinds(twice) == [.wrongNumber])
    }

    @Test("An acknowledgement while the shard had no replica, unless it was under way when the replica went")
    func notReplicated() {
        var record = Fixture.record()
        record.shards[0].unreplicated = [Wait(from: 200, until: 400)]
        #expect(Auditor.audit(record).holds, "it may have been under way")
        var limits = Auditor.Limits()
        limits.acknowledgementTravelMax = 100
        #expect(self.kinds(record, limits: limits) == [.notReplicated])
        record.shards[0].unreplicated = [Wait(from: 200, until: 319)]
        #expect(Auditor.audit(record, limits: limits).holds, "acknowledged at 320")
    }

    @Test("A message that was never acknowledged")
    func unanswered() {
        var record = Fixture.record()
        record.sends[1].acknowledgements = []
        #expect(self.kinds(record) == [.unanswered])
    }

    @Test("A number that is left out")
    func sparse() {
        var record = Fixture.record()
        record.conversations[0].stored[2].seq = 4
        #expect(self.kinds(record).contains(.sparse))

        var beginning = Fixture.record()
        beginning.conversations[0].stored.removeFirst()
        #expect(self.kinds(beginning).contains(.sparse))
    }

    @Test("A stored message that nobody sent, or somebody else did")
    func foreign() {
        var record = Fixture.record()
        record.conversations[0].stored.append(StoredMessage(seq: 4, id: Fixture.strange, user: 0))
        record.conversations[0].storedIDs.append(StoredID(seq: 4, id: Fixture.strange, user: 0))
        #expect(self.kinds(record).contains(.foreign))

        var other = Fixture.record()
        other.conversations[0].stored[0].user = 1
        other.conversations[0].storedIDs[0].user = 1
        #expect(self.kinds(other) == [.foreign])
    }

    @Test("A body that is not the one that was sent, stored or delivered")
    func altered() {
        var stored = Fixture.record()
        stored.conversations[0].stored[0].isIntact = false
        #expect(self.kinds(stored) == [.altered])

        var delivered = Fixture.record()
        delivered.devices[1].deliveries[0].isIntact = false
        #expect(self.kinds(delivered) == [.altered])
    }

    @Test("Ids that are not remembered, or point elsewhere")
    func idIndex() {
        var missing = Fixture.record()
        missing.conversations[0].storedIDs.removeLast()
        #expect(self.kinds(missing) == [.idIndex])

        var wrong = Fixture.record()
        wrong.conversations[0].storedIDs[0].seq = 9
        #expect(self.kinds(wrong) == [.idIndex])
    }

    @Test("Refusals: the code has to be one that may be, and say how long to wait")
    func refusals() {
        var code = Fixture.record()
        code.sends[0].refusals = [Refusal(code: "internal", retryAfterMilliseconds: 100, at: 5)]
        #expect(self.kinds(code) == [.refusalCode])

        var pause = Fixture.record()
        pause.sends[0].refusals = [Refusal(code: "unavailable", retryAfterMilliseconds: nil, at: 5)]
        #expect(self.kinds(pause) == [.refusalWithoutPause])

        var fine = Fixture.record()
        fine.sends[0].refusals = [Refusal(code: "unavailable", retryAfterMilliseconds: 100, at: 5)]
        #expect(Auditor.audit(fine).holds && Auditor.audit(fine).refused == 1)
    }

    // MARK: - Devices

    @Test("A list that lacks the end, the beginning, or something between; and one that has too much")
    func lists() {
        for seq in [1, 2, 3] as [UInt64] {
            var record = Fixture.record()
            record.devices[1].lists[0]?.removeAll { $0.seq == seq }
            #expect(self.kinds(record) == [.listDiffers], "without \(seq)")
        }
        var more = Fixture.record()
        more.devices[1].lists[0]?.append(.init(seq: 4, id: Fixture.strange))
        #expect(self.kinds(more) == [.listDiffers])

        var none = Fixture.record()
        none.devices[1].lists = [:]
        #expect(self.kinds(none) == [.listDiffers])
    }

    @Test("A list out of order")
    func disordered() {
        var record = Fixture.record()
        record.devices[1].lists[0]?.swapAt(0, 1)
        #expect(self.kinds(record).contains(.disordered))
    }

    @Test("Two messages under one number at one device, and one that is not what is stored")
    func conflicting() {
        var record = Fixture.record()
        record.devices[1].deliveries.append(
            Delivery(conversation: 0, seq: 2, id: Fixture.strange, at: 800, way: .live)
        )
        #expect(self.kinds(record) == [.conflicting, .phantom])
    }

    @Test("A device that ended by itself")
    func ended() {
        var record = Fixture.record()
        record.devices[0].ending = "closed with 4500"
        #expect(self.kinds(record) == [.deviceEnded])
    }

    // MARK: - Membership

    @Test("A delivery after the removal was acknowledged, by a microsecond")
    func afterRemoval() {
        var record = Fixture.record()
        record.devices[2].deliveries[1].at = Fixture.removedAt + 1
        #expect(self.kinds(record) == [.deliveredAfterRemoval])

        record.devices[2].deliveries[1].at = Fixture.removedAt
        #expect(Auditor.audit(record).holds)
    }

    @Test("A page that was asked for after a removal is rightful if the user was added before it came, else not")
    func pageAcrossJoin() {
        var record = Fixture.record()
        record.devices[2].deliveries.append(
            Delivery(conversation: 0, seq: 3, id: Fixture.ids[2], at: 550, arrivedAt: 650, way: .page)
        )
        #expect(self.kinds(record) == [.deliveredAfterRemoval])
        record.membershipChanges.append(
            MembershipChange(.added, conversation: 0, user: 2, requestedAt: 600, acknowledgedAt: 610)
        )
        #expect(Auditor.audit(record).holds)
        record.membershipChanges[2].requestedAt = 650
        #expect(self.kinds(record) == [.deliveredAfterRemoval])
    }

    @Test("A delivery before the first join, and of a message from before the last one")
    func beforeJoin() {
        var early = Fixture.record()
        early.devices[2].deliveries[0].at = Fixture.addedAt - 1
        early.devices[2].deliveries[0].arrivedAt = Fixture.addedAt
        #expect(self.kinds(early) == [.deliveredBeforeJoin])

        var old = Fixture.record()
        old.membershipChanges.append(
            MembershipChange(.added, conversation: 0, user: 2, requestedAt: 600, acknowledgedAt: 610)
        )
        old.conversations[0].joinedSeqs[2] = 2
        old.devices[2].lists[0]?.append(.init(seq: 3, id: Fixture.ids[2]))
        #expect(Auditor.audit(old).holds, "\(Auditor.audit(old).violations)")
        old.devices[2].deliveries.append(
            Delivery(conversation: 0, seq: 2, id: Fixture.ids[1], at: 700, way: .page)
        )
        #expect(self.kinds(old) == [.deliveredBeforeJoin])
    }

    @Test("Who came back needs what followed the join, and nothing from before it")
    func cameBack() {
        var record = Fixture.record()
        record.membershipChanges.append(
            MembershipChange(.added, conversation: 0, user: 2, requestedAt: 600, acknowledgedAt: 610)
        )
        record.conversations[0].joinedSeqs[2] = 2
        #expect(self.kinds(record) == [.listDiffers])
    }

    // MARK: - Cluster

    @Test("Epochs that do not grow")
    func epochOrder() {
        var same = Fixture.record()
        same.shards[0].views.append(ViewChange(epoch: 2, routers: ["router-1", "router-2"]))
        #expect(self.kinds(same) == [.epochOrder])

        var back = Fixture.record()
        back.shards[0].views.append(ViewChange(epoch: 1, routers: ["router-1", "router-2"]))
        #expect(self.kinds(back).contains(.epochOrder))
    }

    @Test("Two routers under one epoch, a router outside its view, an epoch that was over or never was")
    func epochOverlap() {
        var two = Fixture.record()
        two.shards[0].writes.append(
            WriteTrace(conversation: 0, epoch: 2, router: "router-1", firstSeq: 4, lastSeq: 4)
        )
        #expect(self.kinds(two) == [.epochOverlap])

        var outside = Fixture.record()
        outside.shards[0].writes[0].router = "router-2"
        #expect(self.kinds(outside) == [.epochOverlap])

        var over = Fixture.record()
        over.shards[0].writes.append(
            WriteTrace(conversation: 0, epoch: 1, router: "router-1", firstSeq: 4, lastSeq: 4)
        )
        #expect(self.kinds(over) == [.epochOverlap])

        var never = Fixture.record()
        never.shards[0].writes[1].epoch = 7
        #expect(self.kinds(never) == [.epochOverlap])
    }

    @Test("A last view that leaves a router out")
    func viewIncomplete() {
        var record = Fixture.record()
        record.shards[0].views[1].routers = ["router-2"]
        #expect(self.kinds(record) == [.viewIncomplete])
    }

    @Test("Memory, processes that end, nodes that are not ready, faults that do not heal")
    func nodes() {
        var memory = Fixture.record()
        memory.nodes[0].residentBytesMax = 101
        var limits = Auditor.Limits()
        limits.residentBytesMax = 100
        #expect(self.kinds(memory, limits: limits) == [.memory])

        var ended = Fixture.record()
        ended.nodes[0].unexpectedEnds = [.init(status: 133, at: 4)]
        #expect(self.kinds(ended) == [.nodeEnded])

        var unready = Fixture.record()
        unready.nodes[1].unreadyAtEnd = "no link"
        #expect(self.kinds(unready) == [.notReady])

        var unhealed = Fixture.record()
        unhealed.injections[0].healedAt = nil
        unhealed.injections[0].remaining = "sender 3 makes no progress"
        #expect(self.kinds(unhealed) == [.notHealed])
    }

    @Test("All violations are counted, so many of a kind are kept")
    func bounded() {
        var record = Fixture.record()
        record.sends[0].refusals = (0..<100).map { _ in Refusal(code: "internal", retryAfterMilliseconds: 1, at: 1) }
        let result = Auditor.audit(record)
        #expect(result.violationCount == 100)
        #expect(result.violations.count == AuditResult.violationsPerKindMax)
    }
}
