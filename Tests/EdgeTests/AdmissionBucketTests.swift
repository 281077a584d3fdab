// SPDX-License-Identifier: Apache-2.0

import ClusterConfiguration
import NIOCore
import TestSupport
import Testing

@testable import Edge

@Suite("Token buckets")
struct AdmissionBucketTests {
    private static let start = NIODeadline.uptimeNanoseconds(1_000_000_000_000)

    /// The bucket's definition in exact fractions: credit in tokens times the period, from the start, as a 128-bit number.
    private struct Model {
        let rate: Rate
        var credit: UInt128
        var time: NIODeadline

        init(_ rate: Rate, at time: NIODeadline) {
            self.rate = rate
            self.credit = UInt128(rate.burst) * UInt128(rate.period.seconds) * 1_000_000_000
            self.time = time
        }

        var price: UInt128 { UInt128(self.rate.period.seconds) * 1_000_000_000 }

        mutating func take(_ count: Int, now: NIODeadline) -> Bool {
            let elapsed = UInt128((now - self.time).nanoseconds)
            self.time = now
            self.credit = min(self.credit + elapsed * UInt128(self.rate.count), UInt128(self.rate.burst) * self.price)
            guard self.credit >= UInt128(count) * self.price else { return false }
            self.credit -= UInt128(count) * self.price
            return true
        }
    }

    @Test("Over random times it does exactly what its definition says, and a refusal names the first good instant")
    func exactness() {
        let seed: UInt64 = 0xB0C4
        var random = SeededRandom(seed: seed)
        let periods = Rate.Period.allCases
        for round in 0..<60 {
            let rate = Rate(
                Int.random(in: 1...[3, 1000, 1_000_000][round % 3], using: &random),
                per: periods[round % periods.count],
                burst: Int.random(in: 1...[2, 100, 1_000_000][round / 3 % 3], using: &random)
            )
            let limit = RateLimit(rate)
            var now = Self.start
            var bucket = TokenBucket(full: limit, now: now)
            var model = Model(rate, at: now)
            let typical = max(1, Int64(rate.period.seconds) * 1_000_000_000 / Int64(rate.count))
            for _ in 0..<300 {
                now = now + .nanoseconds(Int64.random(in: 0...typical * 3, using: &random))
                let count = Int.random(in: 1...min(rate.burst, 3), using: &random)
                let before = bucket
                let verdict = bucket.take(count, of: limit, now: now)
                let expected = model.take(count, now: now)
                switch verdict {
                case .granted:
                    #expect(expected, "seed \(seed), \(rate)")
                case .refused(let wait):
                    #expect(!expected, "seed \(seed), \(rate)")
                    var (early, exact) = (before, before)
                    let tooEarly = early.take(count, of: limit, now: now + wait - .nanoseconds(1))
                    let inTime = exact.take(count, of: limit, now: now + wait)
                    #expect(tooEarly != .granted && inTime == .granted, "seed \(seed), \(rate)")
                }
            }
        }
    }

    @Test("Nothing drifts: after a million odd steps it has granted what the rate gives, to the token")
    func drift() {
        // A third of a second per token is no whole number of nanoseconds.
        let limit = RateLimit(Rate(3, per: .second, burst: 1))
        var now = Self.start
        var bucket = TokenBucket(full: limit, now: now)
        var granted = 0
        for _ in 0..<1_000_000 {
            now = now + .nanoseconds(333_333)
            if bucket.take(of: limit, now: now) == .granted { granted += 1 }
        }
        // 333.333 seconds at 3 a second, and the burst; a token ripens within a step, so at most one step is lost each.
        #expect((999...1001).contains(granted))
    }

    @Test("Times that run backwards neither give nor take anything")
    func backwards() {
        let limit = RateLimit(Rate(1, per: .second, burst: 1))
        var bucket = TokenBucket(full: limit, now: Self.start)
        var verdicts = [bucket.take(of: limit, now: Self.start)]
        verdicts.append(bucket.take(of: limit, now: Self.start - .seconds(100)))
        verdicts.append(bucket.take(of: limit, now: Self.start + .seconds(1)))
        #expect(verdicts == [.granted, .refused(retryAfter: .seconds(1)), .granted])
    }

    @Test("The largest rate, burst and debt stay within the arithmetic")
    func extremes() {
        let most = Rate.bounds.upperBound
        for period in Rate.Period.allCases {
            let limit = RateLimit(Rate(most, per: period, burst: most))
            var bucket = TokenBucket(full: limit, now: .uptimeNanoseconds(0))
            let far = NIODeadline.uptimeNanoseconds(UInt64(Int64.max / 2))
            let all = bucket.take(most, of: limit, now: far)
            #expect(all == .granted)
            var last = TokenBucket.Reservation.granted
            for _ in 0..<1000 { last = bucket.reserve(of: limit, within: .minutes(10), now: far) }
            #expect(last != .granted)
            bucket.giveBack(1000, of: limit)
            bucket.giveBack(most, of: limit)
            #expect(bucket.missing(limit, now: far) == 0)
        }
        let slow = RateLimit(Rate(1, per: .hour, burst: most))
        var bucket = TokenBucket(full: slow, now: Self.start)
        _ = bucket.take(most, of: slow, now: Self.start)
        #expect(bucket.time(until: most, of: slow, now: Self.start) == .hours(Int64(most)))
    }

