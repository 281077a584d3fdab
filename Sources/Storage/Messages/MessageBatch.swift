// SPDX-License-Identifier: Apache-2.0

import Messaging
import Postgres

/// Messages of any number of conversations, to be stored in one statement. Kept column by column, as they are sent.
///
/// How many rows and bytes it may hold is for the caller to decide, by ``rowCount`` and ``bodyBytes``.
package struct MessageBatch: Sendable {
    /// Where each conversation stands in the columns of heads.
    private var indices: [ConversationID: Int] = [:]
    private var headConversations: [UInt128] = []
    private var expectedHeads: [Int64] = []
    private var newHeads: [Int64] = []

    private var conversations: [UInt128] = []
    private var seqs: [Int64] = []
    private var slots: [Int16] = []
    private var kinds: [Int16] = []
    private var senders: [UInt128] = []
    private var senderDevices: [UInt128] = []
    private var clientMessageIDs: [UInt128] = []
    private var createdAt: [Int64] = []
    private var bodies: [String] = []

    /// UTF-8 bytes of all bodies.
    package private(set) var bodyBytes = 0

    package init() {}

    package init(_ messages: some Sequence<Message>) {
        for message in messages { self.append(message) }
    }

    package var rowCount: Int { self.seqs.count }
    package var isEmpty: Bool { self.seqs.isEmpty }

    /// Adds a message. The first one of a conversation says which head is expected to be stored: the number before
    /// its own. Every further one must follow without a gap; that they do is the sequencer's duty, and a gap traps.
    package mutating func append(_ message: Message) {
        let seq = Int64(clamping: message.seq)
        if let index = self.indices[message.conversation] {
            precondition(self.newHeads[index] + 1 == seq, "seq \(seq) does not follow \(self.newHeads[index])")
            self.newHeads[index] = seq
        } else {
            precondition(seq > 0, "seq starts at 1")
            self.indices[message.conversation] = self.headConversations.count
            self.headConversations.append(message.conversation.value)
            self.expectedHeads.append(seq - 1)
            self.newHeads.append(seq)
        }
        self.conversations.append(message.conversation.value)
        self.seqs.append(seq)
        self.slots.append(message.conversation.slotColumn)
        self.kinds.append(Int16(message.kind.rawValue))
        self.senders.append(message.sender.value)
        self.senderDevices.append(message.senderDevice.value)
        self.clientMessageIDs.append(message.clientMessageID.value)
        self.createdAt.append(Int64(clamping: message.createdAt))
        self.bodies.append(message.body)
        self.bodyBytes += message.body.utf8.count
    }

    /// The head that a conversation is expected to have, and the one it gets.
    package var headMoves: [(conversation: ConversationID, expected: UInt64, new: UInt64)] {
        self.headConversations.indices.map { index in
            (
                ConversationID(value: self.headConversations[index]), UInt64(self.expectedHeads[index]),
                UInt64(self.newHeads[index])
            )
        }
    }

    /// The messages as they were appended.
    package var messages: [Message] {
        self.seqs.indices.map { index in
            Message(
                conversation: ConversationID(value: self.conversations[index]),
                seq: UInt64(self.seqs[index]),
                sender: UserID(value: self.senders[index]),
                senderDevice: DeviceID(value: self.senderDevices[index]),
                clientMessageID: ClientMessageID(value: self.clientMessageIDs[index]),
                kind: MessageKind(rawValue: UInt8(clamping: self.kinds[index])) ?? .text,
                body: self.bodies[index],
                createdAt: UnixMilliseconds(self.createdAt[index])
            )
        }
    }

    package mutating func removeAll() {
        self = MessageBatch()
    }

    var conversationIDs: Set<ConversationID> {
        Set(self.indices.keys)
    }

    /// `$2` to `$13` of the statement that stores it.
    var columns: [PostgresValue] {
        [
            .uuidArray(self.headConversations), .int8Array(self.expectedHeads), .int8Array(self.newHeads),
            .uuidArray(self.conversations), .int8Array(self.seqs), .int2Array(self.slots), .int2Array(self.kinds),
            .uuidArray(self.senders), .uuidArray(self.senderDevices), .uuidArray(self.clientMessageIDs),
            .int8Array(self.createdAt), .textArray(self.bodies),
        ]
    }
}
