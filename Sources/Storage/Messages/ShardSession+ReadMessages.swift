// SPDX-License-Identifier: Apache-2.0

import Messaging
import Postgres

extension ShardSession {
    private static let readUpwards = """
        SELECT \(Message.columns) FROM messages m WHERE m.conversation_id = $1 AND m.seq > $2 AND m.seq < $3
        ORDER BY m.seq LIMIT $4
        """
    private static let readDownwards = """
        SELECT \(Message.columns) FROM messages m WHERE m.conversation_id = $1 AND m.seq > $2 AND m.seq < $3
        ORDER BY m.seq DESC LIMIT $4
        """

    /// One page of a conversation, in the order of `seq`.
    ///
    /// - Parameters:
    ///   - after: the page begins with the first message after it. Nil: the page is the newest one below `before`.
    ///   - before: only messages below it.
    ///   - limit: brought into `1...Limits.pageRowsMax`.
    ///   - joinedSeq: up to and including it nothing is shown to the one who asks (contract C8).
    package func readMessages(
        _ conversation: ConversationID,
        after: UInt64?,
        before: UInt64?,
        limit: Int,
        notBefore joinedSeq: UInt64
    ) throws(StorageError) -> [Message] {
        let messages = try self.read(
            after == nil ? Self.readDownwards : Self.readUpwards,
            [
                .id(conversation), .number(max(after ?? 0, joinedSeq)), .number(before ?? UInt64.max),
                .int8(Int64(min(max(limit, 1), Limits.pageRowsMax))),
            ]
        ) { (result) throws(PostgresError) -> [Message] in
            var messages: [Message] = []
            messages.reserveCapacity(result.rowCount)
            for var row in result.rows {
                try messages.append(row.message())
            }
            return messages
        }
        return after == nil ? messages.reversed() : messages
    }
}
