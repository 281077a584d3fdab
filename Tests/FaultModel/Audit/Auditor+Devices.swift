// SPDX-License-Identifier: Apache-2.0

internal import Messaging

extension Auditor {
    mutating func checkDevices() {
        let stored = self.record.conversations.map { conversation in
            Dictionary(conversation.stored.map { ($0.seq, $0.id) }, uniquingKeysWith: { first, _ in first })
        }
        for device in self.record.devices {
            if let ending = device.ending {
                self.result.note(Violation(.deviceEnded, "\(device.name) ended: \(ending)"))
            }
            self.checkDeliveries(device, stored)
            for conversation in self.record.conversations {
                self.checkList(device, conversation)
            }
        }
    }

    private struct Place: Hashable {
        var conversation: Int
        var seq: UInt64
    }

    private mutating func checkDeliveries(_ device: DeviceRecord, _ stored: [[UInt64: ClientMessageID]]) {
        var seen: [Place: ClientMessageID] = [:]
        for delivery in device.deliveries {
            self.result.deliveries += 1
            let text =
                "\(device.name) saw \(delivery.id) as \(delivery.seq) in \(self.name(delivery.conversation))"
            let place = Place(conversation: delivery.conversation, seq: delivery.seq)
            if let other = seen.updateValue(delivery.id, forKey: place), other != delivery.id {
                self.result.note(Violation(.conflicting, at: delivery.at, "\(text), and \(other) before"))
            }
            guard stored.indices.contains(delivery.conversation),
                let truth = stored[delivery.conversation][delivery.seq], truth == delivery.id
            else {
                self.result.note(Violation(.phantom, at: delivery.at, "\(text), which is not what is stored there"))
                continue
            }
            if !delivery.isIntact {
                self.result.note(Violation(.altered, at: delivery.at, "\(text) with another body"))
            }
        }
    }

    /// Of who stayed, the whole list is the stored one. Of who came and went, what follows the last join.
    private mutating func checkList(_ device: DeviceRecord, _ conversation: ConversationRecord) {
        let list = device.lists[conversation.number] ?? []
        for (earlier, later) in zip(list, list.dropFirst()) where later.seq <= earlier.seq {
            self.result.note(
                Violation(
                    .disordered,
                    "\(device.name) shows \(later.seq) after \(earlier.seq) in \(self.name(conversation.number))"
                )
            )
        }
        let joinedSeq: UInt64
        if conversation.stayers.contains(device.user) {
            joinedSeq = conversation.joinedSeqs[device.user] ?? 0
        } else if let last = conversation.joinedSeqs[device.user] {
            joinedSeq = last
        } else {
            return
        }
        self.result.lists += 1
        let expected = conversation.stored.filter { $0.seq > joinedSeq }
        let actual = list.filter { $0.seq > joinedSeq }
        guard let difference = self.firstDifference(expected, actual, conversation.number) else { return }
        self.result.note(
            Violation(
                .listDiffers,
                """
                \(device.name) has \(actual.count) of \(expected.count) messages of \
                \(self.name(conversation.number)); \(difference)
                """
            )
        )
    }

    private func firstDifference(
        _ expected: [StoredMessage],
        _ actual: [DeviceRecord.Shown],
        _ conversation: Int
    ) -> String? {
        for index in 0..<max(expected.count, actual.count) {
            if index >= actual.count {
                let seq = expected[index].seq
                let at = self.record.sends.first { $0.id == expected[index].id }?.acknowledgedAt
                let router = self.record.shards.lazy.flatMap(\.writes).first { write in
                    write.conversation == conversation && (write.firstSeq...write.lastSeq).contains(seq)
                }?.router
                return """
                    \(seq) and what follows is missing; it was stored by \(router ?? "nobody") and acknowledged at \
                    \(at.map(Rendering.seconds) ?? "no time") s
                    """
            }
            if index >= expected.count { return "\(actual[index].seq) is too much" }
            if expected[index].seq != actual[index].seq || expected[index].id != actual[index].id {
                return "it has \(actual[index].seq) where \(expected[index].seq) belongs"
            }
        }
        return nil
    }

    // MARK: - Membership

    mutating func checkMemberships() {
        struct Membership: Hashable {
            var conversation: Int
            var user: Int
        }
        var changes: [Membership: [MembershipChange]] = [:]
        for change in self.record.membershipChanges {
            if change.kind == .removed { self.result.removals += 1 }
            changes[Membership(conversation: change.conversation, user: change.user), default: []].append(change)
        }
        for device in self.record.devices {
            for delivery in device.deliveries {
                guard self.record.conversations.indices.contains(delivery.conversation) else { continue }
                let conversation = self.record.conversations[delivery.conversation]
                guard !conversation.stayers.contains(device.user) else { continue }
                let own = changes[Membership(conversation: delivery.conversation, user: device.user)] ?? []
                self.checkMembership(device, delivery, conversation, own)
            }
        }
    }

    /// The changes are those of one user in one conversation, in their order.
    private mutating func checkMembership(
        _ device: DeviceRecord,
        _ delivery: Delivery,
        _ conversation: ConversationRecord,
        _ changes: [MembershipChange]
    ) {
        let text = "\(device.name) got \(delivery.seq) of \(self.name(delivery.conversation))"
        // The last change that surely happened before, or began before, the delivery; an addition that began while it was
        // under way makes it rightful.
        let last =
            changes.last { $0.kind == .added && $0.requestedAt >= delivery.at && $0.requestedAt < delivery.arrivedAt }
            ?? changes.last { ($0.kind == .added ? $0.requestedAt : $0.acknowledgedAt) < delivery.at }
        switch last?.kind {
        case nil:
            self.result.note(Violation(.deliveredBeforeJoin, at: delivery.at, "\(text) before it was a member"))
        case .removed:
            let late = delivery.at - (last?.acknowledgedAt ?? 0)
            self.result.note(
                Violation(
                    .deliveredAfterRemoval,
                    at: delivery.at,
                    "\(text) (\(delivery.way.rawValue)) \(late) µs after the acknowledgement of its removal"
                )
            )
        case .added:
            if last == changes.last, let joinedSeq = conversation.joinedSeqs[device.user], delivery.seq <= joinedSeq {
                self.result.note(
                    Violation(.deliveredBeforeJoin, at: delivery.at, "\(text), having joined after \(joinedSeq)")
                )
            }
        }
    }
}
