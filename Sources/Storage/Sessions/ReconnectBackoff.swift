// SPDX-License-Identifier: Apache-2.0

/// When the sessions of a process may try again to reach a shard. Pure.
///
/// As long as no attempt fails, anybody may make one. After a failure there is one attempt at a time, for all: the waits
/// in between double up to a bound, and each is drawn from the upper half of its range, so that many nodes do not come
/// back in step. So the bound can be short, and a server that comes up is not kept from it by hundreds of sessions.
struct ReconnectBackoff {
    struct Attempt: Equatable {
        var round: Int
        /// Of several hosts, which to begin with: the one that did well, or the one after those that did not.
        var host: Int
    }

    enum Turn: Equatable {
        /// The caller makes an attempt, and says how it ended.
        case attempt(Attempt)
        case wait(Duration)
    }

    let waitMin: Duration
    let waitMax: Duration

    private var failures = 0
    private var notBefore: ContinuousClock.Instant?
    /// Grows with each outcome that counts.
    private var round = 0
    private var host = 0

    init(waitMin: Duration, waitMax: Duration) {
        self.waitMin = waitMin
        self.waitMax = waitMax
    }

    /// - Parameter limit: an attempt that took longer has ended without a word, and is not waited for.
    mutating func begin(now: ContinuousClock.Instant, limit: Duration) -> Turn {
        if let notBefore = self.notBefore, notBefore > now { return .wait(notBefore - now) }
        if self.failures > 0 { self.notBefore = now + limit }
        return .attempt(Attempt(round: self.round, host: self.host))
    }

    /// Attempts that were made at the same time fail together: that is one failure.
    ///
    /// - Parameter random: between 0 and 1.
    mutating func attemptFailed(_ attempt: Attempt, now: ContinuousClock.Instant, random: Double) {
        guard attempt.round == self.round else { return }
        let doublings = min(self.failures, 20)
        let ceiling = min(self.waitMax, self.waitMin * (1 << doublings))
        self.failures += 1
        self.round += 1
        self.host += 1
        self.notBefore = now + ceiling * (0.5 + 0.5 * random)
    }

    mutating func attemptSucceeded() {
        self.failures = 0
        self.round += 1
        self.notBefore = nil
    }
}
