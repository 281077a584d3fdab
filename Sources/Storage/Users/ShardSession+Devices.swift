// SPDX-License-Identifier: Apache-2.0

import Messaging
import Postgres

/// A refresh token as it is stored: only its hash, so that who reads the database cannot use it.
package struct RefreshToken: Hashable, Sendable {
    package var hash: [UInt8]
    package var expiresAt: UnixMilliseconds

    package init(hash: [UInt8], expiresAt: UnixMilliseconds) {
        self.hash = hash
        self.expiresAt = expiresAt
    }
}

/// What became of a refresh token that was presented.
package enum TokenRotation: Hashable, Sendable {
    /// It is used up and the new one holds.
    case rotated
    /// It was used up before: somebody has a copy. All tokens of the device are gone; it has to log in again.
    case reused
    /// It is not a token of this device, or the device was revoked.
    case unknown
    case expired
}

extension ShardSession {
    /// Stores a device that logged in, with its first refresh token. A revoked one is valid again; tokens from earlier
    /// logins of the device are gone, so that logging in again and again does not pile them up.
    package func putDevice(
        user: UserID,
        device: DeviceID,
        name: String,
        type: String,
        token: RefreshToken,
        now: UnixMilliseconds,
        epoch: UInt64
    ) throws(StorageError) {
        try self.write(
            """
            WITH \(Fence.commonTableExpression),
            stored AS (
                INSERT INTO devices (user_id, device_id, slot, name, type, created_at, last_seen_at)
                SELECT $2, $3, $4, $5, $6, $7, $7 FROM fence
                ON CONFLICT (user_id, device_id) DO UPDATE
                SET name = EXCLUDED.name, type = EXCLUDED.type, last_seen_at = EXCLUDED.last_seen_at, revoked_at = NULL
            ),
            gone AS (
                DELETE FROM refresh_tokens t USING fence
                WHERE t.user_id = $2 AND t.device_id = $3 AND t.token_hash <> $8
            ),
            added AS (
                INSERT INTO refresh_tokens (user_id, device_id, token_hash, slot, issued_at, expires_at)
                SELECT $2, $3, $8, $4, $7, $9 FROM fence ON CONFLICT DO NOTHING
            )
            SELECT \(Fence.column)
            """,
            epoch: epoch,
            [
                .id(user), .id(device), .int2(user.slotColumn), .text(name), .text(type), .number(now),
                .bytea(token.hash), .number(token.expiresAt),
            ]
        ) { _ in }
    }

    /// Uses up a refresh token and stores the one that follows it. Sending the same rotation again, after an unknown
    /// outcome, is no reuse: the token that follows is already there.
    package func rotateRefreshToken(
        user: UserID,
        device: DeviceID,
        presentedHash: [UInt8],
        next: RefreshToken,
        now: UnixMilliseconds,
        epoch: UInt64
    ) throws(StorageError) -> TokenRotation {
        try self.transaction(epoch: epoch) { (transaction) throws(StorageError) -> TokenRotation in
            guard try transaction.lockDevice(user: user, device: device) else { return .unknown }
            let tokens = try transaction.tokens(of: user, device: device)
            guard let presented = tokens[presentedHash] else { return .unknown }
            if presented.isUsed {
                if let following = tokens[next.hash], !following.isUsed { return .rotated }
                try transaction.run(
                    "DELETE FROM refresh_tokens WHERE user_id = $1 AND device_id = $2",
                    [.id(user), .id(device)]
                )
                return .reused
            }
            guard presented.expiresAt > now else { return .expired }
            try transaction.replaceToken(
                user: user,
                device: device,
                presentedHash: presentedHash,
                next: next,
                now: now
            )
            return .rotated
        }
    }

    /// Makes a device and all its tokens void. Returns false when there is no such device, or it is revoked already.
    @discardableResult
    package func revokeDevice(
        user: UserID,
        device: DeviceID,
        now: UnixMilliseconds,
        epoch: UInt64
    ) throws(StorageError) -> Bool {
        try self.write(
            """
            WITH \(Fence.commonTableExpression),
            revoked AS (
                UPDATE devices d SET revoked_at = $4 FROM fence
                WHERE d.user_id = $2 AND d.device_id = $3 AND d.revoked_at IS NULL
                RETURNING d.device_id
            ),
            gone AS (DELETE FROM refresh_tokens t USING fence WHERE t.user_id = $2 AND t.device_id = $3)
            SELECT \(Fence.column), EXISTS (SELECT FROM revoked)
            """,
            epoch: epoch,
            [.id(user), .id(device), .number(now)]
        ) { (row) throws(PostgresError) -> Bool in
            try row.bool()
        }
    }
}

extension ShardTransaction {
    fileprivate struct StoredToken {
        var expiresAt: UnixMilliseconds
        var isUsed: Bool
    }

    /// Two rotations of one device come one after the other. Returns false when it does not exist or is revoked.
    fileprivate func lockDevice(user: UserID, device: DeviceID) throws(StorageError) -> Bool {
        try self.query(
            "SELECT 1 FROM devices WHERE user_id = $1 AND device_id = $2 AND revoked_at IS NULL FOR UPDATE",
            [.id(user), .id(device)]
        ) { $0.rowCount == 1 }
    }

    fileprivate func tokens(
        of user: UserID,
        device: DeviceID
    ) throws(StorageError) -> [[UInt8]: StoredToken] {
        try self.query(
            """
            SELECT token_hash, expires_at, used_at IS NOT NULL FROM refresh_tokens WHERE user_id = $1 AND device_id = $2
            """,
            [.id(user), .id(device)]
        ) { (result) throws(PostgresError) -> [[UInt8]: StoredToken] in
            var tokens: [[UInt8]: StoredToken] = [:]
            for var row in result.rows {
                let hash = try row.bytea()
                tokens[hash] = try StoredToken(expiresAt: row.number(), isUsed: row.bool())
            }
            return tokens
        }
    }

    /// Used tokens of one device that are kept, the latest ones: a client that rotates in a loop fills no table.
    private static let usedTokensKeptMax = 32

    /// A used token is kept until it would have expired, to be recognised when it comes again; then it goes.
    fileprivate func replaceToken(
        user: UserID,
        device: DeviceID,
        presentedHash: [UInt8],
        next: RefreshToken,
        now: UnixMilliseconds
    ) throws(StorageError) {
        try self.run(
            "UPDATE refresh_tokens SET used_at = $3 WHERE user_id = $1 AND token_hash = $2",
            [.id(user), .bytea(presentedHash), .number(now)]
        )
        try self.run(
            """
            DELETE FROM refresh_tokens
            WHERE user_id = $1 AND device_id = $2 AND (
                expires_at <= $3
                OR token_hash IN (
                    SELECT token_hash FROM refresh_tokens
                    WHERE user_id = $1 AND device_id = $2 AND used_at IS NOT NULL
                    ORDER BY used_at DESC, issued_at DESC OFFSET \(Self.usedTokensKeptMax)
                )
            )
            """,
            [.id(user), .id(device), .number(now)]
        )
        try self.run(
            """
            INSERT INTO refresh_tokens (user_id, device_id, token_hash, slot, issued_at, expires_at)
            VALUES ($1, $2, $3, $4, $5, $6)
            """,
            [
                .id(user), .id(device), .bytea(next.hash), .int2(user.slotColumn), .number(now),
                .number(next.expiresAt),
            ]
        )
        try self.run(
            "UPDATE devices SET last_seen_at = $3 WHERE user_id = $1 AND device_id = $2",
            [.id(user), .id(device), .number(now)]
        )
    }
}
