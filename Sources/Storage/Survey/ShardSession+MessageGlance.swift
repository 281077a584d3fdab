// SPDX-License-Identifier: Apache-2.0

import Messaging
import Postgres

/// What an operator is shown of a message: all that is stored of it but what it says.
package struct MessageGlance: Sendable, Equatable {
    package var kind: MessageKind
    package var sender: UserID
    package var senderDevice: DeviceID
    package var clientMessageID: ClientMessageID
    /// When the router that numbered it took it, by that machine's clock.
    package var createdAt: UnixMilliseconds
    /// Of its body, in UTF-8.
    package var bodyBytes: Int
    /// The partition that it is in.
    package var table: String
    /// Whether its client message id is still kept, so that sending it again is answered as at first.
    package var isIDKept: Bool
    /// For whom it was: members of this moment who had joined before it, without its sender.
    package var recipients: Int
    package var delivered: Int
    /// Not more than ``delivered``.
    package var read: Int
    /// Those who have come least far first; no more than were asked for.
    package var furthestBehind: [MemberWatermarks]

    package init(
        kind: MessageKind,
        sender: UserID,
        senderDevice: DeviceID,
        clientMessageID: ClientMessageID,
        createdAt: UnixMilliseconds,
        bodyBytes: Int,
        table: String,
        isIDKept: Bool,
        recipients: Int = 0,
        delivered: Int = 0,
        read: Int = 0,
        furthestBehind: [MemberWatermarks] = []
    ) {
        self.kind = kind
        self.sender = sender
        self.senderDevice = senderDevice
        self.clientMessageID = clientMessageID
        self.createdAt = createdAt
        self.bodyBytes = bodyBytes
        self.table = table
        self.isIDKept = isIDKept
        self.recipients = recipients
        self.delivered = delivered
        self.read = read
        self.furthestBehind = furthestBehind
    }
}

extension ShardSession {
    /// Nil when the shard has no such message. Each part is of its own moment: members may come and go in between.
    ///
    /// - Parameter recipientsMax: of those that are told one by one.
    package func glance(at message: MessageID, recipientsMax: Int) throws(StorageError) -> MessageGlance? {
        let found = try self.read(
            """
            SELECT m.kind, m.sender_id, m.sender_device, m.client_message_id, m.created_at, octet_length(m.body),
                m.tableoid::regclass::text,
                EXISTS (
                    SELECT FROM message_ids i
                    WHERE i.conversation_id = m.conversation_id AND i.sender_id = m.sender_id
                        AND i.client_message_id = m.client_message_id
                )
            FROM messages m WHERE m.conversation_id = $1 AND m.seq = $2
            """,
            [.id(message.conversation), .number(message.seq)]
        ) { (result) throws(PostgresError) -> MessageGlance? in
            guard var row = result.first else { return nil }
            return try MessageGlance(
                kind: row.messageKind(),
                sender: row.id(),
                senderDevice: row.id(),
                clientMessageID: row.id(),
                createdAt: row.number(),
                bodyBytes: Int(row.int4()),
                table: row.text(),
                isIDKept: row.bool()
            )
        }
        guard var glance = found else { return nil }
        (glance.recipients, glance.delivered, glance.read) = try self.countReceipts(of: message, by: glance.sender)
        glance.furthestBehind = try self.furthestBehind(message, by: glance.sender, limit: recipientsMax)
        return glance
    }

    private func countReceipts(
        of message: MessageID,
        by sender: UserID
    ) throws(StorageError) -> (recipients: Int, delivered: Int, read: Int) {
        try self.read(
            """
            SELECT count(*), count(*) FILTER (WHERE greatest(delivered_seq, read_seq) >= $2),
                count(*) FILTER (WHERE read_seq >= $2)
            FROM members WHERE conversation_id = $1 AND joined_seq < $2 AND user_id <> $3
            """,
            [.id(message.conversation), .number(message.seq), .id(sender)]
        ) { (result) throws(PostgresError) -> (recipients: Int, delivered: Int, read: Int) in
            guard var row = result.first else { return (0, 0, 0) }
            return try (Int(row.int8()), Int(row.int8()), Int(row.int8()))
        }
    }

    private func furthestBehind(
        _ message: MessageID,
        by sender: UserID,
        limit: Int
    ) throws(StorageError) -> [MemberWatermarks] {
        try self.read(
            """
            SELECT user_id, greatest(delivered_seq, read_seq) AS delivered, read_seq
            FROM members WHERE conversation_id = $1 AND joined_seq < $2 AND user_id <> $3
            ORDER BY (greatest(delivered_seq, read_seq) >= $2)::int + (read_seq >= $2)::int, user_id LIMIT $4
            """,
            [.id(message.conversation), .number(message.seq), .id(sender), .int8(Int64(max(0, limit)))]
        ) { (result) throws(PostgresError) -> [MemberWatermarks] in
            var all: [MemberWatermarks] = []
            for var row in result.rows {
                let user: UserID = try row.id()
                let marks = try Watermarks(delivered: row.number(), read: row.number())
                all.append(MemberWatermarks(user: user, watermarks: marks))
            }
            return all
        }
    }
}
