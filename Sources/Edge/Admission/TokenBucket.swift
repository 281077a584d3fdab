// SPDX-License-Identifier: Apache-2.0

package import ClusterConfiguration
internal import NIOCore

/// How many tokens a ``TokenBucket`` gets, and how many it holds.
///
/// Credit is counted in whole units, of which one token is worth as many as its period has nanoseconds: then every
/// nanosecond earns exactly ``unitsPerNanosecond``, nothing is rounded, and nothing drifts.
package struct RateLimit: Hashable, Sendable {
    /// Tokens per period.
    let unitsPerNanosecond: Int64
    /// The period in nanoseconds.
    let unitsPerToken: Int64
    /// Tokens that a full bucket holds.
    package let burst: Int

    /// At most 10^6 tokens of 3.6·10^12 units are held: that, and a debt of ten minutes at 10^6 a second, is half of
    /// what an `Int64` takes.
    package init(_ rate: Rate) {
        self.unitsPerNanosecond = Int64(rate.count)
        self.unitsPerToken = Int64(rate.period.seconds) * 1_000_000_000
        self.burst = rate.burst
    }

    private init(unitsPerNanosecond: Int64, unitsPerToken: Int64, burst: Int) {
        self.unitsPerNanosecond = unitsPerNanosecond
        self.unitsPerToken = unitsPerToken
        self.burst = burst
    }

    /// The same rate, one at a time.
    var withoutBurst: RateLimit {
        RateLimit(unitsPerNanosecond: self.unitsPerNanosecond, unitsPerToken: self.unitsPerToken, burst: 1)
    }

    var capacity: Int64 { Int64(self.burst) * self.unitsPerToken }

    /// The shortest time in which so many units are earned.
    func time(toEarn units: Int64) -> TimeAmount {
        guard units > 0 else { return .zero }
        let (whole, rest) = units.quotientAndRemainder(dividingBy: self.unitsPerNanosecond)
        return .nanoseconds(rest == 0 ? whole : whole + 1)
    }
}

/// A token bucket: full at first, filled at an even rate, never above its limit's burst. Pure; the limit and the time
/// are parameters, so one bucket takes 16 bytes.
///
/// Times may come out of order by a little, as those of several threads do: an earlier one counts as the latest.
struct TokenBucket: Hashable, Sendable {
    /// In the limit's units; negative while tokens are promised that are not there yet.
    private var credit: Int64
    private var updatedAt: NIODeadline

    init(full limit: RateLimit, now: NIODeadline) {
        self.credit = limit.capacity
        self.updatedAt = now
    }

    enum Verdict: Hashable, Sendable {
        case granted
        /// The same call is granted after this time, if nobody else comes before; not a nanosecond earlier.
        case refused(retryAfter: TimeAmount)
    }

    /// - Parameter count: At most the limit's burst, or it would never be granted.
    mutating func take(_ count: Int = 1, of limit: RateLimit, now: NIODeadline) -> Verdict {
        precondition(count <= limit.burst, "more tokens than a full bucket holds")
        self.refill(limit, now: now)
        let price = Int64(count) * limit.unitsPerToken
        guard self.credit >= price else { return .refused(retryAfter: limit.time(toEarn: price - self.credit)) }
        self.credit -= price
        return .granted
    }

    enum Reservation: Hashable, Sendable {
        case granted
        /// The token is taken; it is there after this time, and for nobody else.
        case reserved(after: TimeAmount)
        /// It would be there after this time, which is too long.
        case refused(retryAfter: TimeAmount)
    }

    /// Takes one token, of the future if need be: those who call one after the other get turns one after the other, at
    /// the limit's rate.
    ///
    /// - Parameter longest: The longest wait that is promised.
    mutating func reserve(of limit: RateLimit, within longest: TimeAmount, now: NIODeadline) -> Reservation {
        self.refill(limit, now: now)
        let wait = limit.time(toEarn: limit.unitsPerToken - self.credit)
        guard wait <= longest else { return .refused(retryAfter: wait) }
        self.credit -= limit.unitsPerToken
        return wait == .zero ? .granted : .reserved(after: wait)
    }

    /// Puts tokens back that were taken for something that did not happen.
    mutating func giveBack(_ count: Int = 1, of limit: RateLimit) {
        self.credit = min(limit.capacity, self.credit + Int64(count) * limit.unitsPerToken)
    }

    /// How long until so many tokens are there.
    func time(until count: Int, of limit: RateLimit, now: NIODeadline) -> TimeAmount {
        var future = self
        future.refill(limit, now: now)
        return limit.time(toEarn: Int64(min(count, limit.burst)) * limit.unitsPerToken - future.credit)
    }

    /// How many of the limit's units it is short of being full; 0 when a new bucket would be the same.
    func missing(_ limit: RateLimit, now: NIODeadline) -> Int64 {
        var future = self
        future.refill(limit, now: now)
        return limit.capacity - future.credit
    }

    private mutating func refill(_ limit: RateLimit, now: NIODeadline) {
        guard now > self.updatedAt else { return }
        let elapsed = now - self.updatedAt
        self.updatedAt = now
        let missing = limit.capacity - self.credit
        // The product is computed only where it is small: below what is missing.
        if elapsed >= limit.time(toEarn: missing) {
            self.credit = limit.capacity
        } else {
            self.credit += elapsed.nanoseconds * limit.unitsPerNanosecond
        }
    }
}
