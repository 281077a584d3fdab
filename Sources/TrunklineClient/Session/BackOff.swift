// SPDX-License-Identifier: Apache-2.0

package import NIOCore

/// Pauses that double up to a bound, each drawn between nothing and the whole of it ("full jitter"): that spreads many
/// clients that lost the same edge most evenly over the time, with the fewest attempts in all. Pure.
package struct BackOff: Sendable {
    package var first: TimeAmount
    package var longest: TimeAmount

    package init(first: TimeAmount = .milliseconds(50), longest: TimeAmount = .seconds(5)) {
        self.first = first
        self.longest = longest
    }

    /// - Parameter attempt: 1 for the first failure.
    package func pause(attempt: Int, using generator: inout some RandomNumberGenerator) -> TimeAmount {
        let doublings = min(max(attempt - 1, 0), 30)
        let (product, overflows) = self.first.nanoseconds.multipliedReportingOverflow(by: 1 << Int64(doublings))
        let full = overflows ? self.longest.nanoseconds : min(product, self.longest.nanoseconds)
        guard full > 0 else { return .zero }
        return .nanoseconds(Int64.random(in: 0...full, using: &generator))
    }
}
