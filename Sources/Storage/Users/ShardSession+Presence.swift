// SPDX-License-Identifier: Apache-2.0

import Messaging
import Placement
import Postgres

/// The writes of a shard about presence; see the methods of ``ShardSession`` for what each does.
package protocol PresenceStore {
    func setPresence(
        _ user: UserID,
        status: ChosenStatus?,
        visibility: PresenceVisibility?,
        now: UnixMilliseconds,
        epoch: UInt64
    ) throws(StorageError) -> PresenceProfile?
    func writeLastSeen(_ times: [(user: UserID, at: UnixMilliseconds)], epoch: UInt64) throws(StorageError)
}

extension ShardSession {
    private static let presenceColumns = "presence_status, presence_visibility, last_seen_at"

    /// Of those of the users who exist.
    package func presenceProfiles(_ users: [UserID]) throws(StorageError) -> [UserID: PresenceProfile] {
        try self.read(
            "SELECT user_id, \(Self.presenceColumns) FROM users WHERE user_id = ANY($1)",
            [.ids(users)]
        ) { (result) throws(PostgresError) -> [UserID: PresenceProfile] in
            var profiles: [UserID: PresenceProfile] = [:]
            for var row in result.rows {
                let user: UserID = try row.id()
                profiles[user] = try Self.presenceProfile(&row)
            }
            return profiles
        }
    }

    /// Changes what is not nil. Who becomes invisible is last seen at that moment. Returns what holds then, or nil when
    /// there is no such user.
    package func setPresence(
        _ user: UserID,
        status: ChosenStatus?,
        visibility: PresenceVisibility?,
        now: UnixMilliseconds,
        epoch: UInt64
    ) throws(StorageError) -> PresenceProfile? {
        try self.write(
            """
            WITH \(Fence.commonTableExpression),
            stored AS (
                UPDATE users u
                SET presence_status = coalesce($3, presence_status),
                    presence_visibility = coalesce($4, presence_visibility),
                    last_seen_at = CASE
                        WHEN $3 = \(ChosenStatus.invisible.rawValue) AND presence_status <> $3 THEN $5
                        ELSE last_seen_at
                    END
                FROM fence WHERE u.user_id = $2
                RETURNING \(Self.presenceColumns)
            )
            SELECT \(Fence.column), EXISTS (SELECT FROM stored),
                coalesce((SELECT presence_status FROM stored), 0::int2),
                coalesce((SELECT presence_visibility FROM stored), 0::int2), (SELECT last_seen_at FROM stored)
            """,
            epoch: epoch,
            [
                .id(user),
                status.map { .int2(Int16($0.rawValue)) } ?? .null(.int2),
                visibility.map { .int2(Int16($0.rawValue)) } ?? .null(.int2),
                .number(now),
            ]
        ) { (row) throws(PostgresError) -> PresenceProfile? in
            guard try row.bool() else { return nil }
            return try Self.presenceProfile(&row)
        }
    }

    /// Moves the times at which users were last seen on; a time that is older than the stored one changes nothing, nor
    /// does one of a user who is invisible.
    package func writeLastSeen(
        _ times: [(user: UserID, at: UnixMilliseconds)],
        epoch: UInt64
    ) throws(StorageError) {
        try self.write(
            """
            WITH \(Fence.commonTableExpression),
            stored AS (
                UPDATE users u SET last_seen_at = seen.at
                FROM fence, unnest($2::uuid[], $3::int8[]) AS seen(user_id, at)
                WHERE u.user_id = seen.user_id AND seen.at > coalesce(u.last_seen_at, 0)
                    AND u.presence_status <> \(ChosenStatus.invisible.rawValue)
            )
            SELECT \(Fence.column)
            """,
            epoch: epoch,
            [.ids(times.map(\.user)), .int8Array(times.map { Int64(clamping: $0.at) })]
        ) { _ in }
    }

    /// What a later version stored and this one does not know hides the user.
    private static func presenceProfile(_ row: inout PostgresRow) throws(PostgresError) -> PresenceProfile {
        let status = try ChosenStatus(rawValue: UInt8(clamping: row.int2())) ?? .invisible
        let visibility = try PresenceVisibility(rawValue: UInt8(clamping: row.int2())) ?? .nobody
        return PresenceProfile(
            settings: PresenceSettings(status: status, visibility: visibility),
            lastSeenAt: try row.optionalInt8().map { UInt64(clamping: $0) }
        )
    }
}
