// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import LoadModel

/// `trunkline-load compare A.json B.json`.
struct CompareCommand: ParsableCommand {
    static let name = "compare"
    static let configuration = CommandConfiguration(
        commandName: "trunkline-load compare",
        abstract: "Compares two runs, figure by figure.",
        discussion: """
            A and B are files that trunkline-load wrote with --json. The table names each figure in both runs, the \
            difference from A to B in percent, and in which run it is better. When the runs had other settings, or were made \
            on other machines, it says in which respects they cannot be compared.

            With --fail-if-worse the figures with a star are judged: violations of the audit, messages that failed, rates, \
            latencies up to p99, and processor time per delivery. Largest values and pauses are single events, and only shown.

            Exit codes: 0 no judged figure is worse than allowed, or nothing was to be judged. 1 at least one is, or B has none \
            where A has one. 2 the command line is wrong. 3 a file cannot be read, or is no report that this program \
            understands. 4 the runs cannot be compared: nothing was judged.

            Example: trunkline-load compare before.json after.json --fail-if-worse 20
            """
    )

    @Argument(help: ArgumentHelp("The run to compare with.", valueName: "A.json"))
    var first: String

    @Argument(help: ArgumentHelp("The run that is judged.", valueName: "B.json"))
    var second: String

    @Option(
        help: ArgumentHelp(
            "Judge: the exit code is 1 when a figure of B is worse than that of A by more than this.",
            valueName: "percent"
        )
    )
    var failIfWorse: Double?

    @Flag(help: "Judge also when settings or machines differ.")
    var evenIfDifferent = false

    func validate() throws {
        if let percent = self.failIfWorse, !(percent >= 0 && percent.isFinite) {
            throw ValidationError("--fail-if-worse is a number of percent, 0 or above.")
        }
        if self.evenIfDifferent, self.failIfWorse == nil {
            throw ValidationError("--even-if-different goes with --fail-if-worse.")
        }
    }

    /// The numbers are exit codes and never change their meaning.
    enum Outcome: Int32 {
        case notWorse = 0
        case worse = 1
        case usage = 2
        case unreadable = 3
        case incomparable = 4
    }

    func compare() -> Outcome {
        let reports: [RunReport]
        do {
            reports = try [self.first, self.second].map { path throws(ReportFileError) in
                do throws(ReportFileError) {
                    return try ReportFile.read(path)
                } catch {
                    throw ReportFileError("\(path): \(error)")
                }
            }
        } catch {
            StandardError.write("trunkline-load: \(error)\n")
            return .unreadable
        }
        let comparison = Comparison(reports[0], reports[1])
        print(ComparisonTable.text(of: comparison, names: (self.first, self.second)))
        guard let percent = self.failIfWorse else { return .notWorse }
        guard comparison.isComparable || self.evenIfDifferent else {
            print("not judged: the runs cannot be compared; --even-if-different judges all the same")
            return .incomparable
        }
        let findings = comparison.findings(percent: percent)
        guard findings.isEmpty else {
            print("WORSE: B is worse than A by more than \(FigureText.trimmed(percent)) %")
            for finding in findings { print("  \(finding)") }
            return .worse
        }
        print("not worse: no judged figure of B is worse than that of A by more than \(FigureText.trimmed(percent)) %")
        return .notWorse
    }
}
