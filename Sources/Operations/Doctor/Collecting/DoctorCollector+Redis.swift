// SPDX-License-Identifier: Apache-2.0

import ClusterConfiguration
import Directory
import Redis

extension DoctorCollector {
    /// What Redis says of itself, every server of it, and the leases in it.
    func readRedis(_ secrets: ResolvedSecrets, into facts: inout DoctorFacts) async {
        var configuration = RedisConfiguration(settings: self.settings, secrets: secrets)
        configuration.connectTimeout = self.timeout
        configuration.commandTimeout = self.timeout
        switch configuration.endpoint.place {
        case .servers(let addresses):
            facts.redisMembers = await self.look(at: addresses, configuration)
            // A single one that is a replica is looked at all the same: it is most of what can be said.
            if addresses.count == 1 { configuration.acceptsAnyRole = true }
        case .sentinels(let addresses, let primaryName, let password):
            let answers = await self.ask(addresses, primaryName, password, configuration)
            facts.redisSentinels = zip(addresses, answers).map { address, answer in
                .init(address: address.description, primary: answer.map(\.description))
            }
            facts.redisMembers = await self.look(at: Self.different(answers), configuration)
        }
        facts.redis = Self.used(facts)
        guard case .value = facts.redis else {
            if case .unreachable(let reason) = facts.redis { facts.leases = .unreachable(reason) }
            return
        }
        facts.leases = await self.readLeases(configuration)
    }

    /// The server that nodes use.
    private static func used(_ facts: DoctorFacts) -> DoctorFacts.Seen<DoctorFacts.RedisServer> {
        if facts.redisMembers.count == 1, facts.redisSentinels.isEmpty { return facts.redisMembers[0].server }
        let primary = facts.redisMembers.first { member in
            if case .value(let server) = member.server { !server.isReplica } else { false }
        }
        if let primary { return primary.server }
        let reasons =
            facts.redisSentinels.compactMap { sentinel -> String? in
                if case .unreachable(let reason) = sentinel.primary { reason } else { nil }
            }
            + facts.redisMembers.map { member in
                switch member.server {
                case .value: "Redis at \(member.address) is a replica."
                case .unreachable(let reason): reason
                }
            }
        return .unreachable(reasons.joined(separator: " "))
    }

    private static func different(_ answers: [DoctorFacts.Seen<RedisAddress>]) -> [RedisAddress] {
        var addresses: [RedisAddress] = []
        for case .value(let address) in answers where !addresses.contains(address) {
            addresses.append(address)
        }
        return addresses
    }

    private func readLeases(_ configuration: RedisConfiguration) async -> DoctorFacts.Seen<NodeLeases.Listing> {
        await self.withConnection(configuration) { connection in
            do throws(DirectoryError) {
                return .value(try await NodeLeases(connection: connection, cluster: self.settings.cluster).leases())
            } catch {
                return .unreachable(error.message)
            }
        }
    }

    // MARK: - Servers and sentinels

    /// All at once, whatever they are.
    private func look(
        at addresses: [RedisAddress],
        _ configuration: RedisConfiguration
    ) async -> [DoctorFacts.RedisMember] {
        let servers = await self.each(of: addresses, configuration) { await self.readServer($0) }
        return zip(addresses, servers).map { .init(address: $0.description, server: $1) }
    }

    private func ask(
        _ sentinels: [RedisAddress],
        _ primaryName: String,
        _ password: String?,
        _ configuration: RedisConfiguration
    ) async -> [DoctorFacts.Seen<RedisAddress>] {
        var configuration = configuration
        configuration.endpoint = RedisEndpoint(place: configuration.endpoint.place, password: password)
        let answers = await self.each(of: sentinels, configuration) {
            connection -> DoctorFacts.Seen<RedisAddress> in
            do throws(RedisError) {
                let reply = try await connection.send([SentinelAnswer.question(primaryName)]).first
                guard let sentinel = connection.state.address else { return .unreachable("it is gone") }
                return .value(try SentinelAnswer.address(in: reply, sentinel: sentinel, primaryName: primaryName))
            } catch {
                return .unreachable(error.message)
            }
        }
        return answers.map { answer in
            guard case .unreachable(let reason) = answer else { return answer }
            return .unreachable(reason.replacing("Redis at ", with: "The sentinel at "))
        }
    }

