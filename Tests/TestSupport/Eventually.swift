// SPDX-License-Identifier: Apache-2.0

/// A condition that a test waited for in vain.
package struct NeverHappened: Error, CustomStringConvertible {
    package var description: String

    package init(description: String) {
        self.description = description
    }
}

/// Waits until a condition holds, asking again every few milliseconds.
///
/// - Parameter what: What is waited for, for the one who reads the failure.
/// - Throws: ``NeverHappened`` when the time is over.
package func eventually(
    _ what: String,
    within time: Duration = .seconds(10),
    _ condition: () async throws -> Bool
) async throws {
    let deadline = ContinuousClock.now + time
    while try await !condition() {
        guard ContinuousClock.now < deadline else {
            throw NeverHappened(description: "waited \(time) in vain: \(what)")
        }
        try await Task.sleep(for: .milliseconds(5))
    }
}
