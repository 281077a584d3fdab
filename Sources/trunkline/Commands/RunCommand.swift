// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import ClusterConfiguration
import Operations

struct RunCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "run",
        abstract: "Run one node of the cluster until it is stopped.",
        discussion: """
            The node's role and addresses are those of its name in cluster.yaml. It logs to standard error and does not \
            put itself into the background. When it can do its work it logs one line "ready" with its addresses, and its \
            /ready answers 200.

            SIGTERM or SIGINT (Ctrl-C) stops it cleanly: what was accepted is finished, within timeouts.shutdown, and \
            the node's lease is given back. A second signal ends it at once.

            Examples:
              trunkline run router-1
              trunkline --config /etc/trunkline/cluster.yaml run edge-1
              TRUNKLINE_LOG__LEVEL=debug trunkline run edge-2
            """
    )

    @OptionGroup var shared: SharedOptions

    @Argument(help: "The node's name, as in cluster.yaml.")
    var node: String

    func run() async throws {
        try await Ending.report {
            let settings = try self.shared.loadSettings()
            guard let node = settings.node(named: self.node) else {
                let names = settings.nodes.map(\.name).joined(separator: ", ")
                throw ValidationError("\(self.shared.path) has no node \"\(self.node)\"; it has \(names)")
            }
            let secrets = try self.shared.resolveSecrets(of: settings, for: node.role)
            try await NodeRunner(settings: settings, node: node, secrets: secrets).run()
        }
    }
}
