// SPDX-License-Identifier: Apache-2.0

/// How long to wait before the next attempt to connect: exponential, with jitter, between two bounds.
///
/// A pure value; the random number is a parameter. The jitter takes up to half of the delay away, so that the nodes of
/// a cluster do not come back to a restarted server in step.
struct ReconnectDelay: Sendable {
    private let minimum: Duration
    private let maximum: Duration
    private var next: Duration

    init(minimum: Duration, maximum: Duration) {
        self.minimum = minimum
        self.maximum = max(minimum, maximum)
        self.next = minimum
    }

    /// - Parameter random: From 0 up to 1.
    mutating func attemptFailed(random: Double) -> Duration {
        defer { self.next = min(self.next * 2, self.maximum) }
        return self.next - self.next * (random / 2)
    }

    /// A connection has ended. Returns whether it lived: then what comes is tried at once. One that ended as soon as it was
    /// made counts as a failed attempt, so that a server that accepts and hangs up is not dialled in a circle.
    mutating func connectionLived(for life: Duration) -> Bool {
        guard life >= self.maximum else { return false }
        self.next = self.minimum
        return true
    }
}
