// SPDX-License-Identifier: Apache-2.0

import Messaging
import Postgres

/// What became of a batch.
package enum AppendOutcome: Sendable, Hashable {
    /// Committed, except for the messages of the conversations in `stale`: their stored head was not the one that was
    /// expected, or they are deleted. Of those nothing is stored; load them again.
    case stored(stale: Set<ConversationID>)
    /// A client message id of the batch is stored already (or twice in the batch). Nothing of the batch is stored;
    /// ``ShardSession/findStored(_:)`` tells which.
    case duplicateClientMessageID
}

/// What a client's message is known by, for ever (contract C2).
package struct MessageKey: Hashable, Sendable {
    package var conversation: ConversationID
    package var sender: UserID
    package var clientMessageID: ClientMessageID

    package init(conversation: ConversationID, sender: UserID, clientMessageID: ClientMessageID) {
        self.conversation = conversation
        self.sender = sender
        self.clientMessageID = clientMessageID
    }

    package init(_ message: Message) {
        self.init(
            conversation: message.conversation,
            sender: message.sender,
            clientMessageID: message.clientMessageID
        )
    }
}

/// What was answered, or would have been, when the message was first sent.
package struct StoredMessage: Hashable, Sendable {
    package var seq: UInt64
    package var createdAt: UnixMilliseconds

    package init(seq: UInt64, createdAt: UnixMilliseconds) {
        self.seq = seq
        self.createdAt = createdAt
    }
}

extension ShardSession {
    /// One statement, so one round trip and one transaction. The head of each conversation is compared and swapped: two
    /// writers that both passed the fence still cannot give one number twice or leave one out (contract C3).
    ///
    /// `$1` is the epoch, the rest the columns of a batch. Open to the package so that it can be measured by itself.
    package static let appendStatement = """
        WITH \(Fence.commonTableExpression),
        heads AS (
            UPDATE conversations c SET head_seq = b.new_head
            FROM fence, unnest($2::uuid[], $3::int8[], $4::int8[]) AS b (conversation_id, expected_head, new_head)
            WHERE c.conversation_id = b.conversation_id AND c.head_seq = b.expected_head AND c.deleted_at IS NULL
            RETURNING c.conversation_id
        ),
        batch AS MATERIALIZED (
            SELECT m.*
            FROM unnest(
                $5::uuid[], $6::int8[], $7::int2[], $8::int2[], $9::uuid[], $10::uuid[], $11::uuid[], $12::int8[], $13::text[]
            ) AS m (
                conversation_id, seq, slot, kind, sender_id, sender_device, client_message_id, created_at, body
            )
            JOIN heads USING (conversation_id)
        ),
        stored_messages AS (
            INSERT INTO messages (
                conversation_id, seq, period, slot, kind, sender_id, sender_device, client_message_id, created_at, body
            )
            SELECT
                conversation_id, seq, created_at / \(Partition.periodMilliseconds), slot, kind, sender_id, sender_device,
                client_message_id, created_at, body
            FROM batch
        ),
        stored_ids AS (
            INSERT INTO message_ids (conversation_id, sender_id, client_message_id, slot, seq, created_at)
            SELECT conversation_id, sender_id, client_message_id, slot, seq, created_at FROM batch
        )
        SELECT \(Fence.column), ARRAY(SELECT conversation_id FROM heads)
        """

    /// Stores a batch.
    ///
    /// After ``StorageError/Code/outcomeUnknown`` the batch is stored as a whole or not at all; ``findStored(_:)`` of any
    /// one message that is not stale tells.
    package func appendMessages(_ batch: MessageBatch, epoch: UInt64) throws(StorageError) -> AppendOutcome {
        try self.connect()
        do throws(WriteFailure) {
            return try self.attemptWrite(Self.appendStatement, epoch: epoch, batch.columns) {
                (row) throws(PostgresError) -> AppendOutcome in
                let stored = try row.uuidArray().map { ConversationID(value: $0) }
                return .stored(stale: batch.conversationIDs.subtracting(stored))
            }
        } catch {
            guard error.uniqueViolationTable?.hasPrefix(Partition.Table.messageIDs.rawValue) == true else {
                throw error.storageError
            }
            return .duplicateClientMessageID
        }
    }

    /// Which of these are stored, and under which number. After a duplicate, and after an unknown outcome.
    ///
    /// After an unknown outcome, what is not found may still come: the server can be about to commit it. Storing
    /// it again, with the same numbers, is safe all the same, because only one of the two finds the expected head.
    package func findStored(_ keys: [MessageKey]) throws(StorageError) -> [MessageKey: StoredMessage] {
        try self.read(
            """
            SELECT i.conversation_id, i.sender_id, i.client_message_id, i.seq, i.created_at
            FROM unnest($1::uuid[], $2::uuid[], $3::uuid[]) AS k (conversation_id, sender_id, client_message_id)
            JOIN message_ids i USING (conversation_id, sender_id, client_message_id)
            """,
            [.ids(keys.map(\.conversation)), .ids(keys.map(\.sender)), .ids(keys.map(\.clientMessageID))]
        ) { (result) throws(PostgresError) -> [MessageKey: StoredMessage] in
            var found: [MessageKey: StoredMessage] = [:]
            for var row in result.rows {
                let key = try MessageKey(conversation: row.id(), sender: row.id(), clientMessageID: row.id())
                found[key] = try StoredMessage(seq: row.number(), createdAt: row.number())
            }
            return found
        }
    }
}
