// SPDX-License-Identifier: Apache-2.0

import Messaging
import Postgres

/// What an operator is shown of a conversation: none of what people wrote, the title included.
package struct ConversationGlance: Sendable, Equatable {
    package var kind: ConversationKind
    package var createdAt: UnixMilliseconds
    /// The number of its newest message.
    package var headSeq: UInt64
    package var members: Int
    package var isDeleted: Bool
}

/// What an operator is shown of a user.
package struct UserGlance: Sendable, Equatable {
    package struct Device: Sendable, Equatable {
        package var id: DeviceID
        package var name: String
        package var type: String
        package var isRevoked: Bool

        package init(id: DeviceID, name: String, type: String, isRevoked: Bool) {
            self.id = id
            self.name = name
            self.type = type
            self.isRevoked = isRevoked
        }
    }

    package var username: String
    package var devices: [Device]

    package init(username: String, devices: [Device]) {
        self.username = username
        self.devices = devices
    }
}

extension ShardSession {
    /// Nil when the shard has no such conversation.
    package func glance(at conversation: ConversationID) throws(StorageError) -> ConversationGlance? {
        try self.read(
            """
            SELECT kind, created_at, head_seq, member_count, deleted_at IS NOT NULL FROM conversations
            WHERE conversation_id = $1
            """,
            [.id(conversation)]
        ) { (result) throws(PostgresError) -> ConversationGlance? in
            guard var row = result.first else { return nil }
            return try ConversationGlance(
                kind: row.conversationKind(),
                createdAt: row.number(),
                headSeq: row.number(),
                members: Int(row.int4()),
                isDeleted: row.bool()
            )
        }
    }

    /// Nil when the shard has no such user.
    package func glance(at user: UserID) throws(StorageError) -> UserGlance? {
        let username = try self.read("SELECT username FROM users WHERE user_id = $1", [.id(user)]) {
            (result) throws(PostgresError) -> String? in
            guard var row = result.first else { return nil }
            return try row.text()
        }
        guard let username else { return nil }
        return try self.read(
            "SELECT device_id, name, type, revoked_at IS NOT NULL FROM devices WHERE user_id = $1 ORDER BY created_at",
            [.id(user)]
        ) { (result) throws(PostgresError) -> UserGlance in
            var devices: [UserGlance.Device] = []
            for var row in result.rows {
                try devices.append(
                    UserGlance.Device(id: row.id(), name: row.text(), type: row.text(), isRevoked: row.bool())
                )
            }
            return UserGlance(username: username, devices: devices)
        }
    }
}
