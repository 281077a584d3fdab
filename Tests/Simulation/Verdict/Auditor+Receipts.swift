// SPDX-License-Identifier: Apache-2.0

import Messaging
import Storage

/// How far members have come: never back, nothing lost that was acknowledged, and in the end everybody knows.
extension Auditor {
    func receipts() -> [Violation] {
        self.devices.flatMap { self.acknowledgements($0) }
            + self.conversations.flatMap { conversation in
                self.devices.flatMap { self.knowledge($0, conversation) }
            }
    }

    private func acknowledgements(_ device: SimulatedDevice) -> [Violation] {
        // Who is let in again begins anew.
        guard !self.cluster.wasEverRemoved(device.user) else { return [] }
        var found: [Violation] = []
        if device.receiptsWentBack > 0 {
            found.append(Violation(kind: .receiptsWentBack, detail: "\(device.name) was told less than before"))
        }
        for failure in device.receiptRefusals {
            found.append(Violation(kind: .refused, detail: "\(device.name)'s receipt: \(failure.code.name)"))
        }
        for (conversation, acknowledged) in device.acknowledgedReceipts.sorted(by: { $0.key < $1.key }) {
            let stored = self.members(conversation)[device.user] ?? .zero
            guard !stored.covers(acknowledged) else { continue }
            found.append(
                Violation(kind: .receiptLost, detail: "\(device.name) has \(acknowledged), stored is \(stored)")
            )
        }
        return found
    }

    private func members(_ conversation: ConversationID) -> [UserID: Watermarks] {
        let members = self.cluster.shard(of: conversation).rows[conversation]?.state.members ?? []
        return Dictionary(members.map { ($0.user, $0.watermarks) }, uniquingKeysWith: { $1 })
    }

    /// Of others all that is stored is known; of the own user what was read: that something reached a device is no news
    /// for the user's other ones.
    private func knowledge(_ device: SimulatedDevice, _ conversation: ConversationID) -> [Violation] {
        let members = self.members(conversation)
        guard members[device.user] != nil, !self.cluster.wasEverRemoved(device.user) else { return [] }
        return members.sorted { $0.key < $1.key }.compactMap { user, stored in
            let known = device.watermarks(of: user, in: conversation)
            let holds =
                if self.cluster.wasEverRemoved(user) {
                    // What joining sets is told to nobody.
                    stored.covers(known)
                } else if user == device.user {
                    known.read == stored.read
                } else {
                    known == stored
                }
            guard !holds else { return nil }
            return Violation(
                kind: .receiptsDiffer,
                detail: "\(device.name) knows \(known) of \(user) in \(conversation), stored is \(stored)"
            )
        }
    }
}
