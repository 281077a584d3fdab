// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import ClusterConfiguration
import Operations

/// Prints the lines of an order about shards, and ends as other commands do.
private func order(
    _ shared: SharedOptions,
    _ body: (ShardOrders) async throws -> [String]
) async throws {
    try await Ending.report {
        for line in try await body(try ShardOrders.make(shared)) { printLine(line) }
    }
}

extension ShardOrders {
    static func make(_ shared: SharedOptions) throws -> ShardOrders {
        let settings = try shared.loadSettings()
        return ShardOrders(settings: settings, secrets: try shared.resolveSecrets(of: settings, for: .shards))
    }
}

struct ShardCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "shard",
        abstract: "Add Postgres databases to the cluster, weigh them, empty them, remove them.",
        discussion: """
            A shard is a Postgres database that holds part of the 4096 slots. `shard add` makes a database part of the \
            cluster, `move start` gives every shard its share, `shard drain` empties one, `shard remove` lets it go. \
            Nothing is edited or restarted, and clients notice nothing.

            These commands speak with Postgres itself, as `trunkline migrate` does.
            """,
        subcommands: [ShardAddCommand.self, ShardWeightCommand.self, ShardDrainCommand.self, ShardRemoveCommand.self]
    )
}

struct ShardAddCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "add",
        abstract: OperatorVerb.shardAdd.summary,
        discussion: """
            Gives the database the schema, and tells all shards of it; nodes learn of it within a second. It holds nothing \
            until `trunkline move start`. The connection string is stored in every shard, so it holds no password: \
            libpq finds that in PGPASSFILE. A shard that cluster.yaml lists needs no --connection.

            Example:
              trunkline shard add shard-3 --connection "host=10.0.0.7 dbname=trunkline user=trunkline"
            """
    )

    @OptionGroup var shared: SharedOptions

    @Argument(help: "A name that no shard has yet.")
    var name: String

    @Option(help: ArgumentHelp(.connection))
    var connection: String?

    @Option(help: ArgumentHelp(.weight))
    var weight = 1

    @Flag(help: ArgumentHelp(.dryRun))
    var dryRun = false

    func validate() throws {
        try ShardWeightCommand.check(self.weight)
        guard self.weight > 0 else { throw ValidationError("--weight is 1 to 1000.") }
        guard ClusterSettings.isName(self.name) else {
            throw ValidationError("\"\(self.name)\" is not a name: use 1 to 63 lower-case letters, digits and -")
        }
    }

    func run() async throws {
        try await order(self.shared) {
            try await $0.add(self.name, connection: self.connection, weight: self.weight, isTrial: self.dryRun)
        }
    }
}

struct ShardWeightCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "weight",
        abstract: OperatorVerb.shardWeight.summary,
        discussion: """
            Nothing moves before `trunkline move start`.

            Example:
              trunkline shard weight shard-3 2
            """
    )

    @OptionGroup var shared: SharedOptions

    @Argument(help: "The shard.")
    var name: String

    @Argument(help: "0 to 1000; 0: it is to be emptied.")
    var weight: Int

    @Flag(help: ArgumentHelp(.dryRun))
    var dryRun = false

    static func check(_ weight: Int) throws {
        guard (0...1000).contains(weight) else { throw ValidationError("A weight is 0 to 1000.") }
    }

    func validate() throws {
        try Self.check(self.weight)
    }

    func run() async throws {
        try await order(self.shared) { try await $0.weigh(self.name, self.weight, isTrial: self.dryRun) }
    }
}

struct ShardDrainCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "drain",
        abstract: OperatorVerb.shardDrain.summary,
        discussion: """
            Sets its weight to 0 and starts the move; see `trunkline move start --help`, also for the exit codes. When it is done and the old \
            copies are confirmed, `trunkline shard remove` lets the shard go.

            Example:
              trunkline shard drain shard-2
            """
    )

    @OptionGroup var shared: SharedOptions
    @OptionGroup var pace: MovePaceOptions

    @Argument(help: "The shard.")
    var name: String

    @Flag(help: ArgumentHelp(.dryRun))
    var dryRun = false

    func run() async throws {
        try await Ending.report {
            let orders = try ShardOrders.make(self.shared)
            for line in try await orders.weigh(self.name, 0, isTrial: self.dryRun, isDrain: true) { printLine(line) }
            guard !self.dryRun else { return }
            let moves = MoveOrders(orders)
            try await MoveReport.show(moves) { tell, warn in
                try await moves.start(.shares, self.pace.options, tell: tell, warn: warn)
            }
        }
    }
}

struct ShardRemoveCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "remove",
        abstract: OperatorVerb.shardRemove.summary,
        discussion: """
            Refused while it holds slots or old copies of slots. Its database is left as it is. One whose database is gone \
            is let go with --force, if it holds no slots.

            Examples:
              trunkline shard remove shard-2
              trunkline shard remove shard-2 --force
            """
    )

    @OptionGroup var shared: SharedOptions

    @Argument(help: "The shard.")
    var name: String

    @Flag(help: ArgumentHelp(.force))
    var force = false

    @Flag(help: ArgumentHelp(.dryRun))
    var dryRun = false

    func run() async throws {
        try await order(self.shared) {
            try await $0.remove(self.name, isForced: self.force, isTrial: self.dryRun)
        }
    }
}
