// SPDX-License-Identifier: Apache-2.0

import Messaging
import Placement
import Postgres

/// What a migration did to one shard. Nothing of it when everything was there already.
package struct MigrationReport: Sendable, Hashable {
    /// As "1 initial schema".
    package var appliedMigrations: [String] = []
    package var schemaVersion: Int64 = 0
    package var wroteIdentity = false
    package var wroteShardMap = false
    package var createdPartitions: [String] = []

    package var changedNothing: Bool {
        self.appliedMigrations.isEmpty && !self.wroteIdentity && !self.wroteShardMap && self.createdPartitions.isEmpty
    }
}

/// Brings one shard's database to the schema of this program.
///
/// Everything happens in one transaction under an advisory lock: it may be run again, and by several nodes at once, and a
/// failure leaves the database as it was. Blocks the calling thread.
package struct Migrator {
    private let cluster: String
    private let shard: ShardDescriptor
    private let shards: [String]
    private let timeout: Duration

    /// - Parameters:
    ///   - shards: the names of all shards in the order of the configuration, for the first shard map. The same for
    ///     every shard.
    ///   - timeout: for all of it, the wait for another node's migration included.
    package init(cluster: String, shard: ShardDescriptor, shards: [String], timeout: Duration = .seconds(60)) {
        self.cluster = cluster
        self.shard = shard
        self.shards = shards
        self.timeout = timeout
    }

    package func migrate(now: UnixMilliseconds) throws(StorageError) -> MigrationReport {
        let connection = PostgresConnection(
            PostgresConnection.Configuration(
                connectionString: self.shard.connectionString,
                applicationName: "trunkline migrate",
                statementTimeout: self.timeout * 9 / 10,
                idleInTransactionTimeout: self.timeout
            )
        )
        let transaction = ShardTransaction(connection: connection, deadline: ContinuousClock.now + self.timeout)
        do throws(PostgresError) {
            try connection.connect(deadline: transaction.deadline)
        } catch {
            throw self.named(StorageError(error, effect: .none))
        }
        let report: MigrationReport
        do throws(StorageError) {
            try transaction.run("BEGIN")
            report = try self.migrate(now: now, in: transaction)
        } catch {
            throw self.named(error)
        }
        do throws(PostgresError) {
            try connection.execute("COMMIT", deadline: transaction.deadline)
        } catch {
            throw self.named(StorageError(error, effect: .commits))
        }
        return report
    }

    private func named(_ error: StorageError) -> StorageError {
        StorageError(error.code, "shard \(self.shard.name): \(error.message)")
    }

    private func migrate(
        now: UnixMilliseconds,
        in transaction: ShardTransaction
    ) throws(StorageError) -> MigrationReport {
        var report = MigrationReport()
        try transaction.run(PartitionMaintenance.takeSchemaLock)
        report.appliedMigrations = try self.applyPending(in: transaction)
        report.schemaVersion = Migration.latestVersion
        report.wroteIdentity = try self.writeIdentity(in: transaction)
        report.wroteShardMap = try self.writeShardMap(in: transaction)
        report.createdPartitions = try PartitionMaintenance.create(now: now, in: transaction)
        return report
    }

    private func applyPending(in transaction: ShardTransaction) throws(StorageError) -> [String] {
        try transaction.run(
            script: """
                CREATE TABLE IF NOT EXISTS schema_migrations (
                    version int PRIMARY KEY,
                    name text NOT NULL,
                    applied_at timestamptz NOT NULL DEFAULT now()
                )
                """
        )
        let current = try transaction.query("SELECT coalesce(max(version), 0)::int8 FROM schema_migrations") {
            (result) throws(PostgresError) -> Int64 in
            guard var row = result.first else { return 0 }
            return try row.int8()
        }
        guard current <= Migration.latestVersion else {
            throw StorageError(
                .wrongDatabase,
                """
                the database has schema version \(current), this program knows only \(Migration.latestVersion): \
                use the newer program
                """
            )
        }
        var applied: [String] = []
        for migration in Migration.all where migration.version > current {
            try transaction.run(script: migration.script)
            try transaction.run(
                "INSERT INTO schema_migrations (version, name) VALUES ($1, $2)",
                [.int4(Int32(migration.version)), .text(migration.name)]
            )
            applied.append("\(migration.version) \(migration.name)")
        }
        return applied
    }

    /// Returns whether it was written now. Throws when the database belongs to another shard.
    private func writeIdentity(in transaction: ShardTransaction) throws(StorageError) -> Bool {
        let found = try transaction.query("SELECT cluster, shard FROM shard_identity") {
            (result) throws(PostgresError) -> (cluster: String, shard: String)? in
            guard var row = result.first else { return nil }
            return try (row.text(), row.text())
        }
        if let found {
            try DatabaseIdentity.check(found: found, cluster: self.cluster, shard: self.shard.name)
            return false
        }
        try transaction.run(
            "INSERT INTO shard_identity (cluster, shard) VALUES ($1, $2)",
            [.text(self.cluster), .text(self.shard.name)]
        )
        return true
    }

    private func writeShardMap(in transaction: ShardTransaction) throws(StorageError) -> Bool {
        guard let map = ShardMap(dealing: self.shards) else {
            throw StorageError(.wrongDatabase, "the configuration names no shards")
        }
        return try transaction.query(
            """
            INSERT INTO shard_map (version, shards, assignment) VALUES ($1, $2, $3)
            ON CONFLICT DO NOTHING RETURNING version
            """,
            map.columns
        ) { $0.rowCount == 1 }
    }
}