    private func each<Value: Sendable>(
        of addresses: [RedisAddress],
        _ configuration: RedisConfiguration,
        _ body: @escaping @Sendable (RedisConnection) async -> DoctorFacts.Seen<Value>
    ) async -> [DoctorFacts.Seen<Value>] {
        let found = await withTaskGroup(of: (Int, DoctorFacts.Seen<Value>).self) { group in
            for (index, address) in addresses.enumerated() {
                var one = configuration
                one.endpoint.place = .servers([address])
                one.acceptsAnyRole = true
                group.addTask { [one] in (index, await self.withConnection(one, body)) }
            }
            return await group.reduce(into: [:]) { $0[$1.0] = $1.1 }
        }
        return addresses.indices.map { found[$0] ?? .unreachable("it was not asked") }
    }

    private func withConnection<Value: Sendable>(
        _ configuration: RedisConfiguration,
        _ body: @Sendable (RedisConnection) async -> DoctorFacts.Seen<Value>
    ) async -> DoctorFacts.Seen<Value> {
        let connection: RedisConnection
        do throws(RedisError) {
            connection = try RedisConnection(configuration: configuration, logger: self.logger)
        } catch {
            return .unreachable(error.message)
        }
        let seen = await body(connection)
        await connection.shutdown()
        return seen
    }

    private func readServer(_ connection: RedisConnection) async -> DoctorFacts.Seen<DoctorFacts.RedisServer> {
        do throws(RedisError) {
            let info = try await connection.send([RedisCommand("INFO")]).first
            let before = self.now()
            let time = try await connection.send([RedisCommand("TIME")]).first
            let after = self.now()
            guard let text = info?.text else {
                return .unreachable("INFO was answered with: \(info?.errorText ?? "something else than text")")
            }
            let information = RedisInformation(text)
            guard information["redis_mode"] != "sentinel" else {
                let name = connection.state.address.map { " at \($0)" } ?? ""
                return .unreachable("Redis\(name) is a sentinel, and was taken for a server.")
            }
            var server = DoctorFacts.RedisServer(information)
            if let parts = time?.array, let seconds = Self.number(parts.first), let micros = Self.number(parts.last) {
                server.clockAheadMilliseconds = seconds * 1000 + micros / 1000 - Int64(clamping: before / 2 + after / 2)
            }
            return .value(server)
        } catch {
            return .unreachable(error.message)
        }
    }

    private static func number(_ value: RedisValue?) -> Int64? {
        value?.text.flatMap { Int64($0) }
    }
}

extension DoctorFacts.RedisServer {
    fileprivate init(_ information: RedisInformation) {
        self.init()
        self.version = String(information["redis_version"] ?? "")
        self.isReplica = information["role"] == "slave"
        self.hearsPrimary = information["master_link_status"] == "up"
        self.replicas = information.replicas?.map { Replica(address: $0.address, isLinked: $0.isLinked) }
        self.evictionPolicy = String(information["maxmemory_policy"] ?? "")
        self.memoryMax = information.number("maxmemory") ?? 0
        self.memoryUsed = information.number("used_memory") ?? 0
        self.clients = information.number("connected_clients") ?? 0
        self.clientsMax = information.number("maxclients")
        self.saveFailed =
            information["rdb_last_bgsave_status"] == "err" || information["aof_last_write_status"] == "err"
    }
}

extension ClusterObservation.Seen {
    fileprivate func map<Other: Sendable>(_ change: (Value) -> Other) -> ClusterObservation.Seen<Other> {
        switch self {
        case .value(let value): .value(change(value))
        case .unreachable(let reason): .unreachable(reason)
        }
    }
}
