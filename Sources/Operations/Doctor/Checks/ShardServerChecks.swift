// SPDX-License-Identifier: Apache-2.0

import ClusterConfiguration
import Storage

/// How the servers are set up that the shards' databases are on.
extension DoctorCheck {
    static let ofShardServers: [DoctorCheck] = [
        DoctorCheck(
            "shards.writable",
            "Every shard's server takes writes",
            meaning: "A replica, or a session that may only read, refuses every message."
        ) { facts, judgement in
            for (shard, found) in facts.surveyed(&judgement) {
                if found.isReplica {
                    judgement.fails(
                        shard.name,
                        "the server is a replica",
                        mend:
                            "name the primary in \(shard.key), or all hosts with target_session_attrs=read-write"
                    )
                } else if found.settings["default_transaction_read_only"] == "on" {
                    judgement.fails(
                        shard.name,
                        "default_transaction_read_only is on for this user, database or server",
                        mend:
                            "reset it: ALTER ROLE … RESET default_transaction_read_only, or ALTER DATABASE, or postgresql.conf"
                    )
                }
            }
        },
        DoctorCheck(
            "shards.pooler",
            "Every session has a Postgres process of its own",
            meaning: "Routers prepare statements and set up their sessions; a pooler that hands out a server for one "
                + "transaction at a time mixes them up."
        ) { facts, judgement in
            for (shard, found) in facts.surveyed(&judgement) where found.sharesServerProcess {
                judgement.fails(
                    shard.name,
                    "two connections were answered by one Postgres process: there is a pooler in transaction mode in between",
                    mend: "connect to Postgres itself in \(shard.key), or set pool_mode = session there"
                )
            }
        },
        DoctorCheck(
            "shards.durability",
            "What Postgres has committed survives a power cut",
            meaning:
                "A message is acknowledged when Postgres has committed it; with fsync or full_page_writes off that "
                + "means nothing."
        ) { facts, judgement in
            for (shard, found) in facts.surveyed(&judgement) {
                for setting in ["fsync", "full_page_writes"] where found.settings[setting] == "off" {
                    judgement.fails(
                        shard.name,
                        "\(setting) is off: a power cut can lose acknowledged messages, or the whole database",
                        mend: "ALTER SYSTEM SET \(setting) = on, then SELECT pg_reload_conf()"
                    )
                }
            }
        },
        DoctorCheck(
            "shards.encoding",
            "Every database holds its text in UTF-8",
            meaning: "Other encodings refuse some of the text that people write."
        ) { facts, judgement in
            for (shard, found) in facts.surveyed(&judgement) {
                guard let encoding = found.settings["server_encoding"], encoding != "UTF8" else { continue }
                judgement.fails(
                    shard.name,
                    "its encoding is \(encoding)",
                    mend: "make a new database: CREATE DATABASE … ENCODING 'UTF8' TEMPLATE template0"
                )
            }
        },
        DoctorCheck(
            "shards.connections",
            "Every server has connections enough for all routers",
            meaning: "A router keeps limits.shard_writers, limits.shard_readers and one more connection to each shard.",
            Self.judgeConnections
        ),
        DoctorCheck(
            "shards.timeouts",
            "No time limit of the server cuts off sessions at their work",
            meaning:
                "Limits that a session does not set for itself hold as the server, the database or the user has them.",
            Self.judgeTimeouts
        ),
        DoctorCheck(
            "shards.vacuum",
            "Postgres cleans up behind itself",
            meaning:
                "Without autovacuum tables that change grow without end, and one day the server stops taking writes."
        ) { facts, judgement in
            for (shard, found) in facts.surveyed(&judgement) {
                for setting in ["autovacuum", "track_counts"] where found.settings[setting] == "off" {
                    judgement.warns(
                        shard.name,
                        "\(setting) is off",
                        mend: "ALTER SYSTEM SET \(setting) = on, then SELECT pg_reload_conf()"
                    )
                }
            }
        },
    ]

    /// For `migrate`, `status`, `doctor` and a person at the console.
    private static let sparePerServer = 5

