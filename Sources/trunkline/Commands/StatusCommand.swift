// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import ClusterConfiguration
import Logging
import NIOPosix
import Operations

struct StatusCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "status",
        abstract: OperatorVerb.status.summary,
        discussion: """
            Reads the nodes' leases from Redis, each shard's view (which routers share its slots, under which number) and \
            map from Postgres, and asks every node whether it is ready. What cannot be reached is said to be so, with \
            the reason; this command changes nothing and works while the cluster does not.

            Exit code 0 says that it could be shown, not that all is well: see the warnings, or `--json`.

            Examples:
              trunkline status
              trunkline status --json | jq -r '.warnings[]'
            """
    )

    @OptionGroup var shared: SharedOptions

    @Flag(help: ArgumentHelp(.json))
    var json = false

    func run() async throws {
        try await Ending.report {
            let status = try await Self.collect(self.shared)
            print(self.json ? try status.json() : status.text(), terminator: "")
        }
    }

    static func collect(_ shared: SharedOptions) async throws -> ClusterStatus {
        let settings = try shared.loadSettings()
        let secrets = try shared.resolveSecrets(of: settings, for: .look)
        // What cannot be reached is in the answer; log lines about it would say it twice.
        let logger = Logger(label: "status") { _ in SwiftLogNoOpLogHandler() }
        let collector = StatusCollector(
            settings: settings,
            secrets: secrets,
            group: MultiThreadedEventLoopGroup.singleton,
            logger: logger
        )
        return await collector.collect()
    }
}

struct ShardsCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "shards",
        abstract: OperatorVerb.shards.summary,
        discussion: """
            A part of what `trunkline status` shows; changes nothing.

            Example:
              trunkline shards --json | jq '.[] | {name, slots}'
            """
    )

    @OptionGroup var shared: SharedOptions

    @Flag(help: ArgumentHelp(.json))
    var json = false

    func run() async throws {
        try await Ending.report {
            let status = try await StatusCommand.collect(self.shared)
            printLine(self.json ? try status.shardsJSON() : status.shardsText())
        }
    }
}
