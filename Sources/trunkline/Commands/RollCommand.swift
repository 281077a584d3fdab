// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import ClusterConfiguration
import Logging
import NIOPosix
import Operations
import Synchronization

struct RollCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "roll",
        abstract: OperatorVerb.roll.summary,
        discussion: """
            Routers first, then edges, each by name. Each node is drained as by `trunkline drain`, then your command starts \
            it again, and the next one's turn comes when it is back: another process than before, ready, as a router in \
            its views, and no warning about it in `trunkline status`. Never are two nodes out at a time.

            The command is run by /bin/sh for each node, with {node}, {role} and {host} filled in; its output is shown, and \
            when it ends with anything but 0 the walk ends. For an upgrade it puts the new program there first, and \
            `trunkline migrate` of the new program is run before all. While nodes of two versions run, keep \
            limits.mesh_version_max at the older one's if you may want to go back.

            The first failure ends the walk. It says which nodes are done and how to go on; nothing is undone. A second walk \
            is told who the first is, and does nothing; `trunkline log` has when each began, each node, and how it ended.

            Examples:
              trunkline roll --dry-run --restart-with 'ssh {host} systemctl restart trunkline@{node}'
              trunkline roll --restart-with 'ssh {host} systemctl restart trunkline@{node}'
              trunkline roll --role edge --rate 500 --window 2s --restart-with 'ssh {host} systemctl restart trunkline@{node}'
              trunkline roll --from edge-2 --restart-with 'kubectl delete pod {node}'

            Exit codes: 0 all nodes are back; 1 refused, or a node failed; 130 Ctrl-C; 64, 78 as everywhere.
            """
    )

    @OptionGroup var shared: SharedOptions
    @OptionGroup var leaving: LeavingOptions

    @Option(help: ArgumentHelp(.restartWith))
    var restartWith: String

    @Option(help: ArgumentHelp(.only))
    var only: String?

    @Option(help: ArgumentHelp(.rollRole))
    var role: ClusterSettings.Role?

    @Option(help: ArgumentHelp(.from))
    var from: String?

    @Option(help: ArgumentHelp(.emptyTimeout))
    var timeout: WaitTime?

    @Option(help: ArgumentHelp(.backWithin))
    var backWithin = WaitTime(duration: .seconds(120), text: "2m")

    @Flag(help: ArgumentHelp(.allowGap))
    var allowGap = false

    @Flag(help: ArgumentHelp(.walkDryRun))
    var dryRun = false

    func validate() throws {
        do throws(OperationsError) {
            _ = try RestartCommand(self.restartWith)
        } catch {
            throw ValidationError("--restart-with: \(error.message); \(error.remedy).")
        }
        for name in self.chosen + (self.from.map { [$0] } ?? []) where !ClusterSettings.isName(name) {
            throw ValidationError("\"\(name)\" is not the name of a node; `trunkline status` lists them.")
        }
    }

    func run() async throws {
        try await Ending.report {
            let settings = try self.shared.loadSettings()
            let secrets = try self.shared.resolveSecrets(of: settings, for: .look)
            let watch = RollWatch(
                settings: settings,
                secrets: secrets,
                group: MultiThreadedEventLoopGroup.singleton,
                logger: Logger(label: "roll") { _ in SwiftLogNoOpLogHandler() }
            )
            if self.dryRun {
                let nodes = try await watch.nodes()
                let plan = try RollPlan(nodes, self.wish)
                for line in try RollText.walk(plan, nodes, try RestartCommand(self.restartWith)) { printLine(line) }
                return
            }
            // What is refused for lack of a secret is refused before anything is done.
            _ = try await AdminClient.make(self.shared)
            let record = RollRecord(settings: settings, secrets: secrets)
            // Before the nodes are looked at: during another walk one of them is out, which is not what is wrong then.
            try await record.claim()
            try await self.walk(RollPlan(try await watch.nodes(), self.wish), watch, record)
            await record.end()
        }
    }

    // MARK: - Private

    private var chosen: [String] {
        self.only?.split(separator: ",").map { $0.filter { !$0.isWhitespace } } ?? []
    }

    private var wish: RollPlan.Wish {
        RollPlan.Wish(
            only: self.chosen,
            role: self.role,
            from: self.from,
            allowsGap: self.allowGap
        )
    }

    private func walk(_ plan: RollPlan, _ watch: RollWatch, _ record: RollRecord) async throws {
        let command = try RestartCommand(self.restartWith)
        let count = plan.names.count
        let place = RollPlace()
        Interruption.tells { RollText.interrupted(plan, at: place, record) }
        await Self.note(record, "roll begin", plan.names.joined(separator: ", "))
        for (index, name) in plan.names.enumerated() {
            place.comes(to: index)
            do {
                try await record.claim()
                let step = try plan.step(name, among: try await watch.nodes())
                printLine("[\(index + 1)/\(count)] \(name), \(step.node.role) at \(step.node.host)")
                await Self.note(record, "roll node", "\(index + 1) of \(count): \(name) goes")
                let back = try await self.carryOut(step, try command.text(for: step.node), watch, place)
                await Self.note(record, "roll node", "\(index + 1) of \(count): \(back)")
            } catch {
                printLine(RollText.unfinished(plan, at: place))
                let reason = (error as? OperationsError)?.message ?? "\(error)"
                await Self.note(record, "roll stop", RollText.stopped(plan, at: place, reason))
                throw error
            }
        }
        printLine("All \(count) nodes are back.")
        await Self.note(record, "roll end", "back: \(plan.names.joined(separator: ", "))")
    }

    /// A walk is not held up by a log that takes nothing; who walks is told.
    private static func note(_ record: RollRecord, _ action: String, _ detail: String) async {
        if let reason = await record.note(action, detail) {
            Self.tell("this is not in the operators' log (\(action), \(detail)): \(reason)")
        }
    }

    /// Returns what became of the node.
    private func carryOut(
        _ step: RollPlan.Step,
        _ command: String,
        _ watch: RollWatch,
        _ place: RollPlace
    ) async throws -> String {
        let name = step.node.name
        if step.isDrained {
            let begin = ContinuousClock.now
            let order = NodeOrder(
                .drain,
                rate: self.leaving.rate,
                windowMilliseconds: self.leaving.windowMilliseconds,
                allowsGap: self.allowGap
            )
            // Routers come and go on this walk: who can be asked is looked up for each node.
            let client = try await AdminClient.make(self.shared)
            place.drains()
            try await client.drain(name, order, within: self.timeout) { Self.tell($0) }
            Self.tell("\(name) is empty after \(RollText.seconds(since: begin))")
        } else {
            Self.tell("\(name) is not drained: no other \(step.node.role) serves")
        }
        let begin = ContinuousClock.now
        Self.tell("run: \(command)")
        let status = try await ShellCommand.run(command)
        guard status == 0 else {
            throw OperationsError(
                "the command for \(name) ended with status \(status)",
                remedy: "see what it wrote" + (step.isDrained ? "" : "; \(name) may be down until it is started again")
            )
        }
        let node = try await self.awaitReturn(of: step.node, watch, since: begin)
        let version = node.version == step.node.version ? node.version : "\(step.node.version) -> \(node.version)"
        let back = "\(name) is back after \(RollText.seconds(since: begin)), version \(version)"
        Self.tell(back)
        return back
    }

    private func awaitReturn(
        of before: RollPlan.Node,
        _ watch: RollWatch,
        since begin: ContinuousClock.Instant
    ) async throws -> RollPlan.Node {
        var told = ""
        while true {
            switch await watch.look(for: before) {
            case .back(let node): return node
            case .waits(let reason):
                guard ContinuousClock.now - begin < self.backWithin.duration else {
                    throw OperationsError(
                        "\(before.name) is not back after \(self.backWithin.description): \(reason)",
                        remedy: "see its log, and whether the command started it again"
                    )
                }
                if reason != told { Self.tell("\(before.name): \(reason)") }
                told = reason
            }
            // To the next look: Redis and Postgres tell nobody who is not part of the cluster.
            try await Task.sleep(for: .milliseconds(250))
        }
    }

    private static func tell(_ text: String) {
        printLine("  \(text)")
    }
}

