// SPDX-License-Identifier: Apache-2.0

import ClusterConfiguration
import Messaging
import Placement
import Storage

/// `trunkline migrate`: every shard in the order of `cluster.yaml` to the schema of this program.
package struct ShardMigration: Sendable {
    /// Between two attempts to reach a shard that is not there yet.
    private static let attemptPause: Duration = .milliseconds(500)
    /// For one shard, the wait for another node's migration included.
    private static let migrationTimeMax: Duration = .seconds(120)

    /// For one shard that is only looked at.
    private static let lookTimeMax: Duration = .seconds(5)

    private let settings: ClusterSettings
    private let secrets: ResolvedSecrets
    private let wait: Duration

    /// - Parameter wait: How long a shard that cannot be reached is tried again.
    package init(settings: ClusterSettings, secrets: ResolvedSecrets, wait: Duration) {
        self.settings = settings
        self.secrets = secrets
        self.wait = wait
    }

    /// Safe to run again, and by several nodes at once. Stops at the first shard that fails: those before it are done.
    ///
    /// - Parameter say: Takes one line at a time, for people.
    package func run(say: @escaping @Sendable (String) -> Void) async throws(OperationsError) {
        // A shard that is new must not deal out slots that others have: whether there is a map is known when all were asked.
        var reports: [MigrationReport] = []
        for shard in self.settings.shards {
            reports.append(try await self.migrate(shard, firstMap: .none, say: say))
        }
        let catalog = try await self.newestCatalog()
        for (shard, before) in zip(self.settings.shards, reports) {
            let firstMap = catalog.map { Migrator.FirstMap.catalog($0) } ?? .dealt
            let report = try await self.migrate(shard, firstMap: firstMap, say: say)
            say("\(shard.name): \(Self.text(of: before.followed(by: report)))")
            if !report.isInShardMap {
                say("\(shard.name): has no slots yet; `trunkline shard add \(shard.name)` gives it a part")
            }
        }
    }

    /// Says what ``run(say:)`` would do, and changes nothing. A shard that cannot be reached is not waited for.
    package func look(say: @escaping @Sendable (String) -> Void) async throws(OperationsError) {
        for shard in self.settings.shards {
            let surveyor = ShardSurveyor(shard: self.secrets.descriptor(of: shard), timeout: Self.lookTimeMax)
            let result = await onOwnThread(named: "migrate") { () -> Result<ShardSurvey, StorageError> in
                Result { () throws(StorageError) in try surveyor.survey { WallClock.now() } }
            }
            guard let result else { throw .noThread }
            do throws(StorageError) {
                say("\(shard.name): \(Self.text(of: try result.get()))")
            } catch {
                throw self.failure(error, shard: shard)
            }
        }
    }

    private static func text(of survey: ShardSurvey) -> String {
        let (found, needed) = (survey.schemaVersion, ShardSurvey.schemaVersionNeeded)
        switch found {
        case needed: return "has schema \(needed) already"
        case 0: return "is empty: it would get schema \(needed)"
        case ..<needed: return "would go from schema \(found) to \(needed)"
        default: return "has schema \(found), which this program does not know: it would be refused"
        }
    }

    private func newestCatalog() async throws(OperationsError) -> ShardCatalog? {
        var newest: ShardCatalog?
        for shard in self.settings.shards {
            let result = await onOwnThread(named: "migrate") { () -> Result<ShardCatalog?, StorageError> in
                let session = OperatorSession(
                    cluster: self.settings.cluster,
                    shard: self.secrets.descriptor(of: shard),
                    operatorName: "migrate"
                )
                defer { session.close() }
                return Result { () throws(StorageError) in try session.readCatalog() }
            }
            guard let result else { throw .noThread }
            do throws(StorageError) {
                guard let catalog = try result.get() else { continue }
                newest = newest.map { $0.map.version >= catalog.map.version ? $0 : catalog } ?? catalog
            } catch {
                throw self.failure(error, shard: shard)
            }
        }
        return newest
    }

    private func migrate(
        _ shard: ClusterSettings.Shard,
        firstMap: Migrator.FirstMap,
        say: @escaping @Sendable (String) -> Void
    ) async throws(OperationsError) -> MigrationReport {
        let result = await onOwnThread(named: "migrate") { self.attempt(shard, firstMap: firstMap, say: say) }
        guard let result else { throw .noThread }
        return try result.get()
    }

    private func attempt(
        _ shard: ClusterSettings.Shard,
        firstMap: Migrator.FirstMap,
        say: @Sendable (String) -> Void
    ) -> Result<MigrationReport, OperationsError> {
        let migrator = Migrator(
            cluster: self.settings.cluster,
            shard: self.secrets.descriptor(of: shard),
            shards: self.settings.shards.map(\.name),
            timeout: Self.migrationTimeMax
        )
        let deadline = ContinuousClock.now + self.wait
        var told = false
        while true {
            do throws(StorageError) {
                return .success(try migrator.migrate(now: WallClock.now(), firstMap: firstMap))
            } catch {
                guard error.isRetryable, ContinuousClock.now < deadline else {
                    return .failure(self.failure(error, shard: shard))
                }
                if !told {
                    say("\(shard.name): cannot be reached yet, trying for \(self.wait)")
                    told = true
                }
                BlockingPause.pause(for: Self.attemptPause)
            }
        }
    }

    private func failure(_ error: StorageError, shard: ClusterSettings.Shard) -> OperationsError {
        let index = self.settings.shards.firstIndex { $0.name == shard.name } ?? 0
        let key = "shards[\(index)].connection (\(shard.connection.masked))"
        let remedy =
            switch error.code {
            case .unavailable: "see that Postgres runs there and lets this user in, or correct \(key)"
            case .outcomeUnknown: "run it again: what was done already is left as it is"
            case .diskFull: "make room on the disk of this shard and run it again"
            case .wrongDatabase: "correct \(key), or use the program of the other version"
            case .staleEpoch, .busy, .internal: "see the log of Postgres; nothing was changed"
            }
        // libpq breaks its messages with tabs.
        let message = error.message.split(whereSeparator: \.isWhitespace).joined(separator: " ")
        return OperationsError(message, remedy: remedy)
    }

    static func text(of report: MigrationReport) -> String {
        guard !report.changedNothing else { return "up to date (schema \(report.schemaVersion))" }
        var parts: [String] = []
        if !report.appliedMigrations.isEmpty {
            parts.append("applied \(report.appliedMigrations.joined(separator: ", "))")
        }
        if report.wroteIdentity { parts.append("named the database") }
        if report.wroteShardMap { parts.append("wrote the first shard map") }
        if !report.createdPartitions.isEmpty {
            parts.append("made \(report.createdPartitions.count) partitions")
        }
        return parts.joined(separator: ", ")
    }
}

extension MigrationReport {
    fileprivate func followed(by next: MigrationReport) -> MigrationReport {
        var both = next
        both.appliedMigrations = self.appliedMigrations + next.appliedMigrations
        both.wroteIdentity = self.wroteIdentity || next.wroteIdentity
        both.createdPartitions = self.createdPartitions + next.createdPartitions
        return both
    }
}

extension ResolvedSecrets {
    func descriptor(of shard: ClusterSettings.Shard) -> ShardDescriptor {
        ShardDescriptor(name: shard.name, connectionString: self.connection(to: shard).exposedText)
    }
}

extension OperationsError {
    static let noThread = OperationsError(
        "the system has no thread left",
        remedy: "raise its limits, or end other programs"
    )
}
