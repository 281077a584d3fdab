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
    /// Whether the shard map has the shard; one that is new in a cluster with a map has no slots yet.
    package var isInShardMap = true
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

    /// What becomes of a shard that has no shard map.
    package enum FirstMap: Sendable {
        /// It gets none yet.
        case none
        /// All shards have an equal part: the first map of a new cluster.
        case dealt
        /// The one that the other shards have.
        case catalog(ShardCatalog)
    }

    package func migrate(
        now: UnixMilliseconds,
        firstMap: FirstMap = .dealt
    ) throws(StorageError) -> MigrationReport {
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
            report = try self.migrate(now: now, firstMap, in: transaction)
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
        _ firstMap: FirstMap,
        in transaction: ShardTransaction
    ) throws(StorageError) -> MigrationReport {
        var report = MigrationReport()
        try transaction.run(PartitionMaintenance.takeSchemaLock)
        report.appliedMigrations = try self.applyPending(in: transaction)
        report.schemaVersion = Migration.latestVersion
        report.wroteIdentity = try self.writeIdentity(in: transaction)
        report.wroteShardMap = try self.writeShardMap(firstMap, in: transaction)
        report.isInShardMap = try self.writeHeldSlots(in: transaction)
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

    private func writeShardMap(_ first: FirstMap, in transaction: ShardTransaction) throws(StorageError) -> Bool {
        let catalog: ShardCatalog
        switch first {
        case .none: return false
        case .catalog(let known): catalog = known
        case .dealt:
            guard let map = ShardMap(dealing: self.shards) else {
                throw StorageError(.wrongDatabase, "the configuration names no shards")
            }
            catalog = ShardCatalog(map: map)
        }
        return try transaction.query(
            """
            INSERT INTO shard_map (version, shards, assignment, connections, weights) VALUES ($1, $2, $3, $4, $5)
            ON CONFLICT DO NOTHING RETURNING version
            """,
            catalog.columns
        ) { $0.rowCount == 1 }
    }

    /// A shard that does not say which slots it holds, because it is new or was made before shards did, holds those that the
    /// map gives it. Returns whether the map has the shard; true without a map.
    private func writeHeldSlots(in transaction: ShardTransaction) throws(StorageError) -> Bool {
        let catalog = try transaction.query(ShardCatalog.query) { (result) throws(PostgresError) -> ShardCatalog? in
            try ShardCatalog.read(result)
        }
        guard let map = catalog?.map else { return true }
        let isMissing = try transaction.query("SELECT FROM shard_view WHERE slots IS NULL") { $0.rowCount == 1 }
        if isMissing {
            try transaction.run(
                "UPDATE shard_view SET slots = $1",
                [.bytea(map.slots(of: self.shard.name).bytes)]
            )
        }
        return map.shards.contains(self.shard.name)
    }
}
