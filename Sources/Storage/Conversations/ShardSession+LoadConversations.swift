// SPDX-License-Identifier: Apache-2.0

import Messaging
import Postgres

extension ConversationState {
    /// One statement, so one snapshot: the members are those of the version that stands beside them.
    static let query = """
        SELECT \(Conversation.columns), c.members_version, c.state_version, m.users, m.roles, m.joined, m.delivered,
            m.read
        FROM conversations c
        CROSS JOIN LATERAL (
            SELECT
                coalesce(array_agg(user_id ORDER BY user_id), '{}') AS users,
                coalesce(array_agg(role ORDER BY user_id), '{}') AS roles,
                coalesce(array_agg(joined_seq ORDER BY user_id), '{}') AS joined,
                coalesce(array_agg(delivered_seq ORDER BY user_id), '{}') AS delivered,
                coalesce(array_agg(read_seq ORDER BY user_id), '{}') AS read
            FROM members WHERE conversation_id = c.conversation_id
        ) m
        WHERE c.conversation_id = ANY($1) AND c.deleted_at IS NULL
        """

    static func read(_ result: PostgresResult) throws(PostgresError) -> [ConversationID: ConversationState] {
        var states: [ConversationID: ConversationState] = [:]
        for var row in result.rows {
            let conversation = try row.conversation()
            let version = try row.number()
            let stateVersion = try row.number()
            let users = try row.uuidArray()
            let roles = try row.int2Array()
            let joined = try row.int8Array()
            let delivered = try row.int8Array()
            let read = try row.int8Array()
            var members: [Member] = []
            members.reserveCapacity(users.count)
            for index in users.indices {
                guard let role = MemberRole(rawValue: UInt8(clamping: roles[index])) else {
                    throw PostgresError(.unexpectedAnswer, "a stored role is not known")
                }
                members.append(
                    Member(
                        user: UserID(value: users[index]),
                        role: role,
                        joinedSeq: UInt64(clamping: joined[index]),
                        watermarks: Watermarks(
                            delivered: UInt64(clamping: delivered[index]),
                            read: UInt64(clamping: read[index])
                        )
                    )
                )
            }
            states[conversation.id] = ConversationState(
                conversation: conversation,
                members: members,
                membersVersion: version,
                stateVersion: stateVersion
            )
        }
        return states
    }
}

extension ShardSession {
    /// The conversations with their members. Unknown and deleted ones are absent from the answer.
    package func loadConversations(
        _ ids: [ConversationID]
    ) throws(StorageError) -> [ConversationID: ConversationState] {
        try self.read(ConversationState.query, [.ids(ids)], ConversationState.read)
    }

    /// Of these conversations those that the user is a member of, each with its newest message, in no particular order.
    package func conversationHeads(
        user: UserID,
        conversations: [ConversationID]
    ) throws(StorageError) -> [ConversationHead] {
        try self.read(
            """
            SELECT \(Conversation.columns), u.role, u.joined_seq, u.delivered_seq, u.read_seq,
                c.member_count, c.state_version, m.seq IS NOT NULL,
                \(Message.columns)
            FROM unnest($2::uuid[]) AS wanted (conversation_id)
            JOIN conversations c ON c.conversation_id = wanted.conversation_id AND c.deleted_at IS NULL
            JOIN members u ON u.conversation_id = c.conversation_id AND u.user_id = $1
            LEFT JOIN LATERAL (
                SELECT * FROM messages
                WHERE conversation_id = c.conversation_id AND seq = c.head_seq AND c.head_seq > u.joined_seq
                LIMIT 1
            ) m ON true
            """,
            [.id(user), .ids(conversations)]
        ) { (result) throws(PostgresError) -> [ConversationHead] in
            var heads: [ConversationHead] = []
            for var row in result.rows {
                let conversation = try row.conversation()
                let member = try Member(
                    user: user,
                    role: row.memberRole(),
                    joinedSeq: row.number(),
                    watermarks: Watermarks(delivered: row.number(), read: row.number())
                )
                let memberCount = try Int(row.int4())
                let stateVersion = try row.number()
                let lastMessage = try row.bool() ? row.message() : nil
                heads.append(
                    ConversationHead(
                        conversation: conversation,
                        member: member,
                        memberCount: memberCount,
                        lastMessage: lastMessage,
                        stateVersion: stateVersion
                    )
                )
            }
            return heads
        }
    }
}

extension ShardTransaction {
    func loadConversation(_ id: ConversationID) throws(StorageError) -> ConversationState {
        let states = try self.query(ConversationState.query, [.ids([id])], ConversationState.read)
        guard let state = states[id] else {
            throw StorageError(.internal, "a conversation is gone within the transaction that holds it")
        }
        return state
    }
}
