// SPDX-License-Identifier: Apache-2.0

import ClusterConfiguration
import Messaging
import Storage

/// `trunkline migrate`: every shard in the order of `cluster.yaml` to the schema of this program.
package struct ShardMigration: Sendable {
    /// Between two attempts to reach a shard that is not there yet.
    private static let attemptPause: Duration = .milliseconds(500)
    /// For one shard, the wait for another node's migration included.
    private static let migrationTimeMax: Duration = .seconds(120)

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
        for shard in self.settings.shards {
            let result = await onOwnThread(named: "migrate") { self.migrate(shard, say: say) }
            guard let result else {
                throw OperationsError(
                    "the system has no thread left",
                    remedy: "raise its limits, or end other programs"
                )
            }
            say("\(shard.name): \(Self.text(of: try result.get()))")
        }
    }

    private func migrate(
        _ shard: ClusterSettings.Shard,
        say: @Sendable (String) -> Void
    ) -> Result<MigrationReport, OperationsError> {
        let migrator = Migrator(
            cluster: self.settings.cluster,
            shard: ShardDescriptor(
                name: shard.name,
                connectionString: self.secrets.connection(to: shard).exposedText
            ),
            shards: self.settings.shards.map(\.name),
            timeout: Self.migrationTimeMax
        )
        let deadline = ContinuousClock.now + self.wait
        var told = false
        while true {
            do throws(StorageError) {
                return .success(try migrator.migrate(now: WallClock.now()))
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
            case .staleEpoch, .internal: "see the log of Postgres; nothing was changed"
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
