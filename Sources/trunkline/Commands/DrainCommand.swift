// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import ClusterConfiguration
import Logging
import Messaging
import NIOPosix
import Operations

/// What every command takes that gives a node an order.
struct OrderOptions: ParsableArguments {
    @OptionGroup var shared: SharedOptions

    @Argument(help: "The node's name.")
    var node: String

    func validate() throws {
        guard ClusterSettings.isName(self.node) else {
            throw ValidationError("\"\(self.node)\" is not the name of a node; `trunkline status` lists them.")
        }
    }

    func client() async throws -> AdminClient {
        try await AdminClient.make(self.shared)
    }
}

extension AdminClient {
    static func make(_ shared: SharedOptions) async throws -> AdminClient {
        let settings = try shared.loadSettings()
        return try await AdminClient(
            settings: settings,
            secrets: try shared.resolveSecrets(of: settings, for: .order),
            group: MultiThreadedEventLoopGroup.singleton,
            // What goes wrong is in the command's error; log lines about it would say it twice.
            logger: Logger(label: "admin") { _ in SwiftLogNoOpLogHandler() }
        )
    }
}

/// How fast sessions go.
struct LeavingOptions: ParsableArguments {
    @Option(help: ArgumentHelp(.rate))
    var rate = NodeOrder.standardRate

    @Option(help: ArgumentHelp(.window))
    var window = WaitTime(duration: NodeOrder.standardWindow, text: "1s")

    var windowMilliseconds: UInt32 { UInt32(clamping: self.window.duration.wholeMilliseconds) }

    func validate() throws {
        guard (1...NodeOrder.rateMax).contains(self.rate) else {
            throw ValidationError("--rate is 1 to \(NodeOrder.rateMax).")
        }
        guard self.window.duration <= NodeOrder.windowMax else {
            throw ValidationError("--window is at most \(NodeOrder.windowMax).")
        }
    }
}

struct DrainCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "drain",
        abstract: OperatorVerb.drain.summary,
        discussion: """
            An edge takes no new sessions from then on and asks those that it has to connect elsewhere, so many in a \
            second; each goes at a moment of its own within the window. Messages flow until it has gone. A router hands \
            its slots to the others and goes on telling whoever still asks it where they are.

            It is over when nothing would be lost or interrupted by the node's end; what is not known counts as if it \
            would. `trunkline undrain` takes it back at any time. The node stays drained until then or until it is \
            started again; to remove it, stop it (SIGTERM).

            Examples:
              trunkline drain edge-2
              trunkline drain edge-2 --rate 500 --window 2s
              trunkline drain router-2 --timeout 30s
              trunkline drain edge-2 --dry-run

            Exit codes: 0 safe to remove; 1 refused, or not empty in time; 64, 78 as everywhere.
            """
    )

    @OptionGroup var options: OrderOptions
    @OptionGroup var leaving: LeavingOptions

    @Option(help: ArgumentHelp(.drainTimeout))
    var timeout: WaitTime?

    @Flag(help: ArgumentHelp(.dryRun))
    var dryRun = false

    @Flag(help: ArgumentHelp(.drainAllowGap))
    var allowGap = false

    @Flag(help: ArgumentHelp(.noWait))
    var noWait = false

    func run() async throws {
        try await Ending.report {
            let client = try await self.options.client()
            let order = NodeOrder(
                .drain,
                rate: self.leaving.rate,
                windowMilliseconds: self.leaving.windowMilliseconds,
                allowsGap: self.allowGap
            )
            guard !self.dryRun else { return try await self.tellPlan(of: order, client) }
            if self.noWait {
                return printLine(DrainProgress.line(try await client.give(order, to: self.options.node)))
            }
            Interruption.leavesDrain()
            try await client.drain(self.options.node, order, within: self.timeout) { printLine($0) }
            printLine("\(self.options.node) is empty: it is safe to remove")
        }
    }

    /// By questions alone, which whoever may only look may ask.
    private func tellPlan(of order: NodeOrder, _ client: AdminClient) async throws {
        let condition = try await client.condition(of: self.options.node)
        if !order.allowsGap {
            try await LastEdge.check(condition, others: client.edgesToAsk) { name in
                try? await client.condition(of: name)
            }
        }
        printLine(DrainProgress.plan(condition, order))
    }
}

