// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import ClusterConfiguration
import Logging
import NIOPosix
import Operations

struct RebalanceCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "rebalance",
        abstract: "Make uneven things even.",
        subcommands: [RebalanceConnectionsCommand.self]
    )
}

struct RebalanceConnectionsCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "connections",
        abstract: OperatorVerb.rebalanceConnections.summary,
        discussion: """
            After an edge has joined, nobody is connected to it: clients stay where they are. This asks edges that are \
            above the average by more than the threshold to send away what they have too many of, so many in a second, \
            to the edges below it. No edge goes below the average, so nothing swings; run again, it has nothing to do.

            The command gives the orders and does not wait. Until an edge has sent away what it was to, --stop ends it: \
            nobody else is asked then, and `trunkline undrain` has no part in that.

            Examples:
              trunkline rebalance connections --dry-run
              trunkline rebalance connections --rate 50 --threshold 20
              trunkline rebalance connections --stop
            """
    )

    @OptionGroup var shared: SharedOptions
    @OptionGroup var leaving: LeavingOptions

    @Option(help: ArgumentHelp(.threshold))
    var threshold = 10

    @Flag(help: ArgumentHelp(.stopShedding))
    var stop = false

    @Flag(help: ArgumentHelp(.dryRun))
    var dryRun = false

    func validate() throws {
        guard (0...1000).contains(self.threshold) else { throw ValidationError("--threshold is 0 to 1000.") }
    }

    func run() async throws {
        try await Ending.report {
            let client = try await AdminClient.make(self.shared)
            if let problem = client.leasesProblem {
                throw OperationsError(
                    "which edges are ready is not known: Redis: \(problem)",
                    remedy: "see `trunkline doctor`"
                )
            }
            if self.stop { return try await self.end(client) }
            let plan = try await self.plan(client)
            guard !plan.moves.isEmpty else {
                return printLine(
                    "Even: every edge is within \(self.threshold) % of the average of \(Int(plan.average)) sessions."
                )
            }
            for move in plan.moves {
                let count = "\(move.count) sessions, \(self.leaving.rate) in a second"
                printLine("\(move.edge) \(self.dryRun ? "would send" : "begins to send") away \(count)")
                guard !self.dryRun else { continue }
                let order = NodeOrder(
                    .shed,
                    rate: self.leaving.rate,
                    windowMilliseconds: self.leaving.windowMilliseconds,
                    count: UInt32(clamping: move.count),
                    targets: move.targets
                )
                try await client.give(order, to: move.edge)
            }
            guard !self.dryRun else { return }
            printLine("They go within seconds; `trunkline nodes` shows how even it is then.")
        }
    }

    private func end(_ client: AdminClient) async throws {
        var count = 0
        for edge in client.readyEdges {
            // Of an edge that cannot tell it is not known, and being told to end nothing does no harm.
            let left = try await client.condition(of: edge.name).shedding
            guard left != 0 else { continue }
            count += 1
            let sessions = left.map { "\($0) sessions" } ?? "some sessions"
            printLine("\(edge.name): \(sessions) \(self.dryRun ? "would not be" : "are not") asked to go any more")
            if !self.dryRun { try await client.give(NodeOrder(.shed, count: 0), to: edge.name) }
        }
        if count == 0 { printLine("No edge sends sessions away.") }
    }

    private func plan(_ client: AdminClient) async throws -> RebalancePlan {
        var edges: [RebalancePlan.Edge] = []
        for edge in client.readyEdges {
            let condition = try await client.condition(of: edge.name)
            edges.append(.init(name: edge.name, address: edge.address, sessions: Int(clamping: condition.sessions)))
        }
        guard edges.count > 1 else {
            throw OperationsError("there are \(edges.count) edges that are ready", remedy: "see `trunkline status`")
        }
        return RebalancePlan(edges, threshold: Double(self.threshold) / 100)
    }
}
