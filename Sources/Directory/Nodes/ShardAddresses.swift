// SPDX-License-Identifier: Apache-2.0

import Messaging
import Redis

/// Where the Postgres shards are, told by routers for those that are started with no more than Redis' address.
///
/// Soft like everything in Redis: routers write it again and again, and whoever reads a wrong one finds another shard's name in
/// the database and is refused. Passwords are never in it. Any task or thread may call.
package struct ShardAddresses: Sendable {
    package struct Entry: Sendable, Hashable {
        package var name: String
        /// For libpq, without a password.
        package var connection: String

        package init(name: String, connection: String) {
            self.name = name
            self.connection = connection
        }
    }

    private static let bytesMax = 1 << 20

    private let connection: RedisConnection
    private let keys: DirectoryKeys

    package init(connection: RedisConnection, cluster: String) {
        self.connection = connection
        self.keys = DirectoryKeys(cluster: cluster)
    }

    /// Replaces what is told. Entries whose connection has a line break, and what is beyond the bound, are left out.
    package func publish(_ entries: [Entry]) async throws(DirectoryError) {
        var text = ""
        for entry in entries where !entry.connection.contains(where: \.isNewline) {
            let line = "\(entry.name) \(entry.connection)\n"
            guard text.utf8.count + line.utf8.count <= Self.bytesMax else { break }
            text += line
        }
        let reply = try await self.connection.carryOut([RedisCommand("SET", self.keys.shards, text)]).first
        if let text = reply?.errorText { throw DirectoryError(refusal: text) }
    }

    /// What was told last; empty when nobody did since Redis was emptied.
    package func read() async throws(DirectoryError) -> [Entry] {
        let reply = try await self.connection.carryOut([RedisCommand("GET", self.keys.shards)]).first
        if let text = reply?.errorText { throw DirectoryError(refusal: text) }
        return (reply?.text ?? "").split(whereSeparator: \.isNewline).compactMap { line in
            let parts = line.split(separator: " ", maxSplits: 1)
            return parts.count == 2 ? Entry(name: String(parts[0]), connection: String(parts[1])) : nil
        }
    }
}
