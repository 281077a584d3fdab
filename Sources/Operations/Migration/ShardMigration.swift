// SPDX-License-Identifier: Apache-2.0

import ClusterConfiguration
import Messaging
import Placement
import Storage

/// `trunkline migrate`: every shard to the schema of this program, in the order of `cluster.yaml`, then those that came later.
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

    /// One that the configuration lists, or that came later and that the others tell of.
    private struct Place {
        var descriptor: ShardDescriptor
        /// Where the connection can be corrected.
        var key: String
    }

    /// Safe to run again, and by several nodes at once. Stops at the first shard that fails: those before it are done.
    ///
    /// - Parameter say: Takes one line at a time, for people.
    package func run(say: @escaping @Sendable (String) -> Void) async throws(OperationsError) {
        // A shard that is new must not deal out slots that others have: whether there is a map is known when all were asked.
        let listed = self.listed
        var reports: [MigrationReport] = []
        for place in listed {
            reports.append(try await self.migrate(place, firstMap: .none, say: say))
        }
        let catalog = try await self.newestCatalog()
        let firstMap = catalog.map { Migrator.FirstMap.catalog($0) } ?? .dealt
        for (place, before) in zip(listed, reports) {
            let report = try await self.migrate(place, firstMap: firstMap, say: say)
            self.tell(place, before.followed(by: report), say)
        }
        for place in self.unlisted(in: catalog) {
            self.tell(place, try await self.migrate(place, firstMap: firstMap, say: say), say)
        }
    }

    private func tell(_ place: Place, _ report: MigrationReport, _ say: (String) -> Void) {
        let name = place.descriptor.name
        say("\(name): \(Self.text(of: report))")
        guard !report.isInShardMap else { return }
        say("\(name): has no slots yet; `trunkline shard add \(name)` gives it a part")
    }

    private var listed: [Place] {
        self.settings.shards.enumerated().map { index, shard in
            Place(
                descriptor: self.secrets.descriptor(of: shard),
                key: "shards[\(index)].connection (\(shard.connection.masked))"
            )
        }
    }

    /// Shards that came with `shard add`.
    private func unlisted(in catalog: ShardCatalog?) -> [Place] {
        let listed = Set(self.settings.shards.map(\.name))
        return (catalog?.shards ?? []).filter { !listed.contains($0.name) && !$0.connection.isEmpty }.map { shard in
            Place(
                descriptor: ShardDescriptor(name: shard.name, connectionString: shard.connection),
                key: "its connection, which `trunkline shards --json` tells, or PGPASSFILE"
            )
        }
    }

    /// Says what ``run(say:)`` would do, and changes nothing. A shard that cannot be reached is not waited for.
    package func look(say: @escaping @Sendable (String) -> Void) async throws(OperationsError) {
        // A database without a schema tells of no others.
        let catalog = try? await self.newestCatalog()
        for place in self.listed + self.unlisted(in: catalog) {
            let surveyor = ShardSurveyor(shard: place.descriptor, timeout: Self.lookTimeMax)
            let result = await onOwnThread(named: "migrate") { () -> Result<ShardSurvey, StorageError> in
                Result { () throws(StorageError) in try surveyor.survey { WallClock.now() } }
            }
            guard let result else { throw .noThread }
            do throws(StorageError) {
                say("\(place.descriptor.name): \(Self.text(of: try result.get()))")
            } catch {
                throw Self.failure(error, key: place.key)
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
                throw Self.failure(error, key: "shards: \(shard.name)")
            }
        }
        return newest
    }

    private func migrate(
        _ place: Place,
        firstMap: Migrator.FirstMap,
        say: @escaping @Sendable (String) -> Void
    ) async throws(OperationsError) -> MigrationReport {
        let result = await onOwnThread(named: "migrate") { self.attempt(place, firstMap: firstMap, say: say) }
        guard let result else { throw .noThread }
        return try result.get()
    }

    private func attempt(
        _ place: Place,
        firstMap: Migrator.FirstMap,
        say: @Sendable (String) -> Void
    ) -> Result<MigrationReport, OperationsError> {
        let migrator = Migrator(
            cluster: self.settings.cluster,
            shard: place.descriptor,
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
                    return .failure(Self.failure(error, key: place.key))
                }
                if !told {
                    say("\(place.descriptor.name): cannot be reached yet, trying for \(self.wait)")
                    told = true
                }
                BlockingPause.pause(for: Self.attemptPause)
            }
        }
    }

    private static func failure(_ error: StorageError, key: String) -> OperationsError {
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
