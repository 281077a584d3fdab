// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Glibc
import Messaging
import Simulation
import Synchronization
import Threads

@main
struct Simulate: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "trunkline-simulate",
        abstract: "Runs the routing core under a simulated network, clock, registry and store, from seeds.",
        discussion: """
            Each seed is one run: a small cluster, devices that send, faults that come and go, then rest; after that what \
            the devices saw is held against what is stored. The decisions are those of the product, the world around them is \
            simulated, so a seed is the same run every time.

            Exit status: 0 when every seed held, 1 when one did not (its number and how to look at it are printed).

              trunkline-simulate --seeds 10000
              trunkline-simulate --seed 4711 --history
              trunkline-simulate --defect skip-epoch-check --seeds 500     is the audit awake?
            """
    )

    @Option(help: "How many seeds to run.")
    var seeds: UInt64 = 1000

    @Option(help: "The first seed.")
    var from: UInt64 = 1

    @Option(help: "From one seed to the next. Every eighth seed is a run without faults.")
    var step: UInt64 = 1

    @Flag(help: "End with the first seed that does not hold.")
    var untilFailure = false

    @Option(help: "Run this seed alone.")
    var seed: UInt64?

    @Flag(help: "With --seed: print everything that happened.")
    var history = false

    @Option(help: "Plant a mistake: \(Defect.allCases.map(\.rawValue).joined(separator: ", ")).")
    var defect: Defect?

    @Option(help: "Threads; each runs seeds of its own.")
    var threads: Int = 2

    func run() throws {
        try Self.beDeterministic()
        if let seed = self.seed {
            try self.runOne(seed)
        } else {
            try self.runMany()
        }
    }

    /// Starts the program anew with the same hashing in every process, without which a seed would not be a run.
    private static func beDeterministic() throws {
        guard getenv("SWIFT_DETERMINISTIC_HASHING") == nil else { return }
        setenv("SWIFT_DETERMINISTIC_HASHING", "1", 1)
        var arguments = CommandLine.arguments.map { strdup($0) }
        arguments.append(nil)
        execv("/proc/self/exe", arguments)
        throw ValidationError("the program could not be started anew: errno \(errno)")
    }

    private func runOne(_ seed: UInt64) throws {
        let outcome = Simulation.run(seed: seed, defect: self.defect, keepsHistory: true)
        if self.history { print(outcome.history) }
        print("seed \(seed): \(outcome.messages) messages, \(outcome.events) events, \(outcome.virtualSeconds) s")
        print("faults: \(outcome.faults.map { "\($0)" }.joined(separator: ", "))")
        print("checksum of the history: \(outcome.checksum)")
        for violation in outcome.violations { print("VIOLATION \(violation)") }
        if !outcome.violations.isEmpty { throw ExitCode(1) }
    }

    private func runMany() throws {
        let progress = Mutex(Progress())
        let next = Atomic<UInt64>(self.from)
        let end = self.from + self.seeds * max(1, self.step)
        let (defect, step, untilFailure, seeds) = (self.defect, max(1, self.step), self.untilFailure, self.seeds)
        let start = ContinuousClock.now
        let threads = (0..<max(1, self.threads)).compactMap { _ in
            PlainThread(name: "simulate") {
                while true {
                    let seed = next.add(step, ordering: .relaxed).oldValue
                    guard seed < end else { return }
                    let outcome = Simulation.run(seed: seed, defect: defect)
                    let hasFailed = progress.withLock { $0.note(outcome, of: seeds) }
                    if hasFailed, untilFailure { return next.store(end, ordering: .relaxed) }
                }
            }
        }
        for thread in threads { thread.join() }
        try progress.withLock { try $0.finish(elapsed: ContinuousClock.now - start, defect: defect) }
    }
}

extension Defect: ExpressibleByArgument {}
