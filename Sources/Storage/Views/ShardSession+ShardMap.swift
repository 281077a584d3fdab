// SPDX-License-Identifier: Apache-2.0

import Placement
import Postgres

extension ShardSession {
    /// The shard map as this shard has it; nil when it has none, or none that is newer than the known version.
    package func readShardMap(newerThan known: UInt64? = nil) throws(StorageError) -> ShardMap? {
        try self.read(
            "SELECT version, shards, assignment FROM shard_map WHERE version > $1",
            [.int8(known.map { Int64(clamping: $0) } ?? -1)]
        ) {
            (result) throws(PostgresError) -> ShardMap? in
            guard var row = result.first else { return nil }
            let version = try UInt64(clamping: row.int8())
            let shards = try row.textArray()
            let assignment = try row.int2Array().map { UInt16(bitPattern: $0) }
            guard let map = ShardMap(version: version, shards: shards, assignment: assignment) else {
                throw PostgresError(.unexpectedAnswer, "the stored shard map names a shard that is not in it")
            }
            return map
        }
    }

    /// Replaces the map of the expected version. Returns false, and changes nothing, when another one is stored.
    package func replaceShardMap(_ map: ShardMap, expectedVersion: UInt64) throws(StorageError) -> Bool {
        try self.transaction { (transaction) throws(StorageError) -> Bool in
            try transaction.query(
                """
                UPDATE shard_map SET version = $1, shards = $2, assignment = $3 WHERE version = $4 RETURNING version
                """,
                map.columns + [.int8(Int64(clamping: expectedVersion))]
            ) { $0.rowCount == 1 }
        }
    }
}

extension ShardMap {
    /// `version, shards, assignment`. The column holds signed numbers, so an index above 32,767 is stored as its bits.
    var columns: [PostgresValue] {
        [
            .int8(Int64(clamping: self.version)),
            .textArray(self.shards),
            .int2Array(self.assignment.map { Int16(bitPattern: $0) }),
        ]
    }
}
