// SPDX-License-Identifier: Apache-2.0

import ClusterConfiguration
import Directory
import Redis

extension DoctorCollector {
    /// What Redis says of itself, and the leases in it.
    func readRedis(
        _ secrets: ResolvedSecrets
    ) async -> (DoctorFacts.Seen<DoctorFacts.RedisServer>, DoctorFacts.Seen<NodeLeases.Listing>) {
        var configuration = RedisConfiguration(settings: self.settings, secrets: secrets)
        configuration.connectTimeout = self.timeout
        configuration.commandTimeout = self.timeout
        let connection: RedisConnection
        do throws(RedisError) {
            connection = try RedisConnection(configuration: configuration, logger: self.logger)
        } catch {
            return (.unreachable(error.message), .unreachable(error.message))
        }
        let server = await self.readServer(connection)
        var leases: DoctorFacts.Seen<NodeLeases.Listing>
        if case .unreachable(let reason) = server {
            leases = .unreachable(reason)
        } else {
            do throws(DirectoryError) {
                leases = .value(try await NodeLeases(connection: connection, cluster: self.settings.cluster).leases())
            } catch {
                leases = .unreachable(error.message)
            }
        }
        await connection.shutdown()
        return (server, leases)
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
            var server = RedisInformation(text).server
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

/// The answer to `INFO`: lines of `name:value`.
struct RedisInformation {
    private let values: [Substring: Substring]

    init(_ text: String) {
        let pairs = text.split(whereSeparator: \.isNewline).compactMap { line -> (Substring, Substring)? in
            guard let colon = line.firstIndex(of: ":"), !line.hasPrefix("#") else { return nil }
            return (line[..<colon], line[line.index(after: colon)...])
        }
        self.values = Dictionary(pairs) { first, _ in first }
    }

    var server: DoctorFacts.RedisServer {
        var server = DoctorFacts.RedisServer()
        server.version = String(self.values["redis_version"] ?? "")
        server.isReplica = self.values["role"] == "slave"
        server.evictionPolicy = String(self.values["maxmemory_policy"] ?? "")
        server.memoryMax = self.number("maxmemory") ?? 0
        server.memoryUsed = self.number("used_memory") ?? 0
        server.clients = self.number("connected_clients") ?? 0
        server.clientsMax = self.number("maxclients")
        server.saveFailed =
            self.values["rdb_last_bgsave_status"] == "err" || self.values["aof_last_write_status"] == "err"
        return server
    }

    private func number(_ name: Substring) -> Int? { self.values[name].flatMap { Int($0) } }
}
