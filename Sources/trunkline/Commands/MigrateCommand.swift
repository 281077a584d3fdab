// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import ClusterConfiguration
import Operations

struct MigrateCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "migrate",
        abstract: OperatorVerb.migrate.summary,
        discussion: """
            Goes through the shards in the order of cluster.yaml, then through those that came with `shard add`, each in one \
            transaction. Safe to run again, by several \
            machines at once, and while nodes are running: migrations only add. Run it before starting nodes of a \
            new version.

            Examples:
              trunkline migrate
              trunkline migrate --wait 2m      in a script that has just started Postgres
            """
    )

    @OptionGroup var shared: SharedOptions

    @Option(help: ArgumentHelp(.wait))
    var wait = WaitTime(duration: .seconds(30), text: "30s")

    @Flag(help: ArgumentHelp(.dryRun))
    var dryRun = false

    func run() async throws {
        try await Ending.report {
            let settings = try self.shared.loadSettings()
            let secrets = try self.shared.resolveSecrets(of: settings, for: .shards)
            let migration = ShardMigration(settings: settings, secrets: secrets, wait: self.wait.duration)
            if self.dryRun { return try await migration.look(say: printLine) }
            try await migration.run(say: printLine)
        }
    }
}
