// SPDX-License-Identifier: Apache-2.0

import ClusterConfiguration

extension DoctorFacts {
    func server(_ judgement: inout DoctorJudgement) -> RedisServer? {
        if case .value(let server) = self.redis { return server }
        judgement.cannotTell("Redis cannot be reached")
        return nil
    }

    var redisName: String { self.settings.redis.url.description }
}

extension DoctorCheck {
    static let ofRedis: [DoctorCheck] =
        Self.ofRedisReach + Self.ofRedisReplication + Self.ofRedisSettings

    private static let ofRedisReach: [DoctorCheck] = [
        DoctorCheck(
            "redis.reachable",
            "Redis lets this program in",
            meaning: "Without Redis nobody new joins, and every message goes to every edge."
        ) { facts, judgement in
            guard case .unreachable(let reason) = facts.redis else { return }
            judgement.fails(facts.redisName, reason, mend: RedisRefusal(reason).remedy)
        }
    ]

    private static let ofRedisSettings: [DoctorCheck] = [
        DoctorCheck(
            "redis.eviction",
            "Redis never throws away what was written to it",
            meaning: "A session that Redis forgot while its edge believes it registered gets no live messages."
        ) { facts, judgement in
            guard let server = facts.server(&judgement) else { return }
            let policy = server.evictionPolicy
            guard !policy.isEmpty, policy != "noeviction" else { return }
            let remedy = "CONFIG SET maxmemory-policy noeviction, and the same in redis.conf"
            if server.memoryMax > 0 {
                judgement.fails(
                    facts.redisName,
                    "maxmemory-policy is \(policy): at \(server.memoryMax) bytes it throws away leases and sessions",
                    mend: remedy
                )
            } else {
                judgement.warns(
                    facts.redisName,
                    "maxmemory-policy is \(policy): as soon as there is a maxmemory it throws away leases and sessions",
                    mend: remedy
                )
            }
        },
        DoctorCheck(
            "redis.memory",
            "Redis has memory left",
            meaning: "At its limit Redis refuses writes."
        ) { facts, judgement in
            guard let server = facts.server(&judgement), server.memoryMax > 0 else { return }
            let percent = Int(Double(server.memoryUsed) / Double(server.memoryMax) * 100)
            let text = "it uses \(percent) % of maxmemory (\(server.memoryUsed) of \(server.memoryMax) bytes)"
            let remedy = "CONFIG SET maxmemory to more, and the same in redis.conf; a session takes about 300 bytes"
            if percent >= 100 {
                judgement.fails(facts.redisName, text, mend: remedy)
            } else if percent >= 90 {
                judgement.warns(facts.redisName, text, mend: remedy)
            }
        },
        DoctorCheck(
            "redis.clients",
            "Redis takes connections enough for all nodes",
            meaning: "Every node keeps two connections to Redis."
        ) { facts, judgement in
            guard let server = facts.server(&judgement), let most = server.clientsMax else { return }
            let needed = facts.nodes.count * 2
            guard most < needed + 5 || server.clients * 10 > most * 9 else { return }
            let text =
                "maxclients is \(most), \(server.clients) are connected; \(facts.nodes.count) nodes keep \(needed)"
            let remedy = "CONFIG SET maxclients to more, and the same in redis.conf"
            if most < needed {
                judgement.fails(facts.redisName, text, mend: remedy)
            } else {
                judgement.warns(facts.redisName, text, mend: remedy)
            }
        },
        DoctorCheck(
            "redis.saving",
            "Redis can save its data, if it is to",
            meaning: "By default Redis takes no writes any more after it could not write its data to disk."
        ) { facts, judgement in
            guard let server = facts.server(&judgement), server.saveFailed else { return }
            judgement.warns(facts.redisName, "its last save failed", mend: RedisRefusal.saving)
        },
    ]
}

/// Why Redis lets nobody in, from its words for it.
struct RedisRefusal {
    static let saving =
        "make room on its disk, or let it write to its folder; nothing in it has to survive: `save \"\"` in redis.conf "
        + "turns saving off"

    private let reason: String

    init(_ reason: String) {
        self.reason = reason.lowercased()
    }

    var remedy: String {
        if self.reason.contains("misconf") { return Self.saving }
        if self.reason.contains("loading") { return "wait until it has loaded its data" }
        if self.reason.contains("watches no primary") { return "correct the name after # in redis.url" }
        if self.reason.contains("is a sentinel") {
            return "write redis-sentinel://HOST:PORT#NAME in redis.url, or name the servers"
        }
        if self.reason.contains("sentinel") {
            return "start the sentinels and the primary, or correct redis.url or redis.sentinel_password"
        }
        if self.reason.contains("is a replica") {
            return "start the primary, or make a replica the primary: REPLICAOF NO ONE"
        }
        if ["password", "auth", "noperm"].contains(where: self.reason.contains) {
            return "correct redis.password, or the user in redis.url"
        }
        return "start Redis there, see that no firewall is in between, or correct redis.url"
    }
}
