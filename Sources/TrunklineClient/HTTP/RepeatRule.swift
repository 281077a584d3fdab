// SPDX-License-Identifier: Apache-2.0

package import NIOCore

/// When a REST request that failed is sent again. Pure.
package struct RepeatRule: Sendable {
    package enum Scope: Sendable {
        /// Doing it twice is like doing it once.
        case always
        /// Only when the failed request is sure to have had no effect.
        case ifWithoutEffect
    }

    /// Attempts of one request, the first included.
    package var attemptsMax: Int
    /// From the first attempt to the start of the last one.
    package var timeLimit: TimeAmount
    package var backOff: BackOff

    package init(attemptsMax: Int = 8, timeLimit: TimeAmount = .seconds(30), backOff: BackOff = BackOff()) {
        self.attemptsMax = attemptsMax
        self.timeLimit = timeLimit
        self.backOff = backOff
    }

    /// How long to wait before the next attempt: at least what the cluster asked for. Nil when there is to be none.
    package func pause(
        afterAttempt attempt: Int,
        error: TrunklineError,
        scope: Scope,
        elapsed: TimeAmount,
        using generator: inout some RandomNumberGenerator
    ) -> TimeAmount? {
        guard attempt < self.attemptsMax, error.isRetryable else { return nil }
        switch scope {
        case .always: break
        case .ifWithoutEffect: guard error.hadNoEffect else { return nil }
        }
        var pause = self.backOff.pause(attempt: attempt, using: &generator)
        if let asked = error.retryAfterMilliseconds {
            // What is drawn comes on top, so that those who were refused together do not come back together.
            pause = .milliseconds(Int64(asked)) + pause
        }
        return elapsed + pause <= self.timeLimit ? pause : nil
    }
}
