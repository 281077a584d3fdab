// SPDX-License-Identifier: Apache-2.0

/// What one benchmark came to. Of one operation, except for the spread.
package struct BenchmarkResult: Codable, Sendable, Equatable {
    package var name: String
    /// Of the processor.
    package var nanoseconds: Double
    /// See ``Statistics/spread``; of the time.
    package var spread: Double
    /// Repetitions that the median is of, and operations in each.
    package var repetitions: Int
    package var operations: Int
    package var bytes: Int
    /// Calls that took memory, and the bytes that they asked for; nil where nobody counts.
    package var allocations: Double?
    package var allocatedBytes: Double?
    /// Nil where neither the machine nor valgrind counts them.
    package var instructions: Double?

    package init(name: String, nanoseconds: Double, spread: Double, repetitions: Int, operations: Int, bytes: Int) {
        self.name = name
        self.nanoseconds = nanoseconds
        self.spread = spread
        self.repetitions = repetitions
        self.operations = operations
        self.bytes = bytes
    }

    private enum CodingKeys: String, CodingKey {
        case name
        case nanoseconds
        case spread
        case repetitions
        case operations
        case bytes
        case allocations
        case allocatedBytes = "allocated_bytes"
        case instructions
    }
}
