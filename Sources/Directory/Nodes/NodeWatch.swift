// SPDX-License-Identifier: Apache-2.0

/// Follows which nodes have a lease, for a node that wants to know of others without being told in its file.
///
/// Asks for the mark of changes often and for the leases only when it differs; and for the leases now and then all the
/// same, because nodes of an earlier version change them without a mark. May be used from any thread.
package struct NodeWatch: Sendable {
    package struct Timing: Sendable {
        /// Between two questions for the mark.
        package var interval: Duration = .milliseconds(250)
        /// The leases are read at least this often.
        package var readingInterval: Duration = .seconds(10)

        package init() {}
    }

    private let leases: NodeLeases
    private let timing: Timing

    package init(leases: NodeLeases, timing: Timing = Timing()) {
        self.leases = leases
        self.timing = timing
    }

    /// Until the task is cancelled.
    ///
    /// - Parameter read: called with every reading that succeeded, one at a time. While Redis is away there is none.
    package func run(_ read: @Sendable ([NodeLease]) -> Void) async {
        var mark: String?
        var next = ContinuousClock.now
        while !Task.isCancelled {
            do {
                // The mark is asked first: what changes after it is found with the next look.
                let now = try await self.leases.changeMark()
                if now != mark || ContinuousClock.now >= next {
                    read(try await self.leases.leases().leases)
                    mark = now
                    next = .now + self.timing.readingInterval
                }
            } catch {
                // Redis is away; the leases' own keeper tells of it in the log.
            }
            // Redis tells nobody of a change by itself on a connection that asks.
            try? await Task.sleep(for: self.timing.interval)
        }
    }
}
