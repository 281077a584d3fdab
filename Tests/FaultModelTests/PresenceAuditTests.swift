// SPDX-License-Identifier: Apache-2.0

import FaultModel
import Messaging
import Testing

@Suite("Auditor of presence")
struct PresenceAuditTests {
    private func kinds(_ record: RunRecord) -> Set<Violation.Kind> {
        Set(Auditor.audit(record).countByKind.keys)
    }

    @Test("A device that shows another status than is so, or was told none on its last connection")
    func differs() {
        var record = Fixture.record()
        record.devices[0].presence[1]?.status = .online
        #expect(self.kinds(record) == [.presenceDiffers])
        record.devices[0].presence[1] = nil
        #expect(self.kinds(record) == [.presenceDiffers])
        record.devices[0].isAway = true
        #expect(Auditor.audit(record).holds, "what an absent device shows is nobody's matter")
    }

    @Test("Somebody who is gone and shown as there, and somebody who is there and shown as gone")
    func connection() {
        var gone = Fixture.record()
        gone.presence[1].isConnected = false
        #expect(self.kinds(gone) == [.presenceDiffers])

        var there = Fixture.record()
        there.devices[1].presence[0]?.status = .offline
        #expect(self.kinds(there) == [.presenceDiffers])
    }

    @Test("The time of leaving: with those who left, not with those who hide")
    func lastSeen() {
        var record = Fixture.record()
        record.conversations[0].joinedSeqs[2] = 3
        #expect(Auditor.audit(record).holds, "\(Auditor.audit(record).violations)")
        record.devices[0].presence[2]?.hasLastSeen = false
        #expect(self.kinds(record) == [.presenceDiffers])
        record.presence[2].settings.status = .invisible
        #expect(Auditor.audit(record).holds, "either may be")
        record.presence[2].settings.visibility = .nobody
        #expect(self.kinds(record) == [.presenceDiffers], "the other device has a time")
    }

    @Test("Who shares no conversation at the end need not be right, and who never did must not see anything")
    func strangers() {
        var record = Fixture.record()
        record.devices[0].presence[2] = nil
        #expect(Auditor.audit(record).holds, "user 2 was removed")
        record.membershipChanges = []
        record.devices[2].deliveries = []
        #expect(self.kinds(record) == [.presenceLeaked])
        #expect(Auditor.audit(record).countByKind[.presenceLeaked] == 4, "both ways, with two users")
        record = Fixture.record()
        record.devices[1].sightings.append(PresenceSighting(user: 1, status: .online, at: 9))
        #expect(self.kinds(record) == [.presenceLeaked], "nobody is told of themselves")
    }

    @Test("Somebody visible to nobody who was seen, or of whom a time was told")
    func hidden() {
        var record = Fixture.record()
        record.hiddenUsers = [0]
        record.presence[0].settings.visibility = .nobody
        for device in [1, 2] {
            record.devices[device].sightings[0].status = .offline
            record.devices[device].presence[0]?.status = .offline
        }
        #expect(Auditor.audit(record).holds, "\(Auditor.audit(record).violations)")
        record.devices[1].sightings[0].hasLastSeen = true
        #expect(self.kinds(record) == [.presenceLeaked])
        record.devices[1].sightings[0].hasLastSeen = false
        record.devices[1].sightings[0].status = .busy
        #expect(self.kinds(record) == [.presenceLeaked])
    }

    @Test("What has to be shown", arguments: ChosenStatus.allCases)
    func truth(_ status: ChosenStatus) {
        var truth = PresenceTruth(user: 0, isConnected: true, settings: PresenceSettings(status: status))
        #expect(truth.status.name == (status == .invisible ? "offline" : status.name))
        #expect(truth.hasLastSeen == (status == .invisible ? nil : false))
        truth.isConnected = false
        #expect(truth.status == .offline && truth.hasLastSeen == (status == .invisible ? nil : true))
        truth.settings.visibility = .nobody
        truth.isConnected = true
        #expect(truth.status == .offline && truth.hasLastSeen == false)
    }
}
