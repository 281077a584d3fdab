// SPDX-License-Identifier: Apache-2.0

import Messaging
import Postgres

extension ShardSession {
    /// The larger of stored and new wins in the row itself, so that no order of receipts, no repeat and no second writer
    /// can lead back. A row that would not grow is not written, and neither is the version of its conversation.
    private static let storeReceipts = """
        WITH \(Fence.commonTableExpression),
        batch AS MATERIALIZED (
            SELECT * FROM unnest($2::uuid[], $3::uuid[], $4::int8[], $5::int8[])
                AS b (conversation_id, user_id, delivered, read)
        ),
        grown AS (
            UPDATE members m
            SET delivered_seq = greatest(m.delivered_seq, m.read_seq, b.delivered, b.read),
                read_seq = greatest(m.read_seq, b.read)
            FROM fence, batch b
            WHERE m.conversation_id = b.conversation_id AND m.user_id = b.user_id
                AND (greatest(b.delivered, b.read) > greatest(m.delivered_seq, m.read_seq) OR b.read > m.read_seq)
            RETURNING m.conversation_id, m.user_id, m.delivered_seq, m.read_seq
        ),
        versions AS (
            UPDATE conversations c SET state_version = c.state_version + 1
            WHERE c.conversation_id IN (SELECT conversation_id FROM grown)
        ),
        stored AS (
            SELECT conversation_id, user_id,
                coalesce(g.delivered_seq, greatest(m.delivered_seq, m.read_seq)) AS delivered,
                coalesce(g.read_seq, m.read_seq) AS read
            FROM batch b
            JOIN members m USING (conversation_id, user_id)
            LEFT JOIN grown g USING (conversation_id, user_id)
        )
        SELECT \(Fence.column), coalesce(array_agg(conversation_id), '{}'), coalesce(array_agg(user_id), '{}'),
            coalesce(array_agg(delivered), '{}'), coalesce(array_agg(read), '{}')
        FROM stored
        """

    /// Stores watermarks; a smaller one than is stored changes nothing. That no number lies beyond the conversation's
    /// newest message is for the caller to check.
    ///
    /// After ``StorageError/Code/outcomeUnknown`` the same batch may be stored again.
    ///
    /// - Returns: for each member of the batch the watermarks as they are stored now. Who is absent is no member.
    package func storeReceipts(
        _ batch: ReceiptBatch,
        epoch: UInt64
    ) throws(StorageError) -> [MemberKey: Watermarks] {
        try self.write(Self.storeReceipts, epoch: epoch, batch.columns) {
            (row) throws(PostgresError) -> [MemberKey: Watermarks] in
            let conversations = try row.uuidArray()
            let users = try row.uuidArray()
            let delivered = try row.int8Array()
            let read = try row.int8Array()
            guard users.count == conversations.count, delivered.count == users.count, read.count == users.count else {
                throw PostgresError(.unexpectedAnswer, "watermarks without their members")
            }
            var stored: [MemberKey: Watermarks] = [:]
            for index in users.indices {
                let key = MemberKey(
                    conversation: ConversationID(value: conversations[index]),
                    user: UserID(value: users[index])
                )
                stored[key] = Watermarks(
                    delivered: UInt64(clamping: delivered[index]),
                    read: UInt64(clamping: read[index])
                )
            }
            return stored
        }
    }

    /// How far the members have come, in the order of their ids; of more than `membersMax` only the asking one.
    /// Nil when the user is no member.
    package func receipts(
        of conversation: ConversationID,
        for user: UserID,
        membersMax: Int
    ) throws(StorageError) -> [MemberWatermarks]? {
        let all = try self.read(
            """
            SELECT m.user_id, greatest(m.delivered_seq, m.read_seq), m.read_seq
            FROM conversations c JOIN members m USING (conversation_id)
            WHERE c.conversation_id = $1 AND c.deleted_at IS NULL AND (c.member_count <= $3 OR m.user_id = $2)
            ORDER BY m.user_id
            """,
            [.id(conversation), .id(user), .int4(Int32(clamping: membersMax))],
            MemberWatermarks.read
        )
        return all.contains { $0.user == user } ? all : nil
    }

