// SPDX-License-Identifier: Apache-2.0

internal import NIOCore

/// How many sessions may be asked to go at a moment, so that they go at a set rate. A pure value.
///
/// What was not used, because nobody was there to be asked, does not add up: the edges that take the sessions up have
/// been promised the rate, not an average.
struct LeavePace: Sendable, Equatable {
    /// Sessions in a second.
    let rate: Double
    private var allowance = 0.0
    private var last: NIODeadline

    /// - Parameter rate: above 0.
    init(rate: Double, now: NIODeadline) {
        self.rate = rate
        self.last = now
    }

    /// Takes what may be asked now.
    ///
    /// - Parameter interval: how often this is called; more than what comes together in two of them is not kept.
    mutating func take(now: NIODeadline, interval: TimeAmount) -> Int {
        self.allowance += self.rate * Double((now - self.last).nanoseconds) / 1e9
        self.last = now
        let most = max(1, self.rate * 2 * Double(interval.nanoseconds) / 1e9)
        self.allowance = min(self.allowance, most)
        let count = Int(self.allowance)
        self.allowance -= Double(count)
        return count
    }
}
