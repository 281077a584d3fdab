// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Foundation
import MicroModel

/// Codecs, LZ4, placement, audiences and the writer.
struct RunCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "run",
        abstract: "Time, allocations and instructions of one operation each.",
        discussion: """
            The time is that of the processor, the median of \(Measurer.repetitions) repetitions; the spread lies between \
            their first and third quarter. Allocations are calls of malloc and its like on the measuring thread.
            """
    )

    @Option(help: ArgumentHelp("Only benchmarks whose name contains this.", valueName: "text"))
    var filter: String?

    @Option(help: ArgumentHelp("Time for each benchmark.", valueName: "seconds"))
    var seconds = 0.5

    @Option(help: ArgumentHelp("Write everything to this file as JSON; - is standard output.", valueName: "file"))
    var json: String?

    @Option(help: ArgumentHelp("Print ratios to what --json wrote earlier.", valueName: "A.json"))
    var baseline: String?

    @Flag(
        help: """
            Where the processor's counters cannot be used, count instructions by running every benchmark once more under \
            valgrind --tool=callgrind, which takes a minute or two.
            """
    )
    var callgrind = false

    @Flag(help: "Only tell the names.")
    var list = false

    /// Set for the process that runs under callgrind: operations of each benchmark.
    @Option(help: .hidden)
    var profiledOperations: String?

    func validate() throws {
        guard self.seconds > 0, self.seconds <= 3600 else {
            throw ValidationError("--seconds is a number above 0, at most 3600.")
        }
    }

    private var selected: [Benchmark] {
        Benchmark.all.filter { self.filter.map($0.name.contains) ?? true }
    }

    func run() throws {
        let selected = self.selected
        guard !selected.isEmpty else {
            throw ValidationError("No benchmark's name contains \(self.filter ?? ""); --list tells all names.")
        }
        if let counts = self.profiledOperations {
            return Callgrind.runProfiled(selected, counts.split(separator: ",").compactMap { Int($0) })
        }
        guard !self.list else {
            for benchmark in selected { Output.line("\(benchmark.name): \(benchmark.summary)") }
            return
        }
        let before = try self.baseline.map(Output.readReport)
        let report = try self.measure(selected)
        if let file = self.json { try Output.write(report.json(), to: file) }
        if let before {
            Output.table("")
            Output.table(MicroTable.comparisonHeader)
            for comparison in report.compared(with: before) { Output.table(MicroTable.row(comparison)) }
        }
    }

    private func measure(_ selected: [Benchmark]) throws -> MicroReport {
        let counter = InstructionCounter()
        let measurer = Measurer(
            seconds: self.seconds,
            counters: Counters(allocations: AllocationCounter.read, instructions: counter.map { $0.read })
        )
        var report = MicroReport(
            instructionCounter: counter == nil ? "not available" : "perf_event_open",
            benchmarks: []
        )
        #if DEBUG
            Output.note("this is a debug build: build it with -c release for figures that mean something")
        #endif
        Output.table(MicroTable.header)
        for benchmark in selected {
            let measurement = measurer.measure(benchmark)
            report.benchmarks.append(measurement)
            Output.table(MicroTable.row(measurement))
        }
        guard counter == nil else { return report }
        guard self.callgrind else {
            Output.note("instructions: this machine has no counter for them; --callgrind counts them with valgrind")
            return report
        }
        do throws(MicroReportError) {
            let counts = try Callgrind.count(report.benchmarks, filter: self.filter)
            report.instructionCounter = "callgrind"
            Output.table("")
            Output.table("instructions of one operation, counted by callgrind")
            for index in report.benchmarks.indices {
                report.benchmarks[index].instructions = counts[index]
                Output.table("\(report.benchmarks[index].name) \(MicroTable.number(counts[index]))")
            }
        } catch {
            Output.note("instructions: not available: \(error)")
        }
        return report
    }
}
