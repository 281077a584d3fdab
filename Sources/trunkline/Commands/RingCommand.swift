// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import ClusterConfiguration
import Logging
import NIOPosix
import Operations

struct RingCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "ring",
        abstract: "Show how even the slots are shared out, or what more or fewer routers would change.",
        subcommands: [RingShowCommand.self, RingSimulateCommand.self],
        defaultSubcommand: RingShowCommand.self
    )
}

struct RingShowCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "show",
        abstract: OperatorVerb.ring.summary,
        discussion: """
            Examples:
              trunkline ring
              trunkline ring --json | jq '.routers[] | {name, slots}'
            """
    )

    @OptionGroup var shared: SharedOptions

    @Flag(help: ArgumentHelp(.json))
    var json = false

    func run() async throws {
        try await Ending.report {
            let settings = try self.shared.loadSettings()
            let collector = StatusCollector(
                settings: settings,
                secrets: try self.shared.resolveSecrets(of: settings, for: .look),
                group: MultiThreadedEventLoopGroup.singleton,
                logger: Logger(label: "ring") { _ in SwiftLogNoOpLogHandler() }
            )
            let ring = await collector.collect().ring
            print(self.json ? try ring.json() : ring.text(), terminator: "")
        }
    }
}

struct RingSimulateCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "simulate",
        abstract: OperatorVerb.ringSimulate.summary,
        discussion: """
            Needs no cluster. The routers are called router-1, router-2 and so on; other names differ by a little.

            Examples:
              trunkline ring simulate --routers 4 --to 5
              trunkline ring simulate --routers 300 --to 299
            """
    )

    private static let routersMax = 4096

    @Option(help: ArgumentHelp("Routers now.", valueName: "n"))
    var routers: Int

    @Option(help: ArgumentHelp("Routers afterwards. (default: one more)", valueName: "n"))
    var to: Int?

    func validate() throws {
        guard (1...Self.routersMax).contains(self.routers), (1...Self.routersMax).contains(self.to ?? 1) else {
            throw ValidationError("There are 1 to \(Self.routersMax) routers: a slot each.")
        }
    }

    func run() {
        let simulation = RingSimulation(
            routers: RingSimulation.names(self.routers),
            changed: RingSimulation.names(self.to ?? self.routers + 1)
        )
        print(simulation.text(), terminator: "")
    }
}
