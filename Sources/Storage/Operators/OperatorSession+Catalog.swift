// SPDX-License-Identifier: Apache-2.0

import Placement
import Postgres

extension ShardCatalog {
    static let query = "SELECT version, shards, assignment, connections, weights FROM shard_map"

    static func read(_ result: PostgresResult) throws(PostgresError) -> ShardCatalog? {
        guard var row = result.first else { return nil }
        let version = try UInt64(clamping: row.int8())
        let shards = try row.textArray()
        let assignment = try row.int2Array().map { UInt16(bitPattern: $0) }
        guard let map = ShardMap(version: version, shards: shards, assignment: assignment) else {
            throw PostgresError(.unexpectedAnswer, "the stored shard map names a shard that is not in it")
        }
        let connections = try row.textArray()
        let weights = try row.int8Array().map { Int($0) }
        return ShardCatalog(map: map, connections: connections, weights: weights)
    }

    /// `version, shards, assignment, connections, weights`.
    var columns: [PostgresValue] {
        self.map.columns + [.textArray(self.connections), .int8Array(self.weights.map { Int64($0) })]
    }
}

extension ShardSession {
    /// The catalog as this shard has it; nil when it has none.
    package func readCatalog() throws(StorageError) -> ShardCatalog? {
        try self.read(ShardCatalog.query, []) { (result) throws(PostgresError) in try ShardCatalog.read(result) }
    }
}

extension OperatorSession {
    /// The catalog as this shard has it; nil when it has none.
    package func readCatalog() throws(StorageError) -> ShardCatalog? {
        try self.query(ShardCatalog.query) { (result) throws(PostgresError) in try ShardCatalog.read(result) }
    }

    /// Stores the catalog unless the shard has this version or a newer one.
    package func store(_ catalog: ShardCatalog) throws(StorageError) {
        try self.transaction { (transaction) throws(StorageError) in try transaction.store(catalog) }
    }

    /// Lets the numbers of the views of a database that no router has served begin at this one. Nodes take no view whose
    /// number is not higher than the one they know, and an earlier shard of the same name had some.
    package func beginEpochs(at epoch: UInt64) throws(StorageError) {
        try self.transaction { (transaction) throws(StorageError) in
            try transaction.run(
                "UPDATE shard_view SET epoch = $1 WHERE epoch < $1 AND routers = '{}'",
                [.int8(Int64(clamping: epoch))]
            )
        }
    }

    /// The slots that the shard holds, and under which epoch.
    package func readView() throws(StorageError) -> View {
        try self.query(View.query) { (result) throws(PostgresError) -> View in
            guard var row = result.first else { throw PostgresError(.unexpectedAnswer, "the shard has no view") }
            return try row.view(of: self.shard.name)
        }
    }
}

extension ShardTransaction {
    func store(_ catalog: ShardCatalog) throws(StorageError) {
        try self.run(
            """
            INSERT INTO shard_map AS m (version, shards, assignment, connections, weights) VALUES ($1, $2, $3, $4, $5)
            ON CONFLICT (only_row) DO UPDATE SET version = $1, shards = $2, assignment = $3, connections = $4, weights = $5
            WHERE m.version < $1
            """,
            catalog.columns
        )
    }
}