    /// How far the members of several conversations have come, with the version of the state that this is: of those with
    /// more than `membersMax` members only the asking one. Conversations that the user is not a member of are absent.
    package func receipts(
        of conversations: [ConversationID],
        for user: UserID,
        membersMax: Int
    ) throws(StorageError) -> [ConversationReceipts] {
        try self.read(
            """
            SELECT c.conversation_id, c.state_version, array_agg(m.user_id ORDER BY m.user_id),
                array_agg(greatest(m.delivered_seq, m.read_seq) ORDER BY m.user_id),
                array_agg(m.read_seq ORDER BY m.user_id)
            FROM conversations c
            JOIN members u ON u.conversation_id = c.conversation_id AND u.user_id = $1
            JOIN members m ON m.conversation_id = c.conversation_id AND (c.member_count <= $3 OR m.user_id = $1)
            WHERE c.conversation_id = ANY ($2::uuid[]) AND c.deleted_at IS NULL
            GROUP BY c.conversation_id
            """,
            [.id(user), .ids(conversations), .int4(Int32(clamping: membersMax))]
        ) { (result) throws(PostgresError) -> [ConversationReceipts] in
            var all: [ConversationReceipts] = []
            for var row in result.rows {
                let (conversation, version): (ConversationID, UInt64) = try (row.id(), row.number())
                let (users, delivered, read) = try (row.uuidArray(), row.int8Array(), row.int8Array())
                guard delivered.count == users.count, read.count == users.count else {
                    throw PostgresError(.unexpectedAnswer, "watermarks without their members")
                }
                let entries = users.indices.map { index in
                    MemberWatermarks(
                        user: UserID(value: users[index]),
                        watermarks: Watermarks(
                            delivered: UInt64(clamping: delivered[index]),
                            read: UInt64(clamping: read[index])
                        )
                    )
                }
                all.append(
                    ConversationReceipts(conversation: conversation, stateVersion: version, entries: entries)
                )
            }
            return all
        }
    }

    /// What has become of a message for those whom it was for. Nil when the user may not see it, or there is none.
    ///
    /// The counts are taken in the database; the recipients are listed in conversations with at most `membersMax` members.
    package func messageStatus(
        _ conversation: ConversationID,
        seq: UInt64,
        for user: UserID,
        membersMax: Int
    ) throws(StorageError) -> MessageStatusReport? {
        let counted = try self.read(
            """
            SELECT s.recipients, s.delivered, s.read, c.member_count <= $4
            FROM conversations c
            JOIN members u ON u.conversation_id = c.conversation_id AND u.user_id = $2 AND u.joined_seq < $3
            JOIN messages t ON t.conversation_id = c.conversation_id AND t.seq = $3
            CROSS JOIN LATERAL (
                SELECT count(*) AS recipients,
                    count(*) FILTER (WHERE greatest(delivered_seq, read_seq) >= $3) AS delivered,
                    count(*) FILTER (WHERE read_seq >= $3) AS read
                FROM members
                WHERE conversation_id = c.conversation_id AND joined_seq < $3 AND user_id <> t.sender_id
            ) s
            WHERE c.conversation_id = $1 AND c.deleted_at IS NULL
            """,
            [.id(conversation), .id(user), .number(seq), .int4(Int32(clamping: membersMax))]
        ) { (result) throws(PostgresError) -> (report: MessageStatusReport, isListed: Bool)? in
            guard var row = result.first else { return nil }
            let report = try MessageStatusReport(
                recipientCount: Int(row.int8()),
                deliveredCount: Int(row.int8()),
                readCount: Int(row.int8()),
                recipients: nil
            )
            return try (report, row.bool())
        }
        guard let counted else { return nil }
        guard counted.isListed else { return counted.report }
        let recipients = try self.read(
            """
            SELECT m.user_id, greatest(m.delivered_seq, m.read_seq), m.read_seq
            FROM messages t JOIN members m ON m.conversation_id = t.conversation_id
            WHERE t.conversation_id = $1 AND t.seq = $2 AND m.joined_seq < $2 AND m.user_id <> t.sender_id
            ORDER BY m.user_id
            """,
            [.id(conversation), .number(seq)],
            MemberWatermarks.read
        )
        // One answer, one moment: the counts are those of the list.
        return MessageStatusReport(recipients: recipients, seq: seq)
    }
}

extension MemberWatermarks {
    /// The columns: user, delivered, read.
    fileprivate static func read(_ result: PostgresResult) throws(PostgresError) -> [MemberWatermarks] {
        var all: [MemberWatermarks] = []
        for var row in result.rows {
            try all.append(
                MemberWatermarks(
                    user: row.id(),
                    watermarks: Watermarks(delivered: row.number(), read: row.number())
                )
            )
        }
        return all
    }
}

extension MessageStatusReport {
    init(recipients: [MemberWatermarks], seq: UInt64) {
        self.init(
            recipientCount: recipients.count,
            deliveredCount: recipients.count { $0.watermarks.delivered >= seq },
            readCount: recipients.count { $0.watermarks.read >= seq },
            recipients: recipients
        )
    }
}
