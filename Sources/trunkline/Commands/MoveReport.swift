// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Foundation
import Operations

/// How fast slots move.
struct MovePaceOptions: ParsableArguments {
    @Option(
        name: .customLong("slots-at-a-time"),
        help: ArgumentHelp(.slotsAtATime)
    )
    var slotsAtATime = 32

    @Option(help: ArgumentHelp(.pauseMax))
    var pauseMax = WaitTime(duration: .milliseconds(200), text: "200ms")

    func validate() throws {
        guard (1...512).contains(self.slotsAtATime) else { throw ValidationError("--slots-at-a-time is 1 to 512.") }
        guard self.pauseMax.duration >= .milliseconds(10) else {
            throw ValidationError("--pause-max is at least 10ms.")
        }
    }

    var options: MoveOrders.Options {
        MoveOrders.Options(slotsAtATime: self.slotsAtATime, pauseMax: self.pauseMax.duration)
    }
}

/// Tells people how a move goes, and how it ended.
enum MoveReport {
    /// - Throws: the exit code 1 when it ended before all were moved, so that nothing that counts on it follows.
    static func show(
        _ orders: MoveOrders,
        _ move: (
            _ tell: @escaping @Sendable (MoveProgress) -> Void,
            _ warn: @escaping @Sendable (String) -> Void
        ) async throws -> MoveOrders.Ending
    ) async throws {
        Interruption.leavesMove()
        let begin = ContinuousClock.now
        let ending = try await move({ printLine(Self.line($0, since: begin)) }, { Ending.complain("warning: \($0)") })
        printLine(Self.text(ending))
        if case .paused = ending { throw ExitCode.failure }
        // What the shards say now is worth a line, and no reason to fail.
        for line in (try? await orders.remarks()) ?? [] { printLine(line) }
        if case .aborted = ending { throw ExitCode.failure }
    }

    private static func line(_ progress: MoveProgress, since begin: ContinuousClock.Instant) -> String {
        let seconds = begin.duration(to: .now).components.seconds
        return """
            \(progress.slotsMoved) of \(progress.slots) slots moved, \(progress.rowsCopied) rows copied, last pause \
            \(Self.milliseconds(progress.lastPause)) ms, longest \(Self.milliseconds(progress.longestPause)) ms, \(seconds) s
            """
    }

    static func text(_ ending: MoveOrders.Ending) -> String {
        switch ending {
        case .done(let progress):
            var text = "Done: \(progress.slotsMoved) of \(progress.slots) slots moved"
            if progress.slotsMoved > 0 {
                text += """
                    ; the longest pause of a slot was \(Self.milliseconds(progress.longestPause)) ms. Old copies are kept: \
                    `trunkline move verify` compares them, `trunkline move confirm` removes them
                    """
            }
            return text + "."
        case .paused(let progress):
            return "Paused: \(progress.slotsMoved) of \(progress.slots) slots moved. `trunkline move resume` goes on."
        case .aborted(let progress):
            return """
                Aborted: \(progress.slotsMoved) of \(progress.slots) slots were moved and stay where they are; `trunkline move \
                start --back` brings them back.
                """
        }
    }

    private static func milliseconds(_ duration: Duration) -> Int64 {
        duration.components.seconds * 1000 + duration.components.attoseconds / 1_000_000_000_000_000
    }
}
