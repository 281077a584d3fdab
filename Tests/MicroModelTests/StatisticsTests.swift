// SPDX-License-Identifier: Apache-2.0

import Foundation
import MicroModel
import Testing

@Suite("Figures of micro-benchmarks")
struct StatisticsTests {
    private static func measurement(
        _ name: String,
        _ nanoseconds: Double,
        spread: Double = 0.02,
        allocations: Double? = nil,
        instructions: Double? = nil
    ) -> BenchmarkResult {
        var measurement = BenchmarkResult(
            name: name,
            nanoseconds: nanoseconds,
            spread: spread,
            repetitions: 15,
            operations: 1000,
            bytes: 12
        )
        measurement.allocations = allocations
        measurement.instructions = instructions
        return measurement
    }

    @Test("The median is the middle, the spread what lies between the quarters")
    func statistics() throws {
        #expect(Statistics([]) == nil)
        #expect(Statistics([7]) == Statistics([7, 7, 7]))
        let odd = try #require(Statistics([5, 1, 3, 2, 4]))
        #expect(odd.median == 3)
        #expect(abs(odd.spread - 2.0 / 3) < 1e-12)
        #expect(Statistics([1, 2, 3, 4])?.median == 2.5)
        // One that was disturbed moves neither.
        #expect(Statistics([10, 10, 10, 10, 900])?.median == 10)
        #expect(Statistics([10, 10, 10, 10, 900])?.spread == 0)
        #expect(Statistics([0, 0])?.spread == 0)
        #expect(Statistics.quantile(0, of: [3, 1, 2]) == 1)
        #expect(Statistics.quantile(1, of: [3, 1, 2]) == 3)
        #expect(Statistics.quantile(0.25, of: [1, 2, 3, 4, 5]) == 2)
    }

    @Test("A report is read back as it was written; what is none is refused with what to do")
    func reports() throws {
        let report = MicroReport(
            instructionCounter: "callgrind",
            benchmarks: [Self.measurement("a", 12.5, allocations: 1.5, instructions: 90), Self.measurement("b", 7)]
        )
        #expect(try MicroReport(json: report.json()) == report)
        for text in ["", "{}", "[]", #"{"format_version": 1}"#] {
            #expect(throws: MicroReportError("it is no report of trunkline-micro; give a file that --json wrote")) {
                try MicroReport(json: Data(text.utf8))
            }
        }
        var newer = report
        newer.formatVersion = 2
        let error = #expect(throws: MicroReportError.self) { try MicroReport(json: newer.json()) }
        #expect(error?.description.contains("repeat the run") == true)
    }

    @Test("A comparison is the second by the first, of what both measured")
    func comparison() throws {
        let before = MicroReport(
            instructionCounter: "callgrind",
            benchmarks: [
                Self.measurement("a", 100, allocations: 4, instructions: 1000),
                Self.measurement("gone", 1),
                Self.measurement("b", 50, allocations: 0),
                Self.measurement("c", 50, allocations: 0),
            ]
        )
        var after = MicroReport(
            instructionCounter: "callgrind",
            benchmarks: [
                Self.measurement("new", 1),
                Self.measurement("b", 50.4, allocations: 0, instructions: 7),
                Self.measurement("a", 50, allocations: 1, instructions: 600),
                Self.measurement("c", 60, spread: 0.3, allocations: 2),
            ]
        )
        let compared = after.compared(with: before)
        #expect(compared.map(\.name) == ["b", "a", "c"])
        let (b, a, c) = (compared[0], compared[1], compared[2])
        #expect(a.time == 0.5 && a.allocations == 0.25 && a.instructions == 0.6 && a.isBeyondSpread)
        #expect(b.allocations == 1 && b.instructions == nil && !b.isBeyondSpread)
        #expect(c.allocations == nil && !c.isBeyondSpread)
        // Instructions of two ways to count are not compared.
        after.instructionCounter = "perf_event_open"
        #expect(after.compared(with: before).allSatisfy { $0.instructions == nil })
    }

    @Test("The storage path is told by the bare loop of the same round")
    func storage() throws {
        let rounds = [
            StorageRound(bare: 100, session: 90, router: 80, routerBatch: 512),
            StorageRound(bare: 10, session: 9, router: 7, routerBatch: 500),
            StorageRound(bare: 1000, session: 900, router: 750, routerBatch: 512),
        ]
        let result = try #require(StorageResult(rounds))
        #expect(result.bareRows == 100 && result.sessionRows == 90 && result.routerRows == 80)
        #expect(result.routerByBare == 0.75 && result.sessionByBare == 0.9 && result.routerBatch == 512)
        #expect(StorageResult([]) == nil)
        #expect(StorageResult([StorageRound(bare: 0, session: 1, router: 1)]) == nil)
    }

    @Test("Callgrind's totals are found")
    func callgrind() {
        let file = "# callgrind format\nversion: 1\nevents: Ir\nsummary: 1234 \n\nfn=(1) x\n1 7\n\ntotals: 1234\n"
        #expect(CallgrindOutput.instructions(in: file) == 1234)
        #expect(CallgrindOutput.instructions(in: "events: Ir\ntotals: 88\n") == 88)
        #expect(CallgrindOutput.instructions(in: "events: Ir\n") == nil)
        #expect(CallgrindOutput.instructions(in: "totals:\n") == nil)
    }

    @Test("Rows of the table stand under their headings")
    func table() {
        let row = MicroTable.row(Self.measurement("wire.submit.encode", 123.456, allocations: 1))
        #expect(row.count == MicroTable.header.count)
        #expect(row.contains("123") && row.contains("1.00") && row.contains("n/a"))
        #expect(MicroTable.percent(0.731) == "73.1 %")
    }
}
