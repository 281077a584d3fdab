// SPDX-License-Identifier: Apache-2.0

import ClusterConfiguration
import Glibc
import Messaging
import Placement
import Storage

/// All shards of a cluster as an operator reaches them: those of the configuration, and those that their catalog names.
///
/// It belongs to one thread, which waits in it.
final class OperatorCluster {
    /// How long it is waited for the lock of a shard: a router may have it for a moment.
    private static let lockWaitMax: Duration = .seconds(2)
    private static let lockPause: Duration = .milliseconds(50)

    /// The newest catalog that any shard has. Nil before the first migration.
    private(set) var catalog: ShardCatalog?
    /// By name, those that could be reached.
    private(set) var sessions: [String: OperatorSession] = [:]
    /// By name, those that could not, and why.
    private(set) var unreachable: [String: String] = [:]
    private let settings: ClusterSettings
    private let secrets: ResolvedSecrets
    private let operatorName: String

    /// Who gives the orders, as the log and a second operator see it.
    static var personAtMachine: String {
        var host = [CChar](repeating: 0, count: 256)
        let hasHost = gethostname(&host, host.count - 1) == 0
        let user = getenv("USER").map { String(cString: $0) } ?? "uid \(getuid())"
        let name =
            hasHost ? String(decoding: host.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self) : "?"
        return "\(user)@\(name)"
    }

    init(settings: ClusterSettings, secrets: ResolvedSecrets, operatorName: String = OperatorCluster.personAtMachine) {
        self.settings = settings
        self.secrets = secrets
        self.operatorName = operatorName
    }

    deinit {
        self.close()
    }

    func close() {
        for session in self.sessions.values { session.close() }
        self.sessions = [:]
    }

    // MARK: - Reaching them

    /// Finds the shards. Throws when not even one can be reached.
    func look() throws(OperationsError) {
        self.unreachable = [:]
        for shard in self.settings.shards { self.reach(self.secrets.descriptor(of: shard)) }
        for shard in self.catalog?.shards ?? [] where !self.isConfigured(shard.name) && !shard.connection.isEmpty {
            self.reach(ShardDescriptor(name: shard.name, connectionString: shard.connection))
        }
        guard !self.sessions.isEmpty else {
            let reasons = self.unreachable.sorted { $0.key < $1.key }.map(\.value).joined(separator: "; ")
            throw OperationsError(
                reasons.isEmpty ? "the configuration names no shard" : reasons,
                remedy: "see that Postgres runs there, and that `shards` in cluster.yaml is right"
            )
        }
    }

    /// The same, and makes sure that nobody else changes where slots are, until it is closed. Every shard of the catalog has
    /// to be there.
    ///
    /// - Parameter dispensable: One that need not be.
    func lock(without dispensable: String? = nil) throws(OperationsError) {
        try self.look()
        let catalog = try self.requiredCatalog()
        for shard in catalog.map.shards {
            guard let session = self.sessions[shard] else {
                if shard == dispensable { continue }
                throw OperationsError(
                    self.unreachable[shard] ?? "it is not known how shard \(shard) is reached",
                    remedy: self.remedy(for: shard, catalog)
                )
            }
            try self.lock(session, .slots)
        }
    }

    private func remedy(for shard: String, _ catalog: ShardCatalog) -> String {
        if catalog.map.slots(of: shard).isEmpty {
            return """
                every shard has to be there when slots are moved: start its database, or let it go with `trunkline shard \
                remove \(shard) --force`, since it holds no slots
                """
        }
        guard self.isConfigured(shard) else {
            return """
                every shard has to be there when slots are moved: see that its database runs and that PGPASSFILE has its \
                password, or list it under `shards` in cluster.yaml
                """
        }
        return
            "every shard has to be there when slots are moved: see that its database runs, or correct it in cluster.yaml"
    }

    /// Makes sure, in every shard that can be reached, that nobody else walks over the nodes, until it is closed. Safe to
    /// repeat, which sees whether that still holds.
    func lockWalk() throws(OperationsError) {
        // A connection that has ended since the last time is seen by using it; the second look makes a new one.
        let isNews = self.sessions.isEmpty
        do throws(OperationsError) {
            try self.look()
        } catch {
            guard !isNews else { throw error }
        }
        if !isNews, !self.unreachable.isEmpty { try self.look() }
        for (_, session) in self.sessions.sorted(by: { $0.key < $1.key }) { try self.lock(session, .walk) }
    }

