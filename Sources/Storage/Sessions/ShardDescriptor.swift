// SPDX-License-Identifier: Apache-2.0

/// One Postgres database that holds slots.
package struct ShardDescriptor: Hashable, Sendable {
    /// As in `cluster.yaml` and in the shard map. The database holds the same name and is refused when it does not.
    package var name: String
    /// A libpq connection string or URI. May name several hosts with `target_session_attrs`; may hold a password,
    /// so it is never logged.
    package var connectionString: String

    package init(name: String, connectionString: String) {
        self.name = name
        self.connectionString = connectionString
    }
}
