// SPDX-License-Identifier: Apache-2.0

import Placement

/// What was found in one shard's database and about the server that it is on. A value, for somebody else to judge.
package struct ShardSurvey: Sendable, Equatable {
    /// What tells one database from another, however it is reached.
    package struct Place: Hashable, Sendable {
        /// Of the server's data folder, made by `initdb`; a replica has that of its primary.
        package var system: Int64
        package var database: Int64

        package init(system: Int64, database: Int64) {
            self.system = system
            self.database = database
        }
    }

    package struct Identity: Sendable, Equatable {
        package var cluster: String
        package var shard: String

        package init(cluster: String, shard: String) {
            self.cluster = cluster
            self.shard = shard
        }
    }

    package struct Map: Sendable, Equatable {
        package var version: UInt64
        package var shards: [String]
        /// By the shard's name, for libpq, without a password: where the catalog tells everybody.
        package var connections: [String: String]

        package init(version: UInt64, shards: [String], connections: [String: String] = [:]) {
            self.version = version
            self.shards = shards
            self.connections = connections
        }
    }

    /// Nil when the server does not tell.
    package var place: Place?
    package var isReplica = false
    /// What the server's clock was ahead of ours, in milliseconds; exact to half of the time that asking took.
    package var clockAheadMilliseconds: Int64 = 0
    /// By their names in `pg_settings`: what a new session of this user in this database begins with.
    package var settings: [String: String] = [:]
    /// Connections that this user, and this database, may have at once; nil without a limit of their own.
    package var userConnectionsMax: Int?
    package var databaseConnectionsMax: Int?
    /// A reserved place is for others: this user is none of those that it is kept for.
    package var isSuperuser = false
    /// Whether two connections were answered by one process of the server: there is a pooler in between that hands out
    /// servers for one transaction at a time.
    package var sharesServerProcess = false
    /// Nil before the first migration.
    package var identity: Identity?
    /// 0 before the first migration.
    package var schemaVersion: Int64 = 0
    package var map: Map?
    package var view: View?
    /// Nil without a stored move.
    package var move: MoveSigns?

    package init() {}

    /// The schema that this program works on.
    package static var schemaVersionNeeded: Int64 { Migration.latestVersion }
}
