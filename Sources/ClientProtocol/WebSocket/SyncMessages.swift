// SPDX-License-Identifier: Apache-2.0

package import Messaging

/// The fields of `sync`: how far a device has come.
package struct SyncRequest: Hashable, Sendable {
    /// Cursors of one sync, over all its parts.
    package static let cursorsMax = 10_000
    /// Characters of a resume token.
    package static let resumeBytesMax = 8192

    /// By conversation the `seq` of the last message that the device has, 0 for none.
    package var cursors: [ConversationID: UInt64]
    /// By conversation the `state` that came with the receipts that the device has; only of those in ``cursors``.
    package var states: [ConversationID: UInt64]
    /// The device wants to know how far the members have come.
    package var wantsReceipts: Bool
    /// From the answer to an earlier `sync` or `ping`; kept by the device together with the cursors.
    package var resume: String?
    /// Another part follows; only the last is answered.
    package var hasMore: Bool

    package init(
        cursors: [ConversationID: UInt64],
        states: [ConversationID: UInt64] = [:],
        wantsReceipts: Bool = false,
        resume: String? = nil,
        hasMore: Bool = false
    ) {
        self.cursors = cursors
        self.states = states
        self.wantsReceipts = wantsReceipts
        self.resume = resume
        self.hasMore = hasMore
    }

    /// Takes the next part; the last one says what is meant by all.
    package mutating func merge(_ part: SyncRequest) {
        self.cursors.merge(part.cursors) { $1 }
        self.states.merge(part.states) { $1 }
        self.wantsReceipts = part.wantsReceipts
        self.resume = part.resume
        self.hasMore = part.hasMore
    }

    func write(into object: inout JSONWriter.Object) {
        object.object("cursors") { cursors in
            for (conversation, seq) in self.cursors.sorted(by: { $0.key < $1.key }) {
                if let state = self.states[conversation] {
                    cursors.integers(named: conversation, seq, state)
                } else {
                    cursors.integer(named: conversation, seq)
                }
            }
        }
        if self.wantsReceipts { object.flag("receipts", true) }
        if let resume = self.resume { object.string("resume", resume) }
        if self.hasMore { object.flag("more", true) }
    }
}

/// The fields of `sync_messages`: some of what a device missed in one conversation.
package struct SyncMessages: Codable, Hashable, Sendable {
    package var conversationID: ConversationID
    /// In ascending order of `seq`, following on what came before.
    package var messages: [DeliveredMessage]
    /// The `seq` that the device will have with the last page.
    package var headSeq: UInt64
    package var hasMore: Bool

    package init(conversationID: ConversationID, messages: [DeliveredMessage], headSeq: UInt64, hasMore: Bool) {
        self.conversationID = conversationID
        self.messages = messages
        self.headSeq = headSeq
        self.hasMore = hasMore
    }

    private enum CodingKeys: String, CodingKey {
        case conversationID = "conversation_id"
        case messages
        case headSeq = "head_seq"
        case hasMore = "has_more"
    }

    func write(into object: inout JSONWriter.Object) {
        object.identifier("conversation_id", self.conversationID)
        object.array("messages", self.messages) { $1.write(into: &$0) }
        object.integer("head_seq", self.headSeq)
        object.flag("has_more", self.hasMore)
    }
}

/// The fields of `sync_receipts`: how far the members of one conversation have come.
package struct SyncReceipts: Codable, Hashable, Sendable {
    package var conversationID: ConversationID
    /// For the next `sync`, beside the cursor of the conversation.
    package var state: UInt64
    /// As ``ReceiptsResponse/receipts``.
    package var receipts: [ReceiptsResponse.Row]

    package init(_ receipts: ConversationReceipts) {
        self.conversationID = receipts.conversation
        self.state = receipts.stateVersion
        self.receipts = receipts.entries.map(ReceiptsResponse.Row.init)
    }

    private enum CodingKeys: String, CodingKey {
        case conversationID = "conversation_id"
        case state
        case receipts
    }

    func write(into object: inout JSONWriter.Object) {
        object.identifier("conversation_id", self.conversationID)
        object.integer("state", self.state)
        object.array("receipts", self.receipts) { object, row in
            object.identifier("user_id", row.userID)
            object.integer("delivered_seq", row.deliveredSeq)
            object.integer("read_seq", row.readSeq)
        }
    }
}

/// The fields of `synced`: what a sync came to.
package struct Synced: Codable, Hashable, Sendable {
    /// A conversation with more to catch up with than a sync brings.
    package struct TooFar: Codable, Hashable, Sendable {
        package var conversationID: ConversationID
        package var headSeq: UInt64
        /// What is missing are the messages after this one, up to the head.
        package var after: UInt64

        package init(conversationID: ConversationID, headSeq: UInt64, after: UInt64) {
            self.conversationID = conversationID
            self.headSeq = headSeq
            self.after = after
        }

        private enum CodingKeys: String, CodingKey {
            case conversationID = "conversation_id"
            case headSeq = "head_seq"
            case after
        }
    }

    /// Conversations of which messages were sent.
    package var changed: Int
    package var tooFar: [TooFar]
    /// Conversations that the user is not a member of any more.
    package var removed: [ConversationID]
    /// Conversations whose title or members changed, or may have.
    package var updated: [ConversationID]
    /// Conversations whose part of the cluster is away: nothing can be said of what is missing; sync again later.
    package var unavailable: [ConversationID]
    /// Conversations whose receipts are to be asked for over REST, because there were too many of them.
    package var receiptsLeftOut: [ConversationID]
    /// Every conversation was compared: titles and members of any of them may have changed.
    package var isFull: Bool
    /// For the next sync; absent when something was left out, or the session is behind again already.
    package var resume: String?

    package init(
        changed: Int,
        tooFar: [TooFar] = [],
        removed: [ConversationID] = [],
        updated: [ConversationID] = [],
        unavailable: [ConversationID] = [],
        receiptsLeftOut: [ConversationID] = [],
        isFull: Bool,
        resume: String? = nil
    ) {
        self.changed = changed
        self.tooFar = tooFar
        self.removed = removed
        self.updated = updated
        self.unavailable = unavailable
        self.receiptsLeftOut = receiptsLeftOut
        self.isFull = isFull
        self.resume = resume
    }

    private enum CodingKeys: String, CodingKey {
        case changed
        case tooFar = "too_far"
        case removed
        case updated
        case unavailable
        case receiptsLeftOut = "receipts_left_out"
        case isFull = "full"
        case resume
    }

    func write(into object: inout JSONWriter.Object) {
        object.integer("changed", UInt64(self.changed))
        object.array("too_far", self.tooFar) { object, conversation in
            object.identifier("conversation_id", conversation.conversationID)
            object.integer("head_seq", conversation.headSeq)
            object.integer("after", conversation.after)
        }
        object.identifiers("removed", self.removed)
        object.identifiers("updated", self.updated)
        object.identifiers("unavailable", self.unavailable)
        object.identifiers("receipts_left_out", self.receiptsLeftOut)
        object.flag("full", self.isFull)
        if let resume = self.resume { object.string("resume", resume) }
    }
}
