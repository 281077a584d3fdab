// SPDX-License-Identifier: Apache-2.0

import FaultModel
import Messaging

/// A small run in which all is right: three users, one conversation, three messages of user 0. User 1 stayed; user 2 was
/// added for the first two messages and removed before the third.
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
        conversation.shard = "shard-1"
        record.conversations = [conversation]
        record.membershipChanges = [
            MembershipChange(.added, conversation: 0, user: 2, requestedAt: self.addedAt, acknowledgedAt: 60),
            MembershipChange(.removed, conversation: 0, user: 2, requestedAt: 390, acknowledgedAt: self.removedAt),
        ]
        record.devices = (0..<3).map { number in
            self.device(number, messages: number == 2 ? 2 : 3, way: number == 0 ? .own : .live)
        }
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
        return device
    }
}

extension RunRecord {
    mutating func dropStored(seq: UInt64) {
        self.conversations[0].stored.removeAll { $0.seq == seq }
        self.conversations[0].storedIDs.removeAll { $0.seq == seq }
    }
}
