// SPDX-License-Identifier: Apache-2.0

import Messaging
import Postgres

/// One conversation in the list of one user.
package struct Membership: Hashable, Sendable {
    package var user: UserID
    package var conversation: ConversationID
    package var kind: ConversationKind
    /// The version of the conversation's members that this follows from.
    package var version: UInt64
    /// Whether the user is no longer a member.
    package var removed: Bool
    package var joinedAt: UnixMilliseconds

    package init(
        user: UserID,
        conversation: ConversationID,
        kind: ConversationKind,
        version: UInt64,
        removed: Bool,
        joinedAt: UnixMilliseconds
    ) {
        self.user = user
        self.conversation = conversation
        self.kind = kind
        self.version = version
        self.removed = removed
        self.joinedAt = joinedAt
    }
}

extension ShardSession {
    /// Carries a membership into the user's list. The order in which news arrives, and how often, does not matter: only
    /// what is newer than the stored version counts, and a removal leaves a row behind that says so.
    ///
    /// Returns whether it counted.
    @discardableResult
    package func applyMembership(_ membership: Membership, epoch: UInt64) throws(StorageError) -> Bool {
        try self.write(
            """
            WITH \(Fence.commonTableExpression),
            stored AS (
                INSERT INTO user_conversations AS u (user_id, conversation_id, slot, kind, version, removed, joined_at)
                SELECT $2, $3, $4, $5, $6, $7, $8 FROM fence
                ON CONFLICT (user_id, conversation_id) DO UPDATE
                SET kind = EXCLUDED.kind, version = EXCLUDED.version, removed = EXCLUDED.removed,
                    joined_at = EXCLUDED.joined_at
                WHERE u.version < EXCLUDED.version
                RETURNING u.user_id
            )
            SELECT \(Fence.column), EXISTS (SELECT FROM stored)
            """,
            epoch: epoch,
            [
                .id(membership.user), .id(membership.conversation), .int2(membership.user.slotColumn),
                .int2(Int16(membership.kind.rawValue)), .number(membership.version), .bool(membership.removed),
                .number(membership.joinedAt),
            ]
        ) { (row) throws(PostgresError) -> Bool in
            try row.bool()
        }
    }

    /// One page of the user's conversations, the newest id first.
    ///
    /// - Parameters:
    ///   - cursor: the last id of the page before, nil for the first page.
    ///   - limit: brought into `1...Limits.pageRowsMax`.
    package func listUserConversations(
        _ user: UserID,
        after cursor: ConversationID?,
        limit: Int
    ) throws(StorageError) -> [ConversationID] {
        try self.read(
            """
            SELECT conversation_id FROM user_conversations
            WHERE user_id = $1 AND conversation_id < $2 AND NOT removed
            ORDER BY conversation_id DESC LIMIT $3
            """,
            [
                .id(user), .uuid(cursor?.value ?? UInt128.max),
                .int8(Int64(min(max(limit, 1), Limits.pageRowsMax))),
            ]
        ) { (result) throws(PostgresError) -> [ConversationID] in
            var ids: [ConversationID] = []
            for var row in result.rows {
                try ids.append(row.id())
            }
            return ids
        }
    }
}