    private static func judgeConnections(_ facts: DoctorFacts, _ judgement: inout DoctorJudgement) {
        let limits = facts.settings.limits
        let perShard = facts.routerCount * (limits.shardWriters + limits.shardReaders + 1)
        let surveyed = facts.surveyed(&judgement)
        // Shards on one server share its connections.
        let servers = Dictionary(grouping: surveyed) { $0.found.place.map { "\($0.system)" } ?? $0.shard.name }
        for shards in servers.values.sorted(by: { $0[0].shard.name < $1[0].shard.name }) {
            let needed = perShard * shards.count
            let names = shards.map(\.shard.name).joined(separator: ", ")
            for (what, available, raise) in Self.connectionsMax(shards[0].found) {
                let text =
                    "\(what) leaves \(available) connections; \(facts.routerCount) routers keep \(needed), and commands "
                    + "need some too"
                let remedy =
                    "\(raise(needed + Self.sparePerServer)), or lower limits.shard_writers and limits.shard_readers"
                if available < needed {
                    judgement.fails(names, text, mend: remedy)
                } else if available < needed + Self.sparePerServer {
                    judgement.warns(names, text, mend: remedy)
                }
            }
        }
        for (shard, found) in surveyed where !found.isSuperuser {
            guard let most = found.databaseConnectionsMax, most < perShard else { continue }
            judgement.fails(
                shard.name,
                "its database takes \(most) connections; \(facts.routerCount) routers keep \(perShard)",
                mend: "ALTER DATABASE … CONNECTION LIMIT -1"
            )
        }
    }

    /// What bounds them on a server, how many that leaves, and how to have more.
    private static func connectionsMax(
        _ found: ShardSurvey
    ) -> [(what: String, available: Int, raise: (Int) -> String)] {
        func setting(_ name: String) -> Int? { found.settings[name].flatMap { Int($0) } }
        var bounds: [(what: String, available: Int, raise: (Int) -> String)] = []
        if let most = setting("max_connections") {
            let kept =
                found.isSuperuser
                ? 0 : (setting("superuser_reserved_connections") ?? 0) + (setting("reserved_connections") ?? 0)
            bounds.append(
                (
                    "max_connections = \(most)", most - kept,
                    { "ALTER SYSTEM SET max_connections = \($0 + kept) and restart the server" }
                )
            )
        }
        if let most = found.userConnectionsMax, !found.isSuperuser {
            bounds.append(
                ("the limit of this user", most, { "ALTER ROLE … CONNECTION LIMIT \($0)" })
            )
        }
        return bounds
    }

    private static func judgeTimeouts(_ facts: DoctorFacts, _ judgement: inout DoctorJudgement) {
        let statement = facts.settings.timeouts.statement.wholeMilliseconds
        for (shard, found) in facts.surveyed(&judgement) {
            /// Milliseconds; nil when there is no limit.
            func limit(_ name: String) -> Int? {
                found.settings[name].flatMap { Int($0) }.flatMap { $0 > 0 ? $0 : nil }
            }
            func reset(_ name: String) -> String {
                "ALTER ROLE … SET \(name) = 0, or the same where it is set: the database, postgresql.conf"
            }
            if let idle = limit("idle_session_timeout") {
                judgement.warns(
                    shard.name,
                    "idle_session_timeout cuts off every session that is quiet for \(idle) ms; the next write waits for another",
                    mend: reset("idle_session_timeout")
                )
            }
            if let lock = limit("lock_timeout"), lock < statement {
                judgement.warns(
                    shard.name,
                    "lock_timeout gives up after \(lock) ms what timeouts.statement allows \(statement) ms",
                    mend: reset("lock_timeout")
                )
            }
            if let transaction = limit("transaction_timeout"), transaction < statement {
                judgement.warns(
                    shard.name,
                    "transaction_timeout ends after \(transaction) ms what timeouts.statement allows \(statement) ms",
                    mend: reset("transaction_timeout")
                )
            }
        }
    }
}
