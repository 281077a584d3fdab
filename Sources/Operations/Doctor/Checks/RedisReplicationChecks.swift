// SPDX-License-Identifier: Apache-2.0

import ClusterConfiguration

extension DoctorFacts {
    /// Whether `redis.url` lets a server take the place of another.
    private var hasRedisChoice: Bool {
        self.settings.redis.url.addresses.count > 1 || self.settings.redis.url.primaryName != nil
    }

    private var redisPrimaries: [(address: String, server: RedisServer)] {
        self.redisMembers.compactMap { member in
            guard case .value(let server) = member.server, !server.isReplica else { return nil }
            return (member.address, server)
        }
    }

    fileprivate func judgePrimary(_ judgement: inout DoctorJudgement) {
        guard self.hasRedisChoice else {
            guard let server = self.server(&judgement), server.isReplica else { return }
            return judgement.fails(self.redisName, "it is a replica", mend: "name the primary in redis.url")
        }
        let primaries = self.redisPrimaries
        guard let primary = primaries.first else {
            guard self.redisMembers.contains(where: { if case .value = $0.server { true } else { false } }) else {
                return judgement.cannotTell("Redis cannot be reached")
            }
            return judgement.fails(
                self.redisName,
                "every server that answers is a replica",
                mend: "make one the primary: REPLICAOF NO ONE; Sentinel does that by itself"
            )
        }
        guard primaries.count == 1 else {
            return judgement.fails(
                self.redisName,
                "\(primaries.map(\.address).joined(separator: " and ")) each say that they are the primary",
                mend: "make all but one its replicas, with REPLICAOF HOST PORT; what only they have is registered anew"
            )
        }
        judgement.states(primary.address, "it is the primary")
    }

    fileprivate func judgeReplica(_ judgement: inout DoctorJudgement) {
        guard self.hasRedisChoice else { return }
        for member in self.redisMembers {
            switch member.server {
            case .unreachable(let reason):
                let text = reason.replacing("Redis at \(member.address)", with: "it")
                judgement.warns(member.address, text, mend: RedisRefusal(reason).remedy)
            case .value(let server) where server.isReplica && !server.hearsPrimary:
                judgement.warns(
                    member.address,
                    "it is a replica that hears nothing from its primary",
                    mend: "see its log; it follows what REPLICAOF says, with masterauth where there is a password"
                )
            case .value: break
            }
        }
        guard let primary = self.redisPrimaries.first else { return judgement.cannotTell("there is no primary") }
        guard let replicas = primary.server.replicas else {
            return judgement.cannotTell("\(primary.address) does not tell who follows it")
        }
        for replica in replicas {
            if replica.isLinked {
                judgement.states(primary.address, "\(replica.address) follows it")
            } else {
                judgement.warns(
                    primary.address,
                    "\(replica.address) is to follow it, and does not yet",
                    mend: "wait until it has its first copy, or see its log"
                )
            }
        }
        guard replicas.isEmpty else { return }
        judgement.warns(
            primary.address,
            "no replica follows it, so that there is none to take its place",
            mend: "on another server: REPLICAOF \(Self.hostAndPort(primary.address))"
        )
    }

    fileprivate func judgeSentinels(_ judgement: inout DoctorJudgement) {
        var answers: [String: [String]] = [:]
        for sentinel in self.redisSentinels {
            switch sentinel.primary {
            case .value(let primary): answers[primary, default: []].append(sentinel.address)
            case .unreachable(let reason):
                let isAway = reason.contains("cannot be")
                let text = reason.replacing("The sentinel at \(sentinel.address)", with: "it")
                let remedy = isAway ? "start it, or take it out of redis.url" : RedisRefusal(reason).remedy
                judgement.warns(sentinel.address, text, mend: remedy)
            }
        }
        guard answers.count > 1 else { return }
        let views = answers.sorted { $0.key < $1.key }.map { "\($0.key) to \($0.value.joined(separator: ", "))" }
        judgement.warns(
            self.redisName,
            "the sentinels do not agree which server is the primary: \(views.joined(separator: "; "))",
            mend: "wait while they fail over; if it stays so, see that they reach each other"
        )
    }

    /// As REPLICAOF wants it.
    private static func hostAndPort(_ address: String) -> String {
        guard let colon = address.lastIndex(of: ":") else { return address }
        let host = address[..<colon].filter { $0 != "[" && $0 != "]" }
        return "\(host) \(address[address.index(after: colon)...])"
    }
}

extension DoctorCheck {
    static let ofRedisReplication: [DoctorCheck] = [
        DoctorCheck(
            "redis.primary",
            "Redis takes writes",
            meaning: "A replica refuses them: no lease and no session could be registered."
        ) { facts, judgement in
            facts.judgePrimary(&judgement)
        },
        DoctorCheck(
            "redis.replica",
            "Where redis.url allows for a replica, one is there and follows",
            meaning: "When the primary is lost a replica takes its place; without one Redis is away until it is back."
        ) { facts, judgement in
            facts.judgeReplica(&judgement)
        },
        DoctorCheck(
            "redis.sentinels",
            "Every sentinel answers, and they agree which server is the primary",
            meaning: "Nodes ask the sentinels where Redis is; those that are away cannot vote on a fail-over either."
        ) { facts, judgement in
            facts.judgeSentinels(&judgement)
        },
    ]
}
