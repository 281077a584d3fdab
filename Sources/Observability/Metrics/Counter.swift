// SPDX-License-Identifier: Apache-2.0

import Synchronization

/// A number that only grows. Made by ``MetricsRegistry``; safe from any thread, one atomic addition per call.
package final class Counter: Sendable {
    private let count = Atomic<UInt64>(0)

    init() {}

    package func increment(by amount: UInt64 = 1) {
        self.count.wrappingAdd(amount, ordering: .relaxed)
    }

    package var value: UInt64 {
        self.count.load(ordering: .relaxed)
    }
}

/// A whole number that goes up and down. Made by ``MetricsRegistry``; safe from any thread, one atomic
/// operation per call.
package final class Gauge: Sendable {
    private let current = Atomic<Int64>(0)

    init() {}

    package func set(_ value: Int64) {
        self.current.store(value, ordering: .relaxed)
    }

    /// Adds a positive or negative amount.
    package func add(_ amount: Int64) {
        self.current.wrappingAdd(amount, ordering: .relaxed)
    }

    package var value: Int64 {
        self.current.load(ordering: .relaxed)
    }
}