struct UndrainCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "undrain",
        abstract: OperatorVerb.undrain.summary,
        discussion: """
            An edge takes sessions again; those that were asked to go, go all the same. A router takes its slots back. What \
            `trunkline rebalance connections` has begun goes on; its --stop ends it.

            Examples:
              trunkline undrain edge-2
            """
    )

    @OptionGroup var options: OrderOptions

    @Flag(help: ArgumentHelp(.dryRun))
    var dryRun = false

    func run() async throws {
        try await Ending.report {
            let client = try await self.options.client()
            if self.dryRun {
                return printLine(DrainProgress.backPlan(try await client.condition(of: self.options.node)))
            }
            let condition = try await client.give(NodeOrder(.undrain), to: self.options.node)
            printLine(DrainProgress.back(condition))
        }
    }
}

extension AdminClient {
    /// Gives the order and waits until nothing would be lost by the node's end.
    ///
    /// - Parameters:
    ///   - time: nil for as long as it takes; the node goes on draining afterwards.
    ///   - tell: is given a line a second, which is what a person can follow.
    func drain(
        _ node: String,
        _ order: NodeOrder,
        within time: WaitTime?,
        tell: (String) -> Void
    ) async throws {
        let deadline = time.map { ContinuousClock.now + $0.duration }
        var condition = try await self.give(order, to: node)
        while !condition.safeToRemove {
            tell(DrainProgress.line(condition))
            if let time, let deadline, ContinuousClock.now >= deadline {
                throw OperationsError(
                    "\(node) is not empty after \(time.description)",
                    remedy: "wait on with the same command, or take it back with `trunkline undrain \(node)`"
                )
            }
            // To the next question: a node answers how far it is, and tells nobody by itself.
            try await Task.sleep(for: .seconds(1))
            condition = try await self.condition(of: node)
            guard condition.state == "draining" else {
                throw OperationsError(
                    "\(node) is \(condition.state): somebody took it back, or it was started again",
                    remedy: "see `trunkline status`"
                )
            }
        }
    }
}

/// What a person is told of a node on its way.
enum DrainProgress {
    static func back(_ condition: NodeCondition) -> String {
        guard condition.state == "serving" else { return Self.line(condition) }
        return (["\(condition.node) serves again"] + Self.shedding(condition)).joined(separator: "; ")
    }

    private static func shedding(_ condition: NodeCondition) -> [String] {
        guard let left = condition.shedding, left > 0 else { return [] }
        return ["\(left) more are asked to go by `rebalance connections`, which its --stop ends"]
    }

    static func line(_ condition: NodeCondition) -> String {
        let reasons = condition.obstacles + Self.shedding(condition)
        let text = reasons.isEmpty ? "safe to remove" : reasons.joined(separator: "; ")
        return "\(condition.node) \(condition.state): \(text)"
    }

    static func backPlan(_ condition: NodeCondition) -> String {
        let change = condition.state == "draining" ? "take everybody and everything again" : "change nothing"
        return "\(condition.node) is \(condition.state) now. Nothing was done; it would \(change)."
    }

    static func plan(_ condition: NodeCondition, _ order: NodeOrder) -> String {
        guard condition.state != "draining" else {
            let pace = condition.sessions > 0 ? ", \(order.rate) sessions in a second" : ""
            return "\(Self.line(condition)). Nothing was done; it would go on\(pace)."
        }
        var lines = ["\(condition.node) is \(condition.state) now. Nothing was done; it would"]
        if condition.sessions > 0 || condition.slots == 0 {
            let seconds = (Double(condition.sessions) / Double(order.rate)).rounded(.up)
            lines.append("  take no new sessions")
            lines.append(
                "  ask \(condition.sessions) sessions to connect elsewhere, \(order.rate) in a second: about \(Int(seconds)) s"
            )
        }
        if condition.slots > 0 {
            lines.append("  hand \(condition.slots) slots to the other routers")
        }
        return lines.joined(separator: "\n")
    }
}
