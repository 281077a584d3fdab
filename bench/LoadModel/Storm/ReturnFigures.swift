// SPDX-License-Identifier: Apache-2.0

/// Losses of connections while messages were sent, and how the sessions came back.
package struct ReturnFigures: Sendable, Codable, Equatable {
    /// Times that a session lost its connection, whatever the cause.
    package var lost = 0
    /// Of those, the ones that the generator cut.
    package var dropped = 0
    /// The others.
    package var lossesByReason: [String: Int] = [:]
    package var back = 0
    /// From the loss until it was authenticated and had what came meanwhile.
    package var timeBack = LatencySummary()
    /// Sessions that were told `rate_limited` at least once, and how often that was.
    package var sessionsRateLimited = 0
    package var rateLimited = 0
    /// Sum and largest of the `retry_after_ms` they were given.
    package var retryAfterMillisecondsTotal = 0
    package var retryAfterMillisecondsMax = 0
    /// Everything else that was refused or failed, by name.
    package var errors: [String: Int] = [:]
    /// For each of them, what came with one of the first, cut off.
    package var firstMessages: [String: String] = [:]
    package static let messageCharactersMax = 300

    package init() {}

    package var away: Int { self.lost - self.back }

    /// Counts only: what is no sum of two is left as it is.
    static func += (left: inout Self, right: Self) {
        left.lost += right.lost
        left.dropped += right.dropped
        left.lossesByReason.merge(right.lossesByReason, uniquingKeysWith: +)
        left.back += right.back
        left.rateLimited += right.rateLimited
        left.retryAfterMillisecondsTotal += right.retryAfterMillisecondsTotal
        left.retryAfterMillisecondsMax = max(left.retryAfterMillisecondsMax, right.retryAfterMillisecondsMax)
        left.errors.merge(right.errors, uniquingKeysWith: +)
        left.firstMessages.merge(right.firstMessages) { first, _ in first }
    }

    private enum CodingKeys: String, CodingKey {
        case lost, dropped, back
        case lossesByReason = "losses_by_reason"
        case timeBack = "time_back"
        case sessionsRateLimited = "sessions_rate_limited"
        case rateLimited = "rate_limited"
        case retryAfterMillisecondsTotal = "retry_after_total_ms"
        case retryAfterMillisecondsMax = "retry_after_max_ms"
        case errors = "errors_by_name"
        case firstMessages = "first_messages"
    }
}
