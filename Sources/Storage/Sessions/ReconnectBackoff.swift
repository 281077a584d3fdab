// SPDX-License-Identifier: Apache-2.0

/// When a session may try to connect again: the waits double from attempt to attempt, up to a bound, and each is drawn
/// from the upper half of its range, so that the sessions of many nodes do not come back in step.
struct ReconnectBackoff {
    let waitMin: Duration
    let waitMax: Duration

    private var failures = 0
    private var notBefore: ContinuousClock.Instant?

    init(waitMin: Duration, waitMax: Duration) {
        self.waitMin = waitMin
        self.waitMax = waitMax
    }

    /// How long to wait from now on, or nil when an attempt may be made.
    func wait(now: ContinuousClock.Instant) -> Duration? {
        guard let notBefore = self.notBefore, notBefore > now else { return nil }
        return notBefore - now
    }

    /// - Parameter random: between 0 and 1.
    mutating func attemptFailed(now: ContinuousClock.Instant, random: Double) {
        let doublings = min(self.failures, 20)
        let ceiling = min(self.waitMax, self.waitMin * (1 << doublings))
        self.failures += 1
        self.notBefore = now + ceiling * (0.5 + 0.5 * random)
    }

    mutating func attemptSucceeded() {
        self.failures = 0
        self.notBefore = nil
    }
}
