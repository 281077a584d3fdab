// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Operations

struct LogCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "log",
        abstract: OperatorVerb.log.summary,
        discussion: """
            Every order that was carried out is in the log of a shard, with the time and with who gave it, as they call \
            themselves. This reads the logs of all shards, oldest order first; a shard that cannot be reached is warned of.

            Examples:
              trunkline log
              trunkline log --last 500 --json | jq -r '.[] | select(.action == "drain") | "\\(.at) \\(.operator) \\(.detail)"'
            """
    )

    @OptionGroup var shared: SharedOptions

    @Option(help: ArgumentHelp(.last))
    var last = 50

    @Flag(help: ArgumentHelp(.json))
    var json = false

    func validate() throws {
        guard (1...10_000).contains(self.last) else { throw ValidationError("--last is 1 to 10000.") }
    }

    func run() async throws {
        try await Ending.report {
            let (log, unreachable) = try await ShardOrders.make(self.shared).readLog(last: self.last)
            for reason in unreachable { Ending.complain("warning: \(reason)") }
            printLine(self.json ? try log.json() : log.text())
        }
    }
}
