// SPDX-License-Identifier: Apache-2.0

import Messaging
import Postgres

/// A conversation that has something after a cursor, or that the user is not in.
package struct ChangedHead: Hashable, Sendable {
    package var conversation: ConversationID
    package var headSeq: UInt64
    package var joinedSeq: UInt64
    package var membersVersion: UInt64
    package var isRemoved: Bool
    /// Its state has changed since the version that the device named: receipts, for all that is known.
    package var hasReceipts: Bool

    package init(
        conversation: ConversationID,
        headSeq: UInt64,
        joinedSeq: UInt64,
        membersVersion: UInt64,
        isRemoved: Bool,
        hasReceipts: Bool
    ) {
        self.conversation = conversation
        self.headSeq = headSeq
        self.joinedSeq = joinedSeq
        self.membersVersion = membersVersion
        self.isRemoved = isRemoved
        self.hasReceipts = hasReceipts
    }
}

extension ShardSession {
    /// Of these conversations those whose newest message comes after the cursor, those whose state is newer than the
    /// version that the device has, and those that the user is not a member of or that do not exist. One statement,
    /// however many there are.
    ///
    /// - Parameter states: by conversation the version of the state that the device has; 0 where none is named.
    ///   Nil: what has happened besides messages is not asked for.
    package func changedHeads(
        user: UserID,
        cursors: [ConversationID: UInt64],
        states: [ConversationID: UInt64]? = nil
    ) throws(StorageError) -> [ChangedHead] {
        let wanted = Array(cursors)
        return try self.read(
            """
            SELECT wanted.conversation_id, coalesce(c.head_seq, 0), coalesce(u.joined_seq, 0),
                coalesce(c.members_version, 0), u.user_id IS NULL, coalesce(c.state_version > wanted.state, false)
            FROM unnest($2::uuid[], $3::int8[], $4::int8[]) AS wanted (conversation_id, cursor, state)
            LEFT JOIN conversations c ON c.conversation_id = wanted.conversation_id AND c.deleted_at IS NULL
            LEFT JOIN members u ON u.conversation_id = c.conversation_id AND u.user_id = $1
            WHERE u.user_id IS NULL OR c.head_seq > wanted.cursor OR c.state_version > wanted.state
            """,
            [
                .id(user), .ids(wanted.map(\.key)), .int8Array(wanted.map { Int64(clamping: $0.value) }),
                .int8Array(wanted.map { entry in states.map { Int64(clamping: $0[entry.key] ?? 0) } ?? .max }),
            ]
        ) { (result) throws(PostgresError) -> [ChangedHead] in
            var heads: [ChangedHead] = []
            heads.reserveCapacity(result.rowCount)
            for var row in result.rows {
                try heads.append(
                    ChangedHead(
                        conversation: row.id(),
                        headSeq: row.number(),
                        joinedSeq: row.number(),
                        membersVersion: row.number(),
                        isRemoved: row.bool(),
                        hasReceipts: row.bool()
                    )
                )
            }
            return heads
        }
    }
}
