// SPDX-License-Identifier: Apache-2.0

import FaultModel
import Messaging

/// A small run in which all is right: three users, one conversation, three messages of user 0. User 1 stayed; user 2 was
/// added for the first two messages and removed before the third. User 1 is busy, user 2 is away for good.
enum Fixture {
    static let ids = (0..<3).map { ClientMessageID(value: UInt128($0 + 1)) }
    static let strange = ClientMessageID(value: 99)
    static let addedAt: Microseconds = 50
    static let removedAt: Microseconds = 400

    static func record() -> RunRecord {
        var record = RunRecord()
        var conversation = ConversationRecord(number: 0, id: ConversationID(value: 7), stayers: [0, 1])
        for (index, id) in self.ids.enumerated() {
            let seq = UInt64(index + 1)
            let sentAt = Microseconds(index) * 200 + 100
            conversation.stored.append(StoredMessage(seq: seq, id: id, user: 0))
            conversation.storedIDs.append(StoredID(seq: seq, id: id, user: 0))
            var message = SentMessage(sender: 0, user: 0, conversation: 0, id: id, firstSentAt: sentAt)
            message.acknowledgements = [Acknowledgement(seq: seq, at: sentAt + 20)]
            record.sends.append(message)
        }
        conversation.joinedSeqs = [0: 0, 1: 0]
        conversation.receipts = [0: Watermarks(delivered: 3, read: 0), 1: Watermarks(delivered: 3, read: 2)]
        conversation.shard = "shard-1"
        record.conversations = [conversation]
        record.membershipChanges = [
            MembershipChange(.added, conversation: 0, user: 2, requestedAt: self.addedAt, acknowledgedAt: 60),
            MembershipChange(.removed, conversation: 0, user: 2, requestedAt: 390, acknowledgedAt: self.removedAt),
        ]
        record.devices = (0..<3).map { number in
            self.device(number, messages: number == 2 ? 2 : 3, way: number == 0 ? .own : .live)
        }
        record.devices[2].isAway = true
        record.presence = [
            PresenceTruth(user: 0, isConnected: true),
            PresenceTruth(user: 1, isConnected: true, settings: PresenceSettings(status: .busy)),
            PresenceTruth(user: 2, isConnected: false),
        ]
        var shard = ShardRecord(name: "shard-1")
        shard.views = [
            ViewChange(epoch: 1, routers: ["router-1"]), ViewChange(epoch: 2, routers: ["router-1", "router-2"]),
        ]
        shard.writes = [
            WriteTrace(conversation: 0, epoch: 1, router: "router-1", firstSeq: 1, lastSeq: 2),
            WriteTrace(conversation: 0, epoch: 2, router: "router-2", firstSeq: 3, lastSeq: 3),
        ]
        record.shards = [shard]
        record.nodes = ["router-1", "router-2"].map { NodeRecord(name: $0, isRouter: true) }
        record.injections = [
            Injection(kind: .killRouter, step: 1, target: "router-1", beganAt: 300, undoneAt: 320, healedAt: 500)
        ]
        record.endedAt = 1000
        return record
    }

    private static func device(_ number: Int, messages: Int, way: Delivery.Way) -> DeviceRecord {
        var device = DeviceRecord(number: number, user: number, behaviour: .session)
        for (index, id) in self.ids.prefix(messages).enumerated() {
            let seq = UInt64(index + 1)
            device.deliveries.append(
                Delivery(conversation: 0, seq: seq, id: id, at: Microseconds(index) * 200 + 130, way: way)
            )
            device.lists[0, default: []].append(.init(seq: seq, id: id))
        }
        let sightings = [
            PresenceSighting(user: 0, status: .online, at: 70), PresenceSighting(user: 1, status: .busy, at: 71),
            PresenceSighting(user: 2, status: .offline, hasLastSeen: true, at: 600),
        ]
        for sighting in sightings where sighting.user != number {
            device.sightings.append(sighting)
            device.presence[sighting.user] = sighting
        }
        for (user, watermarks) in [Watermarks(delivered: 3, read: 0), Watermarks(delivered: 3, read: 2)].enumerated()
        where user != number {
            device.receipts[ReceiptKey(conversation: 0, user: user), default: ReceiptView()].told(watermarks, at: 700)
        }
        return device
    }
}

extension RunRecord {
    mutating func dropStored(seq: UInt64) {
        self.conversations[0].stored.removeAll { $0.seq == seq }
        self.conversations[0].storedIDs.removeAll { $0.seq == seq }
    }
}
