// SPDX-License-Identifier: Apache-2.0

import ClientProtocol
import Messaging
import TrunklineClient

/// Receipts, by the client library's ``ReceiptTracker``: what was handed over was delivered, and some of it is read.
extension SimulatedDevice {
    /// So that what comes together is merged.
    private static let pause = UInt64.milliseconds(100)...UInt64.milliseconds(800)

    func handedOverToRead(_ message: DeliveredMessage) {
        guard self.sendsReceipts else { return }
        self.receipts.handedOver(message.seq, in: message.conversationID, isOwn: message.senderID == self.user)
        if self.world.chance(0.2) { self.receipts.read(message.seq, in: message.conversationID) }
        guard !self.receiptsAreScheduled else { return }
        self.receiptsAreScheduled = true
        self.later(self.world.duration(Self.pause)) { [weak self] in
            self?.receiptsAreScheduled = false
            self?.sendReceipts()
        }
    }

    func sendReceipts() {
        guard let (link, edge) = self.connection else { return }
        while let next = self.receipts.nextToSend() {
            let command = self.takeCommand()
            self.receipts.sent(next.watermarks, in: next.conversation, as: command)
            link.send(from: self) { edge.receiptReceived(next.watermarks, in: next.conversation, command, link) }
        }
    }

    func receiptStored(_ command: UInt64, _ answer: ReceiptStored) {
        let before = self.acknowledgedReceipts[answer.conversationID] ?? .zero
        if !answer.watermarks.covers(before) { self.receiptsWentBack += 1 }
        self.acknowledgedReceipts[answer.conversationID] = before.union(answer.watermarks)
        _ = self.receipts.stored(command, answer, user: self.user)
        self.sendReceipts()
    }

    func receiptRefused(_ command: UInt64, _ failure: Failure) {
        switch self.receipts.refused(command, isRetryable: TrunklineError(failure).isRetryable) {
        case .none: return
        case .giveUp: self.receiptRefusals.append(failure)
        case .pause(let conversation):
            self.later(.milliseconds(100)) { [weak self] in
                self?.receipts.pauseEnded(conversation)
                self?.sendReceipts()
            }
        }
        self.sendReceipts()
    }

    func receiptsReceived(_ entries: [MemberWatermarks], in conversation: ConversationID, _ link: SimulatedLink) {
        guard self.isCurrent(link) else { return }
        for entry in entries { self.receiptReceived(entry.watermarks, of: entry.user, in: conversation) }
    }

    func receiptReceived(_ watermarks: Watermarks, of user: UserID, in conversation: ConversationID) {
        _ = self.receipts.received(watermarks, of: user, in: conversation, isOwn: user == self.user)
    }
}
