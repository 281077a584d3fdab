// SPDX-License-Identifier: Apache-2.0

import ClusterConfiguration
import Directory
import Placement
import Storage

extension DoctorFacts {
    /// The shards that answered, in their order; those that did not are not known of.
    func surveyed(_ judgement: inout DoctorJudgement) -> [(shard: Shard, found: ShardSurvey)] {
        var surveyed: [(shard: Shard, found: ShardSurvey)] = []
        for shard in self.shards {
            if case .value(let found) = shard.survey {
                surveyed.append((shard, found))
            } else {
                judgement.cannotTell("\(shard.name) cannot be reached")
            }
        }
        return surveyed
    }
}

/// Which databases the shards are, and what is in them.
extension DoctorCheck {
    static let ofShards: [DoctorCheck] = [
        DoctorCheck(
            "shards.reachable",
            "Postgres of every shard lets this program in",
            meaning: "What is stored in a shard that cannot be reached can be neither read nor written."
        ) { facts, judgement in
            for shard in facts.shards {
                guard case .unreachable(let reason) = shard.survey else { continue }
                let remedy = PostgresRefusal(reason).remedy(key: shard.key)
                judgement.fails(shard.name, reason, mend: remedy)
            }
        },
        DoctorCheck(
            "shards.distinct",
            "Each shard has a database of its own",
            meaning: "Two shards in one database would write each other's slots.",
            Self.judgeDistinct
        ),
        DoctorCheck(
            "shards.schema",
            "Every shard has the schema that this program needs",
            meaning: "Routers use no database whose schema is older than they are."
        ) { facts, judgement in
            let needed = ShardSurvey.schemaVersionNeeded
            for (shard, found) in facts.surveyed(&judgement) where !found.sharesServerProcess {
                if found.schemaVersion == 0 {
                    judgement.fails(shard.name, "the database has no schema yet", mend: "run `trunkline migrate`")
                } else if found.schemaVersion < needed {
                    judgement.fails(
                        shard.name,
                        "its schema has version \(found.schemaVersion), this program needs \(needed)",
                        mend: "run `trunkline migrate`"
                    )
                } else if found.schemaVersion > needed {
                    judgement.warns(
                        shard.name,
                        "its schema has version \(found.schemaVersion), this program knows \(needed)",
                        mend: "bring the programs that are still older to the newer version"
                    )
                }
            }
        },
        DoctorCheck(
            "shards.move",
            "No move of slots waits for somebody",
            meaning: "While slots are copied their changes are noted, which costs writes; and no other move can begin."
        ) { facts, judgement in
            let signs = facts.surveyed(&judgement).compactMap(\.found.move)
            guard MoveText.warning(of: signs) != nil else { return }
            let isPaused = signs.contains { $0.wish == .pause }
            judgement.warns(
                facts.settings.cluster,
                isPaused ? MoveText.paused : MoveText.abandoned,
                mend: MoveText.remedy
            )
        },
        DoctorCheck(
            "shards.identity",
            "Every database is the one of its shard and cluster",
            meaning: "A connection string that names another database is a mistake; routers refuse to use it."
        ) { facts, judgement in
            for (shard, found) in facts.surveyed(&judgement) {
                guard let identity = found.identity,
                    identity != ShardSurvey.Identity(cluster: facts.settings.cluster, shard: shard.name)
                else { continue }
                judgement.fails(
                    shard.name,
                    "its database belongs to shard \(identity.shard) of cluster \(identity.cluster)",
                    mend: "correct \(shard.key), or `cluster` and the shard's name"
                )
            }
        },
        DoctorCheck(
            "shards.map",
            "All shards have the same map, and it is known how to reach every shard in it",
            meaning: "The map says which shard holds a slot; routers serve only shards that they know how to reach.",
            Self.judgeMaps
        ),
        DoctorCheck(
            "shards.views",
            "Every shard has routers that live",
            meaning: "The view says which routers share a shard's slots; a slot without one is served by nobody.",
            Self.judgeViews
        ),
    ]

