// SPDX-License-Identifier: Apache-2.0

import Foundation

/// Why a file is no baseline; the description says what to do.
package struct MicroReportError: Error, Equatable, CustomStringConvertible {
    package var description: String

    package init(_ description: String) {
        self.description = description
    }
}

/// All that one run measured: the file of `--json`.
package struct MicroReport: Codable, Sendable, Equatable {
    /// Grows when a reader of the file has to change.
    package static let formatVersion = 1

    package var formatVersion = Self.formatVersion
    /// How instructions were counted: `perf_event_open`, `callgrind` or `not available`.
    package var instructionCounter: String
    package var benchmarks: [BenchmarkResult]

    package init(instructionCounter: String, benchmarks: [BenchmarkResult]) {
        self.instructionCounter = instructionCounter
        self.benchmarks = benchmarks
    }

    private enum CodingKeys: String, CodingKey {
        case formatVersion = "format_version"
        case instructionCounter = "instruction_counter"
        case benchmarks
    }

    package func json() throws -> Data {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        return try encoder.encode(self)
    }

    /// Reads what ``json()`` wrote.
    package init(json data: Data) throws(MicroReportError) {
        let report: MicroReport
        do {
            report = try JSONDecoder().decode(MicroReport.self, from: data)
        } catch {
            throw MicroReportError("it is no report of trunkline-micro; give a file that --json wrote")
        }
        guard report.formatVersion == Self.formatVersion else {
            throw MicroReportError(
                "its format_version is \(report.formatVersion), this program reads \(Self.formatVersion); repeat the run"
            )
        }
        self = report
    }
}

extension MicroReport {
    /// One benchmark of two runs, as the second by the first: below 1 it needs less now.
    package struct Comparison: Sendable, Equatable {
        package var name: String
        package var time: Double
        package var allocations: Double?
        package var instructions: Double?
        /// The times are further apart than the repetitions of either run are among themselves.
        package var isBeyondSpread: Bool
    }

    /// What both runs measured, in this one's order.
    package func compared(with baseline: MicroReport) -> [Comparison] {
        let before = Dictionary(baseline.benchmarks.map { ($0.name, $0) }, uniquingKeysWith: { first, _ in first })
        let sameCounter = self.instructionCounter == baseline.instructionCounter
        return self.benchmarks.compactMap { now in
            guard let then = before[now.name], then.nanoseconds > 0 else { return nil }
            let ratio = now.nanoseconds / then.nanoseconds
            return Comparison(
                name: now.name,
                time: ratio,
                allocations: Self.ratio(now.allocations, by: then.allocations),
                instructions: sameCounter ? Self.ratio(now.instructions, by: then.instructions) : nil,
                isBeyondSpread: abs(ratio - 1) > max(now.spread, then.spread)
            )
        }
    }

    /// Nil when one is missing, or there was none and is one now.
    private static func ratio(_ now: Double?, by then: Double?) -> Double? {
        guard let now, let then else { return nil }
        guard then > 0 else { return now == 0 ? 1 : nil }
        return now / then
    }
}