    private func lock(_ session: OperatorSession, _ lock: OperatorLock) throws(OperationsError) {
        let end = ContinuousClock.now + Self.lockWaitMax
        while true {
            do throws(StorageError) {
                return try session.lock(lock)
            } catch {
                guard error.code == .busy, .now < end else { throw OperationsError(error) }
            }
            // The server has no way to tell when a lock that was only tried for is free.
            BlockingPause.pause(for: Self.lockPause)
        }
    }

    private func isConfigured(_ name: String) -> Bool {
        self.settings.shards.contains { $0.name == name }
    }

    private func reach(_ shard: ShardDescriptor) {
        let session =
            self.sessions[shard.name]
            ?? OperatorSession(cluster: self.settings.cluster, shard: shard, operatorName: self.operatorName)
        do throws(StorageError) {
            try session.connect(within: self.settings.timeouts.connect)
            self.learn(try session.readCatalog())
            self.sessions[shard.name] = session
        } catch {
            session.close()
            self.sessions[shard.name] = nil
            self.unreachable[shard.name] = error.message.split(whereSeparator: \.isWhitespace).joined(separator: " ")
        }
    }

    /// Takes a catalog that is newer than the known one.
    func learn(_ other: ShardCatalog?) {
        guard let other, other.map.version > self.catalog?.map.version ?? 0 else { return }
        self.catalog = other
    }

    // MARK: - What they have in common

    func requiredCatalog() throws(OperationsError) -> ShardCatalog {
        guard let catalog = self.catalog else {
            throw OperationsError("there is no shard map yet", remedy: "run `trunkline migrate` first")
        }
        return catalog
    }

    func session(_ shard: String) throws(StorageError) -> OperatorSession {
        guard let session = self.sessions[shard] else {
            throw StorageError(.unavailable, "shard \(shard): \(self.unreachable[shard] ?? "it is not connected")")
        }
        return session
    }

    /// Gives a new catalog to every shard, those first that it concerns most.
    func spread(_ catalog: ShardCatalog, beginningWith first: String? = nil) throws(StorageError) {
        for shard in self.sessions.keys.sorted(by: { ($0 != first ? 1 : 0, $0) < ($1 != first ? 1 : 0, $1) }) {
            try self.session(shard).store(catalog)
        }
        self.learn(catalog)
    }

    /// Puts an order into the log of every shard.
    func log(_ action: String, _ detail: String) throws(StorageError) {
        // One moment for all: those who read the logs see by that that it is one order.
        let now = WallClock.now()
        for session in self.sessions.values { try session.log(action, detail, at: now) }
    }

    /// The same, and goes on where a shard does not take it. Returns why it is in no log at all; nil when it is in one.
    func logWhereReachable(_ action: String, _ detail: String) -> String? {
        let now = WallClock.now()
        var failures: [String] = []
        for session in self.sessions.values {
            do throws(StorageError) {
                try session.log(action, detail, at: now)
            } catch {
                failures.append(error.message)
            }
        }
        guard failures.count == self.sessions.count else { return nil }
        return failures.isEmpty ? "no shard is connected" : failures.sorted().joined(separator: "; ")
    }
}

extension OperationsError {
    init(_ error: StorageError) {
        let remedy =
            switch error.code {
            case .busy: "wait until that one is done, or ask its operator"
            case .unavailable: "see that Postgres runs there, then say the same again"
            case .outcomeUnknown: "say the same again: what was done is seen and left as it is"
            case .diskFull: "make room on the disk of this shard and say the same again"
            case .wrongDatabase:
                "take an empty database, or the one that is this shard's; of an older version, run `trunkline migrate`"
            case .staleEpoch, .internal: "say the same again; if it stays so, see the log of Postgres"
            }
        self.init(error.message.split(whereSeparator: \.isWhitespace).joined(separator: " "), remedy: remedy)
    }
}