    private static func judgeDistinct(_ facts: DoctorFacts, _ judgement: inout DoctorJudgement) {
        var first: [ShardSurvey.Place: String] = [:]
        for (shard, found) in facts.surveyed(&judgement) {
            guard let place = found.place else { continue }
            if let other = first[place] {
                judgement.fails(
                    shard.name,
                    "it is the same database as \(other), under another address",
                    mend: "make a database for it and name that one in \(shard.key)"
                )
            } else {
                first[place] = shard.name
            }
        }
    }

    private static func judgeMaps(_ facts: DoctorFacts, _ judgement: inout DoctorJudgement) {
        let maps = facts.surveyed(&judgement).compactMap { shard, found in found.map.map { (shard.name, $0) } }
        let versions = Set(maps.map { $0.1.version })
        if versions.count > 1 {
            let text = maps.map { "\($0.0) has version \($0.1.version)" }.joined(separator: ", ")
            judgement.warns(
                "shard map",
                "the shards have different ones: \(text)",
                mend: "a change of the map is under way, or broke off: see `trunkline status`"
            )
        }
        guard let newest = maps.map(\.1).max(by: { $0.version < $1.version }) else { return }
        let listed = Set(facts.settings.shards.map(\.name))
        for missing in newest.shards where !listed.contains(missing) && newest.connections[missing] == nil {
            judgement.fails(
                missing,
                "the shard map counts on this shard, and the file does not list it",
                mend: "list it under `shards`, as on the machines where it is known"
            )
        }
        for name in listed.subtracting(newest.shards).sorted() {
            judgement.warns(
                name,
                "the file lists this shard, and the shard map gives it no slots",
                mend: "`trunkline shard add \(name)` gives it a part; or take it out of the file"
            )
        }
    }

    private static func judgeViews(_ facts: DoctorFacts, _ judgement: inout DoctorJudgement) {
        guard case .value(let listing) = facts.leases else {
            return judgement.cannotTell("Redis cannot be reached")
        }
        let living = Set(listing.leases.filter { $0.role == .router }.map(\.name))
        // Before the first router is started there is nothing to see.
        guard !living.isEmpty else { return }
        for (shard, found) in facts.surveyed(&judgement) {
            guard let view = found.view else { continue }
            if view.routers.isEmpty {
                judgement.fails(
                    shard.name,
                    "no router is in its view",
                    mend: "see why the routers do not join it: their logs, and what fails above"
                )
            }
            for router in view.routers where !living.contains(router) {
                judgement.warns(
                    shard.name,
                    "it counts on router \(router), which has no lease",
                    mend: "start it again; if that is not to be, the other routers take its slots over within seconds"
                )
            }
        }
    }
}

/// Why Postgres lets nobody in, from libpq's words for it.
struct PostgresRefusal {
    private let reason: String

    init(_ reason: String) {
        self.reason = reason.lowercased()
    }

    /// - Parameter key: where the connection is described.
    func remedy(key: String) -> String {
        let remedies: [(words: [String], remedy: String)] = [
            (
                ["password authentication failed", "no password supplied"],
                "correct the shard's password, or the one of Postgres"
            ),
            (["no pg_hba.conf entry"], "let this machine in with a line in pg_hba.conf of that server, and reload it"),
            (["role"], "make this user with CREATE ROLE … LOGIN, or correct \(key)"),
            (["database"], "make it with CREATE DATABASE, or correct \(key)"),
            (
                ["too many clients", "remaining connection slots", "too many connections"],
                "raise max_connections there, or end what takes them: see pg_stat_activity"
            ),
            (
                ["translate host name", "name or service not known"],
                "correct the host in \(key), or make it resolvable"
            ),
            (["starting up", "recovery"], "wait until it has started"),
            (["shutting down"], "start it again"),
            (["ssl", "certificate"], "correct sslmode and its files in \(key), or the certificate of the server"),
            (["refused"], "start Postgres there, have it listen on that address, or correct \(key)"),
        ]
        return remedies.first { $0.words.contains { self.reason.contains($0) } }?.remedy
            ?? "see that Postgres runs there and that no firewall is in between, or correct \(key)"
    }
}
