// SPDX-License-Identifier: Apache-2.0

internal import ClusterConfiguration
internal import NIOCore

/// How many sessions an edge that stops sends away at a moment. A pure value.
///
/// The other edges take them up at about this rate. What does not go in time goes at once in the end, while there is
/// time for a last word to each.
struct DismissalPace: Sendable {
    /// How often sessions are sent away.
    static let interval = TimeAmount.milliseconds(50)
    /// This long before the time is up all go, and what they have under way is not waited for any more.
    static let forcedTime = TimeAmount.seconds(2)

    private let limit: RateLimit?
    private var bucket: TokenBucket?
    private let end: NIODeadline

    /// - Parameters:
    ///   - rate: nil for no limit.
    ///   - end: when the time is up.
    init(_ rate: Rate?, now: NIODeadline, end: NIODeadline) {
        let limit = rate.map { rate in
            // A bucket that holds less than comes in between two waves would fall behind the rate.
            let wave = rate.count * Int(Self.interval.nanoseconds / 1_000_000) / (rate.period.seconds * 1000)
            return RateLimit(Rate(rate.count, per: rate.period, burst: max(rate.burst, wave, 1)))
        }
        self.limit = limit
        self.bucket = limit.map { TokenBucket(full: $0, now: now) }
        self.end = end
    }

    func isForced(now: NIODeadline) -> Bool { now + Self.forcedTime >= self.end }

    /// Takes what may go now, at most so many.
    mutating func take(_ wanted: Int, now: NIODeadline) -> Int {
        guard let limit = self.limit, var bucket = self.bucket, !self.isForced(now: now) else { return wanted }
        var count = 0
        while count < wanted, bucket.take(of: limit, now: now) == .granted { count += 1 }
        self.bucket = bucket
        return count
    }
}
