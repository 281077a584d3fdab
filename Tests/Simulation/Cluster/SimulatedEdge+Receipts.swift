// SPDX-License-Identifier: Apache-2.0

import ClientProtocol
import Edge
import Messaging
import NIOCore
import Placement
import Wire

/// Receipts on their way to the owners: the decisions are those of the product's ``ReceiptMerger``.
extension SimulatedEdge {
    struct AwaitedReceipt {
        var session: SimulatedSession
        var command: UInt64
        var conversation: ConversationID
    }

    func receiptReceived(
        _ watermarks: Watermarks,
        in conversation: ConversationID,
        _ command: UInt64,
        _ link: SimulatedLink
    ) {
        guard let session = self.session(on: link), session.isOpen else { return }
        let ticket = self.world.nextNumber()
        let receipt = ReceiptMerger.Receipt(
            ticket: ticket,
            user: session.device.user,
            watermarks: watermarks,
            deadline: self.world.deadlineNow + Self.submitTimeout
        )
        self.awaitedReceipts[ticket] = AwaitedReceipt(session: session, command: command, conversation: conversation)
        switch self.receipts.add(receipt, to: conversation) {
        case .send(let request): self.send(request)
        case .wait: break
        case .refuse: preconditionFailure("a simulation has not so many receipts")
        }
    }

    private func send(_ request: ReceiptMerger.Request) {
        let conversation = request.body.conversation
        let slot = Slot(of: conversation.value)
        self.request(.storeReceipts, slot, request.body.encoded(), request.deadline) { [weak self] outcome in
            guard let self else { return }
            let now = self.world.deadlineNow
            self.carryOut(self.receipts.ended(conversation, outcome, now: now, using: &self.world.random), conversation)
        }
    }

    private func carryOut(_ outcome: ReceiptMerger.Outcome, _ conversation: ConversationID) {
        for (ticket, result) in outcome.finished {
            guard let awaited = self.awaitedReceipts.removeValue(forKey: ticket) else { continue }
            let (device, command) = (awaited.session.device, awaited.command)
            switch result {
            case .success(let watermarks):
                let stored = ReceiptStored(conversationID: awaited.conversation, watermarks: watermarks)
                awaited.session.link.send(from: self) { device.receiptStored(command, stored) }
            case .failure(let failure):
                awaited.session.link.send(from: self) { device.receiptRefused(command, failure) }
            }
        }
        if let request = outcome.request { self.send(request) }
        if let pause = outcome.pause {
            self.later(.milliseconds(UInt64(pause))) { [weak self] in
                guard let self else { return }
                self.carryOut(self.receipts.resume(conversation, now: self.world.deadlineNow), conversation)
            }
        }
    }
}
