// SPDX-License-Identifier: Apache-2.0

import Messaging
import Placement
import Postgres

extension ShardSession {
    /// Stores a conversation with its first members. Storing the same id again changes nothing.
    ///
    /// A direct conversation's id follows from its two users, so a deleted one has to come back under the same id: its
    /// numbers go on where they ended, and its members join there.
    ///
    /// - Parameter members: their `joinedSeq` and their watermarks are set to the head, which is 0 in a new conversation.
    package func createConversation(
        _ conversation: Conversation,
        members: [Member],
        epoch: UInt64,
        outbox: OutboxBuilder
    ) throws(StorageError) -> ConversationCreation {
        try self.transaction(epoch: epoch) { (transaction) throws(StorageError) -> ConversationCreation in
            let version: UInt64
            if try transaction.insert(conversation, memberCount: members.count) {
                version = 1
            } else {
                let isDeleted = try transaction.lockWhetherDeleted(conversation.id)
                guard isDeleted else { return try .existed(transaction.loadConversation(conversation.id)) }
                guard conversation.kind == .direct else { return .deleted }
                version = try transaction.revive(conversation, memberCount: members.count)
            }
            try transaction.insert(members, of: conversation.id, now: conversation.createdAt)
            let change = MembershipChange(membersVersion: version, users: members.map(\.user))
            let ids = try transaction.insert(
                outbox(change),
                slot: Slot(of: conversation.id.value),
                now: conversation.createdAt
            )
            return try .created(transaction.loadConversation(conversation.id), outbox: ids)
        }
    }
}

extension ShardTransaction {
    /// Returns false when there is one with this id.
    fileprivate func insert(_ conversation: Conversation, memberCount: Int) throws(StorageError) -> Bool {
        try self.query(
            """
            INSERT INTO conversations
                (conversation_id, slot, kind, title, created_by, created_at, member_count, members_version)
            VALUES ($1, $2, $3, $4, $5, $6, $7, 1)
            ON CONFLICT DO NOTHING RETURNING conversation_id
            """,
            [
                .id(conversation.id), .int2(conversation.id.slotColumn), .int2(Int16(conversation.kind.rawValue)),
                .text(conversation.title), .id(conversation.createdBy), .number(conversation.createdAt),
                .int4(Int32(clamping: memberCount)),
            ]
        ) { $0.rowCount == 1 }
    }

    fileprivate func lockWhetherDeleted(_ id: ConversationID) throws(StorageError) -> Bool {
        try self.query(
            "SELECT deleted_at IS NOT NULL FROM conversations WHERE conversation_id = $1 FOR UPDATE",
            [.id(id)]
        ) { (result) throws(PostgresError) -> Bool in
            guard var row = result.first else {
                throw PostgresError(.unexpectedAnswer, "a conversation that is in the way cannot be found")
            }
            return try row.bool()
        }
    }

    /// Returns the new version of the members.
    fileprivate func revive(_ conversation: Conversation, memberCount: Int) throws(StorageError) -> UInt64 {
        try self.query(
            """
            UPDATE conversations
            SET deleted_at = NULL, title = $2, created_by = $3, created_at = $4, member_count = $5,
                members_version = members_version + 1, state_version = state_version + 1
            WHERE conversation_id = $1 RETURNING members_version
            """,
            [
                .id(conversation.id), .text(conversation.title), .id(conversation.createdBy),
                .number(conversation.createdAt), .int4(Int32(clamping: memberCount)),
            ]
        ) { (result) throws(PostgresError) -> UInt64 in
            guard var row = result.first else {
                throw PostgresError(.unexpectedAnswer, "a conversation that is locked cannot be found")
            }
            return try row.number()
        }
    }

    /// Inserts members who join at the conversation's head.
    func insert(
        _ members: [Member],
        of conversation: ConversationID,
        now: UnixMilliseconds
    ) throws(StorageError) {
        try self.run(
            """
            INSERT INTO members (conversation_id, user_id, slot, role, joined_seq, joined_at, delivered_seq, read_seq)
            SELECT c.conversation_id, m.user_id, c.slot, m.role, c.head_seq, $4, c.head_seq, c.head_seq
            FROM conversations c, unnest($2::uuid[], $3::int2[]) AS m (user_id, role)
            WHERE c.conversation_id = $1
            """,
            [
                .id(conversation), .ids(members.map(\.user)), .int2Array(members.map { Int16($0.role.rawValue) }),
                .number(now),
            ]
        )
    }
}
