// SPDX-License-Identifier: Apache-2.0

package import ClientProtocol
package import Messaging

/// How far the user and the other members have come in each conversation, and what of it the cluster has to be told. Pure.
///
/// The own numbers are wanted, sent, and stored: for each conversation one receipt is under way at most, and what comes
/// meanwhile is merged into the next. What has no answer when the connection ends is sent again on the next one. What is
/// handed out only grows, whatever order events come in. Bounded by the conversations that are followed and by the members
/// of those in which receipts are told.
package struct ReceiptTracker: Sendable {
    /// Receipts that wait for their answer at one time, so that they leave room for messages.
    package static let underWayMax = 16

    private struct Own {
        var wanted = Watermarks.zero
        var stored = Watermarks.zero
        /// Handed over, but not worth a receipt of its own: the user's own messages.
        var alongside: UInt64 = 0
        var isUnderWay = false
        var isPausing = false
        var isQueued = false

        var isBehind: Bool { !self.stored.covers(self.wanted) }
    }

    private struct Sent {
        var conversation: ConversationID
        var watermarks: Watermarks
    }

    private var own: [ConversationID: Own] = [:]
    private var underWay: [UInt64: Sent] = [:]
    /// Conversations to look at for sending, each at most once.
    private var queue: [ConversationID] = []
    private var members: [ConversationID: [UserID: Watermarks]] = [:]

    package init() {}

    /// What is known of a member; of the own user what is stored.
    package func watermarks(of user: UserID, in conversation: ConversationID) -> Watermarks {
        self.members[conversation]?[user] ?? .zero
    }

    /// Nothing waits to be sent, to be answered, or for a pause to end.
    package var isIdle: Bool {
        self.underWay.isEmpty && !self.own.values.contains { $0.isBehind }
    }

    // MARK: - What the user does

    /// Everything up to a message was handed over.
    ///
    /// - Parameter isOwn: the message is the user's own: it goes along with the next receipt.
    package mutating func handedOver(_ seq: UInt64, in conversation: ConversationID, isOwn: Bool) {
        guard !isOwn else {
            self.own[conversation, default: Own()].alongside = max(self.own[conversation]?.alongside ?? 0, seq)
            return
        }
        self.want(Watermarks(delivered: seq, read: 0), in: conversation)
    }

    /// The user has seen everything up to a message.
    package mutating func read(_ seq: UInt64, in conversation: ConversationID) {
        self.want(Watermarks(delivered: seq, read: seq), in: conversation)
    }

    private mutating func want(_ watermarks: Watermarks, in conversation: ConversationID) {
        self.own[conversation, default: Own()].wanted.formUnion(watermarks)
        self.enqueue(conversation)
    }

    // MARK: - Sending

    /// What to send next, or nil. Say with ``sent(_:_:as:)`` that it was sent.
    package mutating func nextToSend() -> (conversation: ConversationID, watermarks: Watermarks)? {
        guard self.underWay.count < Self.underWayMax else { return nil }
        while let conversation = self.queue.first {
            if let own = self.own[conversation], own.isBehind, !own.isUnderWay, !own.isPausing {
                if own.wanted.read > own.stored.read {
                    return (conversation, Watermarks(delivered: own.wanted.read, read: own.wanted.read))
                }
                let delivered = max(own.wanted.delivered, own.alongside)
                return (conversation, Watermarks(delivered: delivered, read: 0))
            }
            self.queue.removeFirst()
            self.own[conversation]?.isQueued = false
        }
        return nil
    }

    package mutating func sent(_ watermarks: Watermarks, in conversation: ConversationID, as command: UInt64) {
        self.underWay[command] = Sent(conversation: conversation, watermarks: watermarks)
        self.own[conversation]?.isUnderWay = true
        self.own[conversation]?.isQueued = false
        if self.queue.first == conversation { self.queue.removeFirst() }
    }

    /// The command got `receipt_stored`. Returns the own numbers when they have grown.
    package mutating func stored(_ command: UInt64, _ answer: ReceiptStored, user: UserID) -> Watermarks? {
        guard self.underWay.removeValue(forKey: command) != nil else { return nil }
        self.own[answer.conversationID]?.isUnderWay = false
        let grown = self.received(answer.watermarks, of: user, in: answer.conversationID, isOwn: true)
        self.enqueue(answer.conversationID)
        return grown
    }

    package enum RefusalAction: Sendable, Equatable {
        /// Call ``pauseEnded(_:)`` after a while.
        case pause(ConversationID)
        /// It would not help to send it again.
        case giveUp(ConversationID)
        /// It was no receipt.
        case none
    }

    /// The command got `error`.
    package mutating func refused(_ command: UInt64, isRetryable: Bool) -> RefusalAction {
        guard let sent = self.underWay.removeValue(forKey: command) else { return .none }
        self.own[sent.conversation]?.isUnderWay = false
        guard isRetryable else {
            let stored = self.own[sent.conversation]?.stored ?? .zero
            self.own[sent.conversation]?.wanted = stored
            return .giveUp(sent.conversation)
        }
        self.own[sent.conversation]?.isPausing = true
        return .pause(sent.conversation)
    }

    package mutating func pauseEnded(_ conversation: ConversationID) {
        self.own[conversation]?.isPausing = false
        self.enqueue(conversation)
    }

    /// The connection is gone: what was sent on it is sent again.
    package mutating func disconnected() {
        let lost = self.underWay.values.map(\.conversation)
        self.underWay = [:]
        for conversation in lost {
            self.own[conversation]?.isUnderWay = false
            self.enqueue(conversation)
        }
    }

    private mutating func enqueue(_ conversation: ConversationID) {
        guard let own = self.own[conversation], own.isBehind, !own.isQueued, !own.isUnderWay, !own.isPausing else {
            return
        }
        self.own[conversation]?.isQueued = true
        self.queue.append(conversation)
    }

    // MARK: - What comes

    /// A member has come so far. Returns the member's numbers when they have grown, and nil when this is no news.
    package mutating func received(
        _ watermarks: Watermarks,
        of user: UserID,
        in conversation: ConversationID,
        isOwn: Bool
    ) -> Watermarks? {
        if isOwn { self.own[conversation]?.stored.formUnion(watermarks) }
        let before = self.members[conversation]?[user] ?? .zero
        guard !before.covers(watermarks) else { return nil }
        let after = before.union(watermarks)
        self.members[conversation, default: [:]][user] = after
        return after
    }
}
