// SPDX-License-Identifier: Apache-2.0

import Messaging
import Placement
import Postgres

/// Looks at a shard's database without changing anything, also at one that a ``ShardSession`` would refuse to use.
///
/// Blocks the calling thread, at most for its timeout; the name of the host is resolved on top of that.
package struct ShardSurveyor: Sendable {
    /// The settings that somebody may want to judge. Those that every session sets for itself are not among them.
    private static let settings = [
        "autovacuum", "default_transaction_read_only", "fsync", "full_page_writes", "idle_session_timeout",
        "lock_timeout", "max_connections", "reserved_connections", "server_encoding", "server_version",
        "server_version_num", "superuser_reserved_connections", "track_counts", "transaction_timeout",
    ]

    private let shard: ShardDescriptor
    private let timeout: Duration

    /// - Parameter timeout: for all of it.
    package init(shard: ShardDescriptor, timeout: Duration) {
        self.shard = shard
        self.timeout = timeout
    }

    /// - Throws: ``StorageError/Code/unavailable`` with libpq's reason when there is no connection to be had.
    /// - Parameter now: our clock.
    package func survey(now: () -> UnixMilliseconds) throws(StorageError) -> ShardSurvey {
        let deadline = ContinuousClock.now + self.timeout
        let connection = PostgresConnection(self.configuration)
        do throws(PostgresError) {
            try connection.connect(deadline: deadline)
            var survey = ShardSurvey()
            try self.readServer(connection, into: &survey, now: now, deadline: deadline)
            try self.readSchema(connection, into: &survey, deadline: deadline)
            survey.sharesServerProcess = try self.sharesServerProcess(connection, deadline: deadline)
            return survey
        } catch {
            // A pooler lets the statements of one session be prepared twice, or be looked for where they are not.
            if case .server(let state) = error.code, ["42P05", "26000"].contains(state) {
                var survey = ShardSurvey()
                survey.sharesServerProcess = true
                return survey
            }
            throw StorageError(error, effect: .none)
        }
    }

    private var configuration: PostgresConnection.Configuration {
        PostgresConnection.Configuration(
            connectionString: self.shard.connectionString,
            applicationName: "trunkline doctor",
            statementTimeout: self.timeout * 9 / 10
        )
    }

    private func readServer(
        _ connection: PostgresConnection,
        into survey: inout ShardSurvey,
        now: () -> UnixMilliseconds,
        deadline: ContinuousClock.Instant
    ) throws(PostgresError) {
        let before = now()
        let clock = try connection.execute(
            """
            SELECT pg_catalog.pg_is_in_recovery(), (extract(epoch FROM pg_catalog.clock_timestamp()) * 1000)::int8
            """,
            deadline: deadline
        )
        let after = now()
        if var row = clock.first {
            survey.isReplica = try row.bool()
            survey.clockAheadMilliseconds = try row.int8() - Int64(clamping: before / 2 + after / 2)
        }
        let settings = try connection.execute(
            "SELECT name, reset_val FROM pg_catalog.pg_settings WHERE name = ANY ($1)",
            [.textArray(Self.settings)],
            deadline: deadline
        )
        for var row in settings.rows {
            let name = try row.text()
            survey.settings[name] = try row.optionalText() ?? ""
        }
        let limits = try connection.execute(
            """
            SELECT r.rolconnlimit::int8, d.datconnlimit::int8, r.rolsuper
            FROM pg_catalog.pg_roles r, pg_catalog.pg_database d
            WHERE r.rolname = current_user AND d.datname = pg_catalog.current_database()
            """,
            deadline: deadline
        )
        if var row = limits.first {
            // Below 0 is no limit.
            survey.userConnectionsMax = try Int(exactly: row.int8()).flatMap { $0 >= 0 ? $0 : nil }
            survey.databaseConnectionsMax = try Int(exactly: row.int8()).flatMap { $0 >= 0 ? $0 : nil }
            survey.isSuperuser = try row.bool()
        }
        survey.place = try Self.ifAllowed { () throws(PostgresError) -> ShardSurvey.Place? in
            let result = try connection.execute(
                """
                SELECT c.system_identifier, d.oid::int8 FROM pg_catalog.pg_control_system() c, pg_catalog.pg_database d
                WHERE d.datname = pg_catalog.current_database()
                """,
                deadline: deadline
            )
            guard var row = result.first else { return nil }
            return try ShardSurvey.Place(system: row.int8(), database: row.int8())
        }
    }

    private func readSchema(
        _ connection: PostgresConnection,
        into survey: inout ShardSurvey,
        deadline: ContinuousClock.Instant
    ) throws(PostgresError) {
        survey.schemaVersion =
            try Self.ifAllowed { () throws(PostgresError) -> Int64? in
                let result = try connection.execute(
                    "SELECT coalesce(max(version), 0)::int8 FROM schema_migrations",
                    deadline: deadline
                )
                guard var row = result.first else { return nil }
                return try row.int8()
            } ?? 0
        survey.identity = try Self.ifAllowed { () throws(PostgresError) -> ShardSurvey.Identity? in
            let result = try connection.execute("SELECT cluster, shard FROM shard_identity", deadline: deadline)
            guard var row = result.first else { return nil }
            return try ShardSurvey.Identity(cluster: row.text(), shard: row.text())
        }
        survey.map = try Self.ifAllowed { () throws(PostgresError) -> ShardSurvey.Map? in
            // By way of JSON, because older schemas have no connections.
            let result = try connection.execute(
                """
                SELECT version, shards, ARRAY(
                    SELECT jsonb_array_elements_text(coalesce(to_jsonb(m) -> 'connections', '[]'))
                ) FROM shard_map m
                """,
                deadline: deadline
            )
            guard var row = result.first else { return nil }
            let version = try UInt64(clamping: row.int8())
            let (shards, connections) = try (row.textArray(), row.textArray())
            let known = zip(shards, connections).filter { !$0.1.isEmpty }
            return ShardSurvey.Map(
                version: version,
                shards: shards,
                connections: Dictionary(known) { first, _ in first }
            )
        }
        survey.move = try Self.ifAllowed { () throws(PostgresError) -> MoveSigns? in
            try MoveSigns.read(connection.execute(MoveSigns.query, MoveSigns.parameters, deadline: deadline))
        }
        survey.view = try Self.ifAllowed { () throws(PostgresError) -> View? in
            let result = try connection.execute("SELECT epoch, routers FROM shard_view", deadline: deadline)
            guard var row = result.first else { return nil }
            return try View(shard: self.shard.name, epoch: UInt64(clamping: row.int8()), routers: row.textArray())
        }
    }

    /// Asks on two connections in turn, both open all the time: servers of their own have processes of their own.
    private func sharesServerProcess(
        _ connection: PostgresConnection,
        deadline: ContinuousClock.Instant
    ) throws(PostgresError) -> Bool {
        let other = PostgresConnection(self.configuration)
        do throws(PostgresError) {
            try other.connect(deadline: deadline)
        } catch {
            // Without room for a second one nothing is known of it, and the number of connections is judged elsewhere.
            return false
        }
        var seen: [Set<Int32>] = [[], []]
        for _ in 0..<3 {
            for (index, one) in [connection, other].enumerated() {
                let result = try one.execute("SELECT pg_catalog.pg_backend_pid()", deadline: deadline)
                if var row = result.first { seen[index].insert(try row.int4()) }
            }
        }
        return !seen[0].isDisjoint(with: seen[1]) || seen.contains { $0.count > 1 }
    }

    /// Nil where the table is not there, or this user may not read it.
    private static func ifAllowed<Value>(
        _ body: () throws(PostgresError) -> Value?
    ) throws(PostgresError) -> Value? {
        do throws(PostgresError) {
            return try body()
        } catch {
            switch error.code {
            case .server(sqlState: "42P01"), .server(sqlState: "42501"), .server(sqlState: "42703"),
                .server(sqlState: "42883"):
                return nil
            case .server, .cannotConnect, .connectionLost, .deadlineExceeded, .unexpectedAnswer: throw error
            }
        }
    }
}
