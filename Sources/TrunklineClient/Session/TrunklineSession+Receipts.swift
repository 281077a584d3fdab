// SPDX-License-Identifier: Apache-2.0

internal import ClientProtocol
package import Messaging
internal import NIOCore

extension TrunklineSession {
    /// Says that the user has seen everything up to a message that was handed over. Sent as soon as it can be, merged with
    /// others of the conversation; the event `receipt` about the own user tells that it is stored.
    package func markRead(_ conversation: ConversationID, upTo seq: UInt64) {
        self.eventLoop.preconditionInEventLoop()
        guard !self.hasEnded, seq > 0 else { return }
        self.receipts.read(seq, in: conversation)
        self.scheduleReceipts()
    }

    /// How far a member has come, as far as this session knows; the numbers only grow.
    package func watermarks(of user: UserID, in conversation: ConversationID) -> Watermarks {
        self.eventLoop.preconditionInEventLoop()
        return self.receipts.watermarks(of: user, in: conversation)
    }

    /// Asks over REST how far the members have come: for a conversation that is shown, after a time without a connection.
    /// What has grown comes as events. A failure is no news; the next call asks again.
    package func refreshReceipts(_ conversation: ConversationID) {
        self.eventLoop.preconditionInEventLoop()
        self.http.receipts(
            in: conversation,
            token: self.credentials.accessToken,
            edge: self.edge,
            on: self.eventLoop
        ).assumeIsolated().whenSuccess { answer in
            guard !self.hasEnded else { return }
            for row in answer.receipts {
                self.receivedReceipt(row.watermarks, of: row.userID, in: conversation)
            }
        }
    }

    /// Once per turn of the loop, so that what comes together is merged.
    func scheduleReceipts() {
        guard !self.receiptsAreScheduled else { return }
        self.receiptsAreScheduled = true
        self.eventLoop.assumeIsolated().execute {
            self.receiptsAreScheduled = false
            self.sendReceipts()
        }
    }

    func handedOver(_ message: DeliveredMessage) {
        guard self.settings.acknowledgesDelivery else { return }
        let isOwn = message.senderID == self.credentials.user
        self.receipts.handedOver(message.seq, in: message.conversationID, isOwn: isOwn)
        if !isOwn { self.scheduleReceipts() }
    }

    func sendReceipts() {
        guard case .open(let socket) = self.phase else { return }
        while socket.hasRoom, let next = self.receipts.nextToSend() {
            let isRead = next.watermarks.read > 0
            let seq = isRead ? next.watermarks.read : next.watermarks.delivered
            let request = ReceiptRequest(conversationID: next.conversation, seq: seq)
            guard let command = socket.send(request, isRead: isRead) else { return }
            self.receipts.sent(next.watermarks, in: next.conversation, as: command)
        }
    }

    func receivedReceiptAnswer(_ command: UInt64, _ answer: ReceiptStored) {
        let user = self.credentials.user
        if let grown = self.receipts.stored(command, answer, user: user) {
            self.emit(.receipt(answer.conversationID, user, grown))
        }
        self.sendReceipts()
    }

    /// Returns whether the command was a receipt.
    func receivedReceiptRefusal(_ command: UInt64, _ error: TrunklineError) -> Bool {
        switch self.receipts.refused(command, isRetryable: error.isRetryable) {
        case .none:
            return false
        case .giveUp(let conversation):
            self.emit(.receiptFailed(conversation, error))
        case .pause(let conversation):
            self.statistics.retryableErrors[error.name, default: 0] += 1
            var pause = self.settings.retry.pause(attempt: 1, using: &self.generator)
            if let asked = error.retryAfterMilliseconds { pause = max(pause, .milliseconds(Int64(asked))) }
            self.eventLoop.assumeIsolated().scheduleTask(in: pause) {
                self.receipts.pauseEnded(conversation)
                self.sendReceipts()
            }
        }
        self.sendReceipts()
        return true
    }

    func receivedReceipt(_ watermarks: Watermarks, of user: UserID, in conversation: ConversationID) {
        let isOwn = user == self.credentials.user
        guard let grown = self.receipts.received(watermarks, of: user, in: conversation, isOwn: isOwn) else { return }
        self.emit(.receipt(conversation, user, grown))
    }
}
