// SPDX-License-Identifier: Apache-2.0

internal import Messaging

/// Of members who stayed: whoever is removed and added begins anew.
extension Auditor {
    mutating func checkReceipts() {
        for conversation in self.record.conversations {
            for user in conversation.stayers { self.check(conversation.receipts[user], of: user, conversation) }
        }
        for device in self.record.devices {
            for (key, view) in device.receipts.sorted(by: {
                ($0.key.conversation, $0.key.user) < ($1.key.conversation, $1.key.user)
            }) {
                self.check(view, key, device)
            }
        }
        for difference in Self.receiptDifferences(self.record) { self.result.note(difference) }
    }

    /// What is stored of one member, against the messages.
    private mutating func check(_ stored: Watermarks?, of user: Int, _ conversation: ConversationRecord) {
        guard let stored else { return }
        let head = conversation.stored.last?.seq ?? 0
        if stored.delivered > head {
            self.result.note(
                Violation(
                    .receiptBeyond,
                    "user \(user) has \(stored.text) of \(self.name(conversation.number)), which ends with \(head)"
                )
            )
        }
    }

    private mutating func check(_ view: ReceiptView, _ key: ReceiptKey, _ device: DeviceRecord) {
        guard self.record.conversations.indices.contains(key.conversation),
            self.record.conversations[key.conversation].stayers.contains(key.user)
        else { return }
        self.result.receipts += 1
        let place = "user \(key.user) in \(self.name(key.conversation))"
        for step in view.backsteps {
            self.result.note(
                Violation(
                    .receiptBackwards,
                    at: step.at,
                    "\(device.name) was told that \(place) has \(step.to.text), having been told \(step.from.text)"
                )
            )
        }
        guard let stored = self.record.conversations[key.conversation].receipts[key.user] else { return }
        if !stored.covers(view.watermarks) {
            self.result.note(
                Violation(
                    .receiptLost,
                    "\(device.name) was told that \(place) has \(view.watermarks.text), stored is \(stored.text)"
                )
            )
        }
    }

    /// Where the end is not reached: a member who stayed has a device that says of itself what has arrived, so all that
    /// others sent is delivered; and whoever is there at the end was told so much of every other member.
    package static func receiptDifferences(_ record: RunRecord) -> [Violation] {
        var differences: [Violation] = []
        for conversation in record.conversations {
            let place = "conversation \(conversation.number) (\(conversation.id))"
            for user in conversation.stayers {
                guard let stored = conversation.receipts[user] else { continue }
                let last = conversation.stored.last { $0.user != user }?.seq ?? 0
                if stored.delivered < last {
                    differences.append(
                        Violation(.receiptMissing, "user \(user) has \(stored.text) of \(place), \(last) was sent")
                    )
                }
                for device in record.devices
                where device.user != user && !device.isAway && conversation.stayers.contains(device.user) {
                    let key = ReceiptKey(conversation: conversation.number, user: user)
                    let shown = device.receipts[key]?.watermarks ?? .zero
                    guard !shown.covers(stored) else { continue }
                    differences.append(
                        Violation(
                            .receiptDiffers,
                            "\(device.name) shows \(shown.text) of user \(user) in \(place), stored is \(stored.text)"
                        )
                    )
                }
            }
        }
        return differences
    }
}

extension Watermarks {
    fileprivate var text: String { "\(self.delivered) delivered and \(self.read) read" }
}