    @Test(
        "Turns are given at the rate: of 5,000 that come at once everybody has a turn of its own, one after the other"
    )
    func turns() {
        let rate = Rate(200, per: .second, burst: 100)
        let limit = RateLimit(rate)
        var bucket = TokenBucket(full: limit, now: Self.start)
        var waits: [TimeAmount] = []
        for _ in 0..<5000 {
            switch bucket.reserve(of: limit, within: .seconds(60), now: Self.start) {
            case .granted: waits.append(.zero)
            case .reserved(let after): waits.append(after)
            case .refused: Issue.record("refused")
            }
        }
        #expect(waits.prefix(100).allSatisfy { $0 == .zero })
        for (place, wait) in waits.dropFirst(100).enumerated() {
            #expect(wait == .milliseconds(Int64(5 * (place + 1))))
        }
    }

    @Test("Beyond the longest wait nobody is promised anything, and a turn that is given back is given to the next")
    func turnsEnd() {
        let limit = RateLimit(Rate(10, per: .second, burst: 1))
        var bucket = TokenBucket(full: limit, now: Self.start)
        func come(after time: TimeAmount = .zero) -> TokenBucket.Reservation {
            bucket.reserve(of: limit, within: .seconds(1), now: Self.start + time)
        }
        let first = (0..<11).map { _ in come() }
        #expect(first == [.granted] + (1...10).map { .reserved(after: .milliseconds($0 * 100)) })
        #expect(come() == .refused(retryAfter: .milliseconds(1100)))
        #expect(come() == .refused(retryAfter: .milliseconds(1100)), "a refusal takes no turn")
        bucket.giveBack(of: limit)
        #expect(come() == .reserved(after: .seconds(1)))
        #expect(come(after: .milliseconds(250)) == .reserved(after: .milliseconds(850)))
    }
}

@Suite("Tables of token buckets")
struct AdmissionTableTests {
    private static let start = NIODeadline.uptimeNanoseconds(1_000_000_000_000)

    @Test("The number of keys is bounded, whoever comes")
    func bound() {
        var table = TokenBuckets<Int>(limit: RateLimit(Rate(1, per: .hour, burst: 5)), keysMax: 100)
        var most = 0
        for key in 0..<10_000 {
            _ = table.take(for: key, now: Self.start)
            most = max(most, table.count)
        }
        #expect(most == 100)
    }

    @Test("Full buckets go first; those that were used hard are remembered")
    func fullFirst() {
        let limit = RateLimit(Rate(1, per: .second, burst: 10))
        var table = TokenBuckets<Int>(limit: limit, keysMax: 100)
        for key in 0..<90 { _ = table.take(for: key, now: Self.start) }
        // Two seconds later those are full again.
        let later = Self.start + .seconds(2)
        for key in 90..<100 {
            for _ in 0..<10 { _ = table.take(for: key, now: later) }
        }
        #expect(table.count == 100)
        _ = table.take(for: 100, now: later)
        #expect(table.count == 11)
        for key in 90..<100 {
            #expect(table.take(for: key, now: later) != .granted, "\(key) is still used up")
        }
    }

    @Test("Somebody with very many addresses neither keeps others out nor makes the table forget who is used up")
    func manyAddresses() {
        let limit = RateLimit(Rate(1, per: .second, burst: 10))
        var table = TokenBuckets<Int>(limit: limit, keysMax: 100)
        for _ in 0..<10 { _ = table.take(for: -1, now: Self.start) }
        for key in 0..<1000 {
            _ = table.take(for: key, now: Self.start)
            let someoneElse = table.take(for: 1_000_000 + key, now: Self.start)
            #expect(someoneElse == .granted)
        }
        #expect(table.take(for: -1, now: Self.start) != .granted)
        #expect(table.count <= 100)
    }

    @Test("A refusal tells when a tenth of the burst is there, and then it is")
    func batch() {
        let limit = RateLimit(Rate(100, per: .second, burst: 50))
        var table = TokenBuckets<String>(limit: limit, keysMax: 10)
        for _ in 0..<50 { #expect(table.take(for: "a", now: Self.start) == .granted) }
        #expect(table.take(for: "a", now: Self.start) == .refused(retryAfter: .milliseconds(50)))
        let then = Self.start + .milliseconds(50)
        let verdicts = (0..<6).map { _ in table.take(for: "a", now: then) }
        #expect(verdicts.prefix(5).allSatisfy { $0 == .granted } && verdicts[5] != .granted)
        #expect(table.take(for: "b", now: Self.start) == .granted, "others are not concerned")
        table.giveBack(for: "a")
        #expect(table.take(for: "a", now: then) == .granted)
    }

    @Test("Those whom an edge refuses at once are told different times, at the rate")
    func advice() {
        let rate = NodeRate(RateLimit(Rate(100, per: .second, burst: 10)), now: Self.start)
        var times: [TimeAmount] = []
        for _ in 0..<1010 {
            if case .refused(let after) = rate.take(now: Self.start) { times.append(after) }
        }
        #expect(times.count == 1000)
        #expect(times.max() == .milliseconds(9990))
        // Whoever comes when it was told to is let in.
        var refused = 0
        for time in times.sorted() {
            if case .refused = rate.take(now: Self.start + time) { refused += 1 }
        }
        #expect(refused <= 1)
    }

    @Test("A table that all threads use has one bucket for each key")
    func shared() async {
        let table = RateTable<Int>(RateLimit(Rate(1, per: .hour, burst: 100)))
        let granted = await withTaskGroup(of: Int.self) { group in
            for _ in 0..<8 {
                group.addTask {
                    (0..<1000).count { table.take(for: $0 % 7, now: Self.start) == .granted }
                }
            }
            return await group.reduce(0, +)
        }
        #expect(granted == 700)
        #expect(table.count == 7)
    }
}
