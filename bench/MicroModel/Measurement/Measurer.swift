// SPDX-License-Identifier: Apache-2.0

import Glibc

/// What counts beside the clock. Of the calling thread, growing.
package struct Counters: Sendable {
    package var allocations: (@Sendable () -> (calls: UInt64, bytes: UInt64))?
    package var instructions: (@Sendable () -> UInt64)?

    package init(
        allocations: (@Sendable () -> (calls: UInt64, bytes: UInt64))? = nil,
        instructions: (@Sendable () -> UInt64)? = nil
    ) {
        self.allocations = allocations
        self.instructions = instructions
    }
}

/// Runs benchmarks one after the other on the calling thread.
package struct Measurer {
    /// Repetitions that the median is of.
    package static let repetitions = 15

    private let seconds: Double
    private let counters: Counters

    /// - Parameter seconds: for the repetitions of one benchmark together, the search for their length apart.
    package init(seconds: Double, counters: Counters) {
        self.seconds = seconds
        self.counters = counters
    }

    package func measure(_ benchmark: Benchmark) -> BenchmarkResult {
        let prepared = benchmark.prepare()
        let operations = self.operations(of: prepared)
        let times = (0..<Self.repetitions).map { _ in
            Self.time { prepared.run(operations) } / Double(operations)
        }
        let statistics = Statistics(times)
        var measurement = BenchmarkResult(
            name: benchmark.name,
            nanoseconds: statistics?.median ?? 0,
            spread: statistics?.spread ?? 0,
            repetitions: times.count,
            operations: operations,
            bytes: prepared.bytes
        )
        if let count = self.counters.allocations {
            let before = count()
            prepared.run(operations)
            let after = count()
            measurement.allocations = Double(after.calls - before.calls) / Double(operations)
            measurement.allocatedBytes = Double(after.bytes - before.bytes) / Double(operations)
        }
        if let count = self.counters.instructions {
            let before = count()
            prepared.run(operations)
            measurement.instructions = Double(count() - before) / Double(operations)
        }
        return measurement
    }

    /// So many that one repetition takes its part of the time; the runs before warm everything up.
    private func operations(of prepared: Benchmark.Case) -> Int {
        let wanted = self.seconds * 1e9 / Double(Self.repetitions)
        var operations = 1
        while true {
            let time = Self.time { prepared.run(operations) }
            if time >= wanted / 2 { return max(1, Int(Double(operations) * wanted / max(time, 1))) }
            let factor = time > wanted / 100 ? wanted / time : 10
            operations = max(operations + 1, Int(Double(operations) * factor))
        }
    }

    /// Nanoseconds of the processor that the thread took: what else the machine does costs caches, but not its turn.
    private static func time(_ body: () -> Void) -> Double {
        let begin = Self.processorNanoseconds()
        body()
        return Self.processorNanoseconds() - begin
    }

    private static func processorNanoseconds() -> Double {
        var time = timespec()
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
        return Double(time.tv_sec) * 1e9 + Double(time.tv_nsec)
    }
}
