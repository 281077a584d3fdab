// SPDX-License-Identifier: Apache-2.0

import Postgres

/// Says which cluster and shard a database belongs to, so that a mistake in a connection string is found before
/// anything is written to the wrong place.
enum DatabaseIdentity {
    private static let query = """
        SELECT cluster, shard, (SELECT max(version)::int8 FROM schema_migrations) FROM shard_identity
        """

    /// Throws ``StorageError/Code/wrongDatabase`` unless the database is the one that is meant, with a schema that this
    /// program can work on. A newer schema is one: migrations only add until the version after (contract C9).
    static func check(
        _ connection: PostgresConnection,
        cluster: String,
        shard: String,
        deadline: ContinuousClock.Instant
    ) throws(StorageError) {
        let found: (cluster: String, shard: String, version: Int64)?
        do throws(PostgresError) {
            let result = try connection.execute(Self.query, deadline: deadline)
            if var row = result.first {
                found = try (row.text(), row.text(), row.int8())
            } else {
                found = nil
            }
        } catch {
            guard error.code == .server(sqlState: "42P01") else { throw StorageError(error, effect: .none) }
            found = nil
        }
        guard let found else {
            throw StorageError(.wrongDatabase, "the database has no schema yet: run `trunkline migrate`")
        }
        try Self.check(found: (found.cluster, found.shard), cluster: cluster, shard: shard)
        guard found.version >= Migration.latestVersion else {
            throw StorageError(
                .wrongDatabase,
                "the database has schema version \(found.version), \(Migration.latestVersion) is needed: run `trunkline migrate`"
            )
        }
    }

    static func check(
        found: (cluster: String, shard: String),
        cluster: String,
        shard: String
    ) throws(StorageError) {
        guard found == (cluster, shard) else {
            throw StorageError(
                .wrongDatabase,
                """
                the database belongs to shard '\(found.shard)' of cluster '\(found.cluster)', not to shard '\(shard)' of \
                cluster '\(cluster)': check the shard's connection string
                """
            )
        }
    }
}
