// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Glibc
import Simulation

/// What has been run so far.
struct Progress {
    /// Failing seeds that are printed one by one.
    private static let printedMax = 20

    private var runs: UInt64 = 0
    private var failed: [UInt64] = []
    private var messages = 0
    private var events = 0
    private var kinds: [String: Int] = [:]

    /// Returns whether any seed has failed.
    mutating func note(_ outcome: Simulation.Outcome, of seeds: UInt64) -> Bool {
        self.runs += 1
        self.messages += outcome.messages
        self.events += outcome.events
        if !outcome.violations.isEmpty {
            self.failed.append(outcome.seed)
            for violation in outcome.violations { self.kinds[violation.kind.rawValue, default: 0] += 1 }
            if self.failed.count <= Self.printedMax {
                print("seed \(outcome.seed) (\(outcome.faults.map { "\($0)" }.joined(separator: ", "))):")
                for violation in outcome.violations.prefix(5) { print("    \(violation)") }
                print("    replay: trunkline-simulate --seed \(outcome.seed) --history")
            }
        }
        if self.runs % max(1, seeds / 10) == 0 {
            print("\(self.runs) of \(seeds) seeds, \(self.failed.count) failed")
            fflush(nil)
        }
        return !self.failed.isEmpty
    }

    func finish(elapsed: Duration, defect: Defect?) throws {
        let planted = defect.map { ", with \($0.rawValue) planted" } ?? ""
        print(
            "\(self.runs) seeds in \(elapsed)\(planted): \(self.messages) messages, \(self.events) events, "
                + "\(self.failed.count) seeds failed"
        )
        guard !self.failed.isEmpty else { return }
        print(
            "violations: \(self.kinds.sorted { $0.key < $1.key }.map { "\($0.key) \($0.value)" }.joined(separator: ", "))"
        )
        throw ExitCode(1)
    }
}