extension ClusterSettings.Role: ExpressibleByArgument {}

/// How far a walk is, for whoever has to say it at any moment.
final class RollPlace: Sendable {
    private let state = Mutex((index: 0, isDrained: false))

    /// The node whose turn it is, by its number, and whether it was told to empty itself.
    var now: (index: Int, isDrained: Bool) { self.state.withLock { $0 } }

    func comes(to index: Int) { self.state.withLock { $0 = (index, false) } }
    func drains() { self.state.withLock { $0.isDrained = true } }
}

/// What a person is told of a walk over the nodes.
enum RollText {
    static func walk(
        _ plan: RollPlan,
        _ nodes: [RollPlan.Node],
        _ command: RestartCommand
    ) throws(OperationsError) -> [String] {
        var lines = ["Nothing was done. One node after the other,"]
        for (index, name) in plan.names.enumerated() {
            guard let node = nodes.first(where: { $0.name == name }) else { continue }
            lines.append("  \(index + 1). \(name), \(node.role), version \(node.version)")
            let isDrained = try plan.step(name, among: nodes).isDrained
            lines.append(
                "     would be \(isDrained ? "drained, then" : "left as it is, then"): \(try command.text(for: node))"
            )
        }
        return lines
    }

    /// Which nodes are done, how to go on with the others, and what is left of the one whose turn it was.
    static func unfinished(_ plan: RollPlan, at place: RollPlace) -> String {
        let (index, isDrained) = place.now
        let (done, name) = (plan.names.prefix(index), plan.names[index])
        let left = """

            \(name) was told to empty itself: it takes nobody until it is started again, or `trunkline undrain \(name)`.
            """
        return """
            Stopped at \(name). Done: \(done.isEmpty ? "none" : done.joined(separator: ", ")). \
            Not done: \(plan.names[index...].joined(separator: ", ")).
            To go on, say the same with --from \(name).
            """ + (isDrained ? left : "")
    }

    /// At Ctrl-C. Blocks while the log is written.
    static func interrupted(_ plan: RollPlan, at place: RollPlace, _ record: RollRecord) {
        printLine("\n" + Self.unfinished(plan, at: place))
        if let reason = record.noteBlocking("roll stop", Self.stopped(plan, at: place, "Ctrl-C")) {
            printLine("  this is not in the operators' log: \(reason)")
        }
    }

    /// The same for the operators' log, with the reason.
    static func stopped(_ plan: RollPlan, at place: RollPlace, _ reason: String) -> String {
        let index = place.now.index
        let done = plan.names.prefix(index)
        return "at \(plan.names[index]), after \(done.isEmpty ? "none" : done.joined(separator: ", ")): \(reason)"
    }

    static func seconds(since begin: ContinuousClock.Instant) -> String {
        let tenths = begin.duration(to: .now) / .milliseconds(100)
        return "\((tenths.rounded()) / 10) s"
    }
}
