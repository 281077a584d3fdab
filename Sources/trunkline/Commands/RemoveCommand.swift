// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Operations

struct RemoveCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "remove",
        abstract: OperatorVerb.remove.summary,
        discussion: """
            The last step of shrinking, and the gate before a machine is deleted: after `trunkline drain` and the end of the \
            node's process, or for one that died. A router looks whether anything says that the node lives, serves or owns \
            slots: links to any router, the node's address, its lease, the view of every shard. If nothing does, it takes the \
            node's lease away, so that nothing lists it any more and its name is free at once.

            What is not known counts as if it lived: a shard or a router that cannot be asked is a reason to refuse. A node \
            that ends cleanly gives its lease back by itself, and that of one that died runs out after timeouts.node_lease; then \
            this says that nothing is left.

            Examples:
              trunkline drain edge-3 && systemctl stop trunkline@edge-3 && trunkline remove edge-3
              trunkline remove router-2 --dry-run

            Exit codes: 0 it is gone (with --dry-run: it would be); 1 refused, or not known to be safe; 64, 78 as everywhere.
            """
    )

    @OptionGroup var options: OrderOptions

    @Flag(help: ArgumentHelp(.orderDryRun))
    var dryRun = false

    func run() async throws {
        try await Ending.report {
            let client = try await self.options.client()
            printLine(try await client.remove(self.options.node, isTrial: self.dryRun).text)
        }
    }
}
