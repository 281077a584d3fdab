// SPDX-License-Identifier: Apache-2.0

import Foundation
import MicroModel
import MicroProbe

/// Counts instructions by running this program once more under `valgrind --tool=callgrind`.
///
/// Callgrind counts inside of `microMeasured` alone and writes one file each time that it is left, so the files follow
/// each other as the benchmarks do.
enum Callgrind {
    /// What one benchmark may take when it runs some fifty times slower; at least one operation is always counted.
    private static let nanosecondsMax = 5_000_000.0
    private static let function = "microMeasured"

    /// Instructions of one operation of each.
    static func count(_ measured: [BenchmarkResult], filter: String?) throws(MicroReportError) -> [Double] {
        let operations = measured.map { max(1, min(10_000, Int(Self.nanosecondsMax / max(1, $0.nanoseconds)))) }
        let folder = FileManager.default.temporaryDirectory
            .appendingPathComponent("trunkline-micro-\(UUID().uuidString)")
        defer { try? FileManager.default.removeItem(at: folder) }
        do {
            try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
            let output = folder.appendingPathComponent("out").path
            let program = folder.appendingPathComponent("program").path
            // Valgrind gives up on debugging information that is newer than itself.
            try Self.run(["strip", "--strip-debug", "-o", program, CommandLine.executable], package: "binutils")
            try Self.run(
                [
                    "valgrind", "--quiet", "--tool=callgrind", "--toggle-collect=\(Self.function)",
                    "--dump-after=\(Self.function)", "--callgrind-out-file=\(output)", program, "run",
                    "--profiled-operations", operations.map(String.init).joined(separator: ","),
                ] + (filter.map { ["--filter", $0] } ?? []),
                package: "valgrind"
            )
            return try operations.enumerated().map { index, count in
                let text = try String(contentsOfFile: "\(output).\(index + 1)", encoding: .utf8)
                guard let instructions = CallgrindOutput.instructions(in: text) else {
                    throw MicroReportError("callgrind wrote a file without totals")
                }
                return Double(instructions) / Double(count)
            }
        } catch let error as MicroReportError {
            throw error
        } catch {
            throw MicroReportError(error.localizedDescription)
        }
    }

    /// - Parameter package: Debian's name for what brings the program.
    private static func run(_ arguments: [String], package: String) throws {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.arguments = arguments
        process.standardOutput = FileHandle.nullDevice
        process.standardError = FileHandle.nullDevice
        try process.run()
        process.waitUntilExit()
        switch process.terminationStatus {
        case 0: return
        case 127: throw MicroReportError("there is no \(arguments[0]); install it with apt install \(package)")
        default: throw MicroReportError("\(arguments[0]) ended with status \(process.terminationStatus)")
        }
    }

    /// In the process under valgrind. One run before warms up what is made once.
    static func runProfiled(_ benchmarks: [Benchmark], _ operations: [Int]) {
        for (benchmark, count) in zip(benchmarks, operations) {
            let prepared = benchmark.prepare()
            prepared.run(1)
            var body = { prepared.run(count) }
            withUnsafeMutablePointer(to: &body) { pointer in
                microMeasured(
                    { context in context?.assumingMemoryBound(to: (() -> Void).self).pointee() },
                    pointer
                )
            }
        }
    }
}

extension CommandLine {
    /// The path of this program, however it was found.
    fileprivate static var executable: String {
        (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")) ?? Self.arguments[0]
    }
}
