// SPDX-License-Identifier: Apache-2.0

package import Messaging

/// The conversations whose receipts a sync has yet to read. Pure.
package struct SyncReceiptQueue {
    private let conversationsMax: Int
    /// In the order in which they are read.
    private var waiting: [ConversationID] = []
    private var isWaiting: Set<ConversationID> = []
    /// Those that were waiting at any time.
    private var taken: Set<ConversationID> = []
    /// Those that there was no room for.
    package private(set) var leftOut: Set<ConversationID> = []

    /// - Parameter conversationsMax: of one sync; one that is read again counts once.
    package init(conversationsMax: Int) {
        self.conversationsMax = conversationsMax
    }

    package var isEmpty: Bool { self.waiting.isEmpty }

    /// One that was read already is read again: what came since is news.
    package mutating func want(_ conversation: ConversationID) {
        guard !self.isWaiting.contains(conversation) else { return }
        guard self.taken.count < self.conversationsMax || self.taken.contains(conversation) else {
            self.leftOut.insert(conversation)
            return
        }
        self.taken.insert(conversation)
        self.isWaiting.insert(conversation)
        self.waiting.append(conversation)
    }

    /// Takes the next ones out, at least one unless there is none.
    package mutating func next(atMost count: Int) -> [ConversationID] {
        let share = Array(self.waiting.prefix(count))
        self.waiting.removeFirst(share.count)
        self.isWaiting.subtract(share)
        return share
    }

    package mutating func removeAll() {
        self.waiting = []
        self.isWaiting = []
    }
}
