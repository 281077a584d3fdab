// SPDX-License-Identifier: Apache-2.0

internal import NIOCore

/// One ``TokenBucket`` for each key, of a bounded number of keys. Pure.
///
/// A key that is not there has a full bucket. At the bound room is made by forgetting: first the full buckets, which
/// say nothing, then those that are full soonest, until a quarter is free. A key that is forgotten begins with a full
/// bucket again, so somebody with very many addresses gets more than the rate of one, but neither takes memory without
/// limit nor keeps anybody else out; what all of them get together is bounded by the edge's own rate.
struct TokenBuckets<Key: Hashable & Sendable>: Sendable {
    let limit: RateLimit
    /// Buckets that are remembered.
    let keysMax: Int
    private var buckets: [Key: TokenBucket] = [:]

    init(limit: RateLimit, keysMax: Int) {
        precondition(keysMax > 1)
        self.limit = limit
        self.keysMax = keysMax
    }

    var count: Int { self.buckets.count }

    /// Takes a token. A refusal tells when a tenth of a burst is there again, so that somebody who sends many at once is
    /// not refused nine times of ten.
    mutating func take(for key: Key, now: NIODeadline) -> TokenBucket.Verdict {
        if let index = self.buckets.index(forKey: key) {
            guard case .refused(let earliest) = self.buckets.values[index].take(of: self.limit, now: now) else {
                return .granted
            }
            let batch = max(1, self.limit.burst / 10)
            let later = self.buckets.values[index].time(until: batch, of: self.limit, now: now)
            return .refused(retryAfter: max(earliest, later))
        }
        if self.buckets.count >= self.keysMax { self.makeRoom(now: now) }
        var bucket = TokenBucket(full: self.limit, now: now)
        let verdict = bucket.take(of: self.limit, now: now)
        self.buckets[key] = bucket
        return verdict
    }

    /// Puts a token back. Nothing happens to a key that was forgotten: its bucket counts as full.
    mutating func giveBack(for key: Key) {
        self.buckets[key]?.giveBack(of: self.limit)
    }

    /// Takes time for all keys, once for a quarter of them that came anew.
    private mutating func makeRoom(now: NIODeadline) {
        let limit = self.limit
        let target = self.keysMax - max(1, self.keysMax / 4)
        // All fill up at the same rate, so what is missing stands for the time until it is there.
        var missing = self.buckets.values.map { $0.missing(limit, now: now) }.filter { $0 > 0 }
        guard missing.count > target else {
            self.buckets = self.buckets.filter { $0.value.missing(limit, now: now) > 0 }
            return
        }
        missing.sort(by: >)
        let least = missing[target - 1]
        var equalsLeft = missing[..<target].reversed().prefix { $0 == least }.count
        self.buckets = self.buckets.filter { entry in
            let missing = entry.value.missing(limit, now: now)
            guard missing == least, equalsLeft > 0 else { return missing > least }
            equalsLeft -= 1
            return true
        }
    }
}
