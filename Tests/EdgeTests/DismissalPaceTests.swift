// SPDX-License-Identifier: Apache-2.0

import ClusterConfiguration
import NIOCore
import Testing

@testable import Edge

@Suite("The pace at which an edge that stops sends its sessions away")
struct DismissalPaceTests {
    private static let start = NIODeadline.uptimeNanoseconds(1_000_000_000)

    /// How many go in each of the waves up to a time, when there are always more.
    private func waves(_ rate: Rate?, until time: TimeAmount, limit: TimeAmount = .seconds(20)) -> [Int] {
        var pace = DismissalPace(rate, now: Self.start, end: Self.start + limit)
        var counts: [Int] = []
        var elapsed = TimeAmount.zero
        while elapsed < time {
            counts.append(pace.take(10_000, now: Self.start + elapsed))
            elapsed = elapsed + DismissalPace.interval
        }
        return counts
    }

    @Test(
        "The burst at once, then as many as the rate says, however small the burst is",
        arguments: [
            Rate(2000, per: .second, burst: 100), Rate(2000, per: .second, burst: 1), Rate(10, per: .second, burst: 5),
            Rate(600, per: .minute, burst: 1),
        ]
    )
    func rate(rate: Rate) {
        let counts = self.waves(rate, until: .seconds(10))
        let perSecond = rate.count / rate.period.seconds
        #expect(counts[0] == max(rate.burst, perSecond / 20, 1))
        let later = counts.dropFirst().reduce(0, +)
        #expect((perSecond * 10 - perSecond / 10 - 1...perSecond * 10).contains(later), "\(later) in ten seconds")
    }

    @Test("Shortly before the time is up all that are left go, and what they have under way is not waited for")
    func forced() {
        let rate = Rate(1, per: .second, burst: 1)
        let counts = self.waves(rate, until: .seconds(4), limit: .seconds(6))
        #expect(counts.reduce(0, +) == 4)
        var pace = DismissalPace(rate, now: Self.start, end: Self.start + .seconds(6))
        #expect(!pace.isForced(now: Self.start + .milliseconds(3999)))
        let later = Self.start + .seconds(4)
        #expect(pace.isForced(now: later))
        let count = pace.take(10_000, now: later)
        #expect(count == 10_000)
    }

    @Test("Without a limit all go at once")
    func off() {
        #expect(self.waves(nil, until: .milliseconds(50)) == [10_000])
    }
}
