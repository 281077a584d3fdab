// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import ClusterConfiguration
import Operations

struct RunCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "run",
        abstract: OperatorVerb.run.summary,
        discussion: """
            The node's role and addresses are those of its name in cluster.yaml. One that is not listed there joins all the \
            same: say --role and --http, and for a router --mesh. The others find it through Redis and begin to use it \
            within seconds; nothing else is edited or restarted.

            It logs to standard error and does not put itself into the background. When it can do its work it logs one line \
            "ready" with its addresses, and its /ready answers 200.

            SIGTERM or SIGINT (Ctrl-C) stops it cleanly: what was accepted is finished, within timeouts.shutdown, and \
            the node's lease is given back. A second signal ends it at once.

            Examples:
              trunkline run router-1
              trunkline --config /etc/trunkline/cluster.yaml run edge-1
              TRUNKLINE_LOG__LEVEL=debug trunkline run edge-2
              trunkline run edge-3 --role edge --http 127.0.0.1:8203
              trunkline run router-3 --role router --mesh 0.0.0.0:7100 --http 0.0.0.0:8100 --advertise 10.0.0.7
            """
    )

    @OptionGroup var shared: SharedOptions

    @Argument(help: "The node's name: one of cluster.yaml, or a new one that no other node of the cluster has.")
    var node: String

    @OptionGroup var description: NodeDescription

    func run() async throws {
        try await Ending.report {
            let (settings, node) = try self.description.load(self.node, from: self.shared)
            let secrets = try self.shared.resolveSecrets(of: settings, for: SecretNeeds(node.role))
            let certificates = try NodeCertificates.load(settings, node: node)
            let runner = NodeRunner(
                settings: settings,
                node: node,
                secrets: secrets,
                certificates: certificates,
                source: NodeRunner.Source(path: self.shared.path, environment: SharedOptions.environment)
            )
            try await runner.run()
        }
    }
}
