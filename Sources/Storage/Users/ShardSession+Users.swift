// SPDX-License-Identifier: Apache-2.0

import Messaging
import Placement
import Postgres

/// What became of the wish for a username.
package enum NameRegistration: Hashable, Sendable {
    /// It belongs to the user. `outbox` holds the ids of the new entries; none when it was the user's before.
    case claimed(outbox: [Int64])
    case taken
}

/// What a login is checked against.
package struct Credentials: Hashable, Sendable {
    package var profile: UserProfile
    package var passwordHash: String

    package init(profile: UserProfile, passwordHash: String) {
        self.profile = profile
        self.passwordHash = passwordHash
    }
}

extension ShardSession {
    private static let claimName = """
        WITH \(Fence.commonTableExpression),
        claim AS (
            INSERT INTO usernames (username, slot, user_id) SELECT $2, $3, $4 FROM fence
            ON CONFLICT DO NOTHING RETURNING user_id
        ),
        entries AS (
            \(OutboxColumns.insertion(slot: 3, now: 5, arraysFrom: 6, from: "claim,"))
        )
        SELECT
            \(Fence.column), EXISTS (SELECT FROM claim), ARRAY(SELECT id FROM entries ORDER BY id)
        """

    /// Claims a username, in the slot of the name, together with what makes the user in the slot of the user. Claiming it
    /// again for the same user is no error.
    package func registerName(
        _ username: String,
        for user: UserID,
        outbox: [OutboxEntry],
        now: UnixMilliseconds,
        epoch: UInt64
    ) throws(StorageError) -> NameRegistration {
        let slot = Slot(ofName: username)
        let ids: [Int64]? = try self.write(
            Self.claimName,
            epoch: epoch,
            [.text(username), .int2(slot.column), .id(user), .number(now)] + OutboxColumns.arrays(outbox)
        ) { (row) throws(PostgresError) -> [Int64]? in
            try row.bool() ? row.int8Array() : nil
        }
        if let ids { return .claimed(outbox: ids) }
        // Asked for in a second statement: the one that was in the way may be newer than the first one's snapshot.
        return try self.resolveUsername(username) == user ? .claimed(outbox: []) : .taken
    }

    package func resolveUsername(_ username: String) throws(StorageError) -> UserID? {
        try self.read("SELECT user_id FROM usernames WHERE username = $1", [.text(username)]) {
            (result) throws(PostgresError) -> UserID? in
            guard var row = result.first else { return nil }
            return try row.id()
        }
    }

    /// Stores a new user. Returns false, and changes nothing, when there is one with this id.
    @discardableResult
    package func insertUser(
        _ profile: UserProfile,
        passwordHash: String,
        epoch: UInt64
    ) throws(StorageError) -> Bool {
        try self.write(
            """
            WITH \(Fence.commonTableExpression),
            stored AS (
                INSERT INTO users (user_id, slot, username, display_name, password_hash, created_at)
                SELECT $2, $3, $4, $5, $6, $7 FROM fence
                ON CONFLICT DO NOTHING RETURNING user_id
            )
            SELECT \(Fence.column), EXISTS (SELECT FROM stored)
            """,
            epoch: epoch,
            [
                .id(profile.id), .int2(profile.id.slotColumn), .text(profile.username), .text(profile.displayName),
                .text(passwordHash), .number(profile.createdAt),
            ]
        ) { (row) throws(PostgresError) -> Bool in
            try row.bool()
        }
    }

    package func credentials(of user: UserID) throws(StorageError) -> Credentials? {
        try self.read(
            "SELECT user_id, username, display_name, created_at, password_hash FROM users WHERE user_id = $1",
            [.id(user)]
        ) { (result) throws(PostgresError) -> Credentials? in
            guard var row = result.first else { return nil }
            let profile = try Self.profile(&row)
            return try Credentials(profile: profile, passwordHash: row.text())
        }
    }

    /// The profiles of those of the users who exist, in no particular order.
    package func profiles(_ users: [UserID]) throws(StorageError) -> [UserProfile] {
        try self.read(
            "SELECT user_id, username, display_name, created_at FROM users WHERE user_id = ANY($1)",
            [.ids(users)]
        ) { (result) throws(PostgresError) -> [UserProfile] in
            var profiles: [UserProfile] = []
            for var row in result.rows {
                try profiles.append(Self.profile(&row))
            }
            return profiles
        }
    }

    private static func profile(_ row: inout PostgresRow) throws(PostgresError) -> UserProfile {
        try UserProfile(id: row.id(), username: row.text(), displayName: row.text(), createdAt: row.number())
    }
}
