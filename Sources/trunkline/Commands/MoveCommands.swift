// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import ClusterConfiguration
import Operations

struct MoveCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "move",
        abstract: "Move slots between shards while they are used.",
        discussion: """
            `move start` copies the slots that have to move, batch by batch, notes what changes meanwhile, compares both \
            sides, and hands the batch over; only then writes to its slots wait, for some milliseconds. It can be killed at \
            any moment: routers end a pause that nobody ends any more, and `move resume` or `move abort` goes on from \
            where it stopped. Where slots are to be follows from the weights of the shards.

            Examples:
              trunkline move plan              what would move
              trunkline move start             move it, with progress
              trunkline move status            from another terminal
              trunkline move verify            compare the old copies with the new shards
              trunkline move confirm           remove the old copies
            """,
        subcommands: [
            MovePlanCommand.self, MoveStartCommand.self, MoveStatusCommand.self, MovePauseCommand.self,
            MoveResumeCommand.self, MoveAbortCommand.self, MoveVerifyCommand.self, MoveConfirmCommand.self,
        ]
    )

    static func orders(_ shared: SharedOptions) throws -> MoveOrders {
        MoveOrders(try ShardOrders.make(shared))
    }
}

struct MovePlanCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "plan",
        abstract: OperatorVerb.movePlan.summary,
        discussion: "Changes nothing. The shares follow from the weights: `trunkline shard weight`."
    )

    @OptionGroup var shared: SharedOptions

    @Flag(help: ArgumentHelp(.back))
    var back = false

    @Flag(help: ArgumentHelp(.json))
    var json = false

    func run() async throws {
        try await Ending.report {
            let plan = try await MoveCommand.orders(self.shared).plan(self.back ? .back : .shares)
            if self.json { return print(try plan.json(), terminator: "") }
            printLine(plan.text)
        }
    }
}

struct MoveStartCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "start",
        abstract: OperatorVerb.moveStart.summary,
        discussion: """
            Ends when all are moved, with the old copies kept. Exit code 0: all are moved; 1: it failed, or was paused or \
            aborted before that. Refused while another move is under way, and while another \
            operator works on the shards.

            Examples:
              trunkline move start
              trunkline move start --slots-at-a-time 16 --pause-max 100ms
              trunkline move start --back      where they came from, after a move that was a mistake
            """
    )

    @OptionGroup var shared: SharedOptions
    @OptionGroup var pace: MovePaceOptions

    @Flag(help: ArgumentHelp(.back))
    var back = false

    @Flag(help: ArgumentHelp(.dryRun))
    var dryRun = false

    func run() async throws {
        try await Ending.report {
            let orders = try MoveCommand.orders(self.shared)
            let goal = self.back ? MoveOrders.Goal.back : .shares
            let plan = try await orders.plan(goal)
            printLine(plan.text)
            guard !self.dryRun, !plan.ways.isEmpty else { return }
            try await MoveReport.show(orders) { tell, warn in
                try await orders.start(goal, self.pace.options, tell: tell, warn: warn)
            }
        }
    }
}

struct MoveStatusCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "status",
        abstract: OperatorVerb.moveStatus.summary,
        discussion: "Changes nothing, and works while the move runs."
    )

    @OptionGroup var shared: SharedOptions

    @Flag(help: ArgumentHelp(.json))
    var json = false

    func run() async throws {
        try await Ending.report {
            let status = try await MoveCommand.orders(self.shared).status()
            printLine(self.json ? try status.json() : status.text)
        }
    }
}

struct MovePauseCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "pause",
        abstract: OperatorVerb.movePause.summary,
        discussion: "Whoever carries it out ends; `trunkline move resume` goes on, from any machine."
    )

    @OptionGroup var shared: SharedOptions

    @Flag(help: ArgumentHelp(.dryRun))
    var dryRun = false

    func run() async throws {
        try await Ending.report {
            let orders = try MoveCommand.orders(self.shared)
            if self.dryRun { return printLine(try await orders.status().trial(of: .pause)) }
            try await orders.pause()
            printLine("The move stops after the batch that is under way.")
        }
    }
}

struct MoveResumeCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "resume",
        abstract: OperatorVerb.moveResume.summary,
        discussion: "Exit code 0: all slots are moved; 1: it failed, or was paused or aborted before that."
    )

    @OptionGroup var shared: SharedOptions
    @OptionGroup var pace: MovePaceOptions

    @Flag(help: ArgumentHelp(.dryRun))
    var dryRun = false

    func run() async throws {
        try await Ending.report {
            let orders = try MoveCommand.orders(self.shared)
            if self.dryRun { return printLine(try await orders.status().trial(of: .resume)) }
            try await MoveReport.show(orders) { tell, warn in
                try await orders.resume(self.pace.options, tell: tell, warn: warn)
            }
        }
    }
}

struct MoveAbortCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "abort",
        abstract: OperatorVerb.moveAbort.summary,
        discussion: """
            What was being copied is forgotten. Slots that were handed over stay at their new shard; `trunkline move start \
            --back` brings them back.
            """
    )

    @OptionGroup var shared: SharedOptions

    @Flag(help: ArgumentHelp(.dryRun))
    var dryRun = false

    func run() async throws {
        try await Ending.report {
            let orders = try MoveCommand.orders(self.shared)
            if self.dryRun { return printLine(try await orders.status().trial(of: .abort)) }
            let ending = try await orders.abort(
                tell: { _ in },
                warn: { Ending.complain("warning: \($0)") }
            )
            printLine(ending.map(MoveReport.text) ?? "The move ends after the batch that is under way.")
            guard ending != nil else { return }
            for line in (try? await orders.remarks()) ?? [] { printLine(line) }
        }
    }
}

struct MoveVerifyCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "verify",
        abstract: OperatorVerb.moveVerify.summary,
        discussion: """
            Each batch was compared before it was handed over; this does it once more, with what has happened since: every \
            message of the old copy has to be at the new shard as it was, and every conversation, user and name. Exit \
            code 1 when something is missing.
            """
    )

    @OptionGroup var shared: SharedOptions

    func run() async throws {
        try await Ending.report {
            let comparison = try await MoveCommand.orders(self.shared).verify()
            guard comparison.differences.isEmpty else {
                throw OperationsError(
                    comparison.differences.joined(separator: "; "),
                    remedy: "the old copies have what is missing; see the logs of Postgres before anything is removed"
                )
            }
            printLine(comparison.text)
        }
    }
}

struct MoveConfirmCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "confirm",
        abstract: OperatorVerb.moveConfirm.summary,
        discussion: "After this there is no way back but another move."
    )

    @OptionGroup var shared: SharedOptions

    @Flag(help: ArgumentHelp(.dryRun))
    var dryRun = false

    func run() async throws {
        try await Ending.report {
            let orders = try MoveCommand.orders(self.shared)
            guard !self.dryRun else {
                let comparison = try await orders.verify()
                return printLine("Would remove the old copies of \(comparison.slots + comparison.movedOn) slots.")
            }
            let count = try await orders.confirm { _ in }
            printLine("Removed the old copies of \(count) slots.")
        }
    }
}
