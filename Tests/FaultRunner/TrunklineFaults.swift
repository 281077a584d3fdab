// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import FaultModel
import Foundation
import TestSupport

@main
struct TrunklineFaults: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "trunkline-faults",
        abstract: "Breaks a whole cluster while it is used, and audits whether its contract held.",
        discussion: """
            Starts a cluster of real processes on loopback: 3 routers, 3 edges, 2 shards of a Postgres primary and a \
            synchronous replica each, a Redis with a replica; every connection between them goes through a relay that can \
            cut, delay or swallow it. About 24 people use it: steady senders that repeat every message until it is acknowledged, \
            direct conversations and groups, one group whose members come and go, devices that flap, sleep or read \
            slowly. Then faults, one after the other and sometimes two at once. After each the run waits, up to 30 s, \
            until everything goes on without help.

            The auditor compares what the clients were told and saw with what the databases hold: nothing that was \
            acknowledged is lost, nothing is stored twice, numbers have no gaps, every device ends with the same list, \
            nothing reaches a removed member, no two routers write under one epoch, memory stays bounded, no process ends \
            by itself, everything heals.

            The seed decides people, faults, targets and durations. Processes and networks are real, so two runs with one \
            seed do the same to the cluster, and not at the same microsecond: a violation may need several runs to \
            come again.

            A crash is one of processes: all that was written to the system survives. Loss of power is not tried.

            Exit status: 0 the contract held, 1 it did not, 2 the run could not be set up, 64 the command line is wrong.
            """
    )

    @Option(help: "What decides everything; drawn and printed when it is not given.")
    var seed: UInt64?

    @Option(help: "For how long faults are begun. From 5 minutes on some faults last longer, see --list.")
    var minutes: Double = 2

    @Option(help: "The names of the only faults to do, with commas between; --list has them.")
    var only: String?

    @Flag(help: "Lists the faults and ends.")
    var list = false

    @Flag(help: "Keeps the logs of the nodes also when the contract held.")
    var keepLogs = false

    private static let longFromMinutes = 5.0

    func validate() throws {
        guard self.minutes > 0, self.minutes <= 24 * 60 else {
            throw ValidationError("--minutes is a number above 0 and at most 1440.")
        }
        _ = try self.kinds()
    }

    private func kinds() throws -> [FaultKind] {
        guard let only = self.only else { return FaultKind.allCases }
        return try only.split(separator: ",").map { name in
            guard let kind = FaultKind(rawValue: String(name)) else {
                throw ValidationError("There is no fault \(name). --list has the names.")
            }
            return kind
        }
    }

    func run() async throws {
        if self.list { return Self.printList() }
        let seed = self.seed ?? UInt64.random(in: 1...999_999)
        let command = self.command(seed)
        Self.say("seed \(seed); to repeat: \(command)")
        let options = FaultRun.Options(
            seed: seed,
            duration: .milliseconds(Int(self.minutes * 60_000)),
            kinds: try self.kinds(),
            isLong: self.minutes >= Self.longFromMinutes,
            keepsLogs: self.keepLogs
        )
        _ = RunClock.now()
        let outcome: FaultRun.Outcome
        do {
            outcome = try await FaultRun(options: options, say: Self.say).run()
        } catch {
            Self.say("error: the run could not be set up or carried on: \(error)\nseed \(seed); to repeat: \(command)")
            throw ExitCode(2)
        }
        Self.printOutcome(outcome)
        let verdict =
            outcome.result.holds
            ? "the contract held" : "the contract did not hold: \(outcome.result.violationCount) violations"
        Self.say("\(verdict); seed \(seed); to repeat: \(command)")
        if !outcome.result.holds { throw ExitCode(1) }
    }

    private func command(_ seed: UInt64) -> String {
        var command = "scripts/faults --seed \(seed)"
        command +=
            self.minutes.rounded() == self.minutes ? " --minutes \(Int(self.minutes))" : " --minutes \(self.minutes)"
        if let only = self.only { command += " --only \(only)" }
        #if !DEBUG
            command += " --release"
        #endif
        return command
    }

    /// At once, also into a file.
    private static func say(_ text: String) {
        FileHandle.standardOutput.write(Data((text + "\n").utf8))
    }

    private static func printList() {
        func range(_ kind: FaultKind, isLong: Bool) -> String {
            let range = kind.holdMilliseconds(isLong: isLong)
            return range.upperBound == 0
                ? "0" : "\(Double(range.lowerBound) / 1000)-\(Double(range.upperBound) / 1000)"
        }
        let rows = FaultKind.allCases.map { kind in
            let short = range(kind, isLong: false)
            let long = range(kind, isLong: true)
            return [kind.rawValue, short == long ? "\(short) s" : "\(short) s, in long runs \(long) s", kind.summary]
        }
        Self.say(Rendering.table([["fault", "lasts", "what is done"]] + rows))
    }

    private static func printOutcome(_ outcome: FaultRun.Outcome) {
        #if DEBUG
            let build = "debug build"
        #else
            let build = "release build"
        #endif
        Self.say("\n\(Rendering.table(outcome.summaries))\n\n\(Rendering.legend)")
        let memory = outcome.record.nodes.map { "\($0.name) \($0.residentBytesMax >> 20)" }.joined(separator: ", ")
        Self.say("\nmemory, the most in MiB: \(memory); \(build)")
        for (kind, reason) in outcome.skipped { Self.say("left out: \(kind.rawValue), \(reason)") }
        Self.say(Rendering.text(outcome.result))
        if let logs = outcome.logs { Self.say("logs of the nodes: \(logs)") }
    }
}
