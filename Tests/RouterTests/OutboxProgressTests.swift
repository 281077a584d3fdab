// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import Router

@Suite("Outbox progress")
struct OutboxProgressTests {
    private let now = ContinuousClock.now

    @Test("An entry is under way once, until it failed or is finished")
    func underWay() {
        var progress = OutboxProgress()
        let first = progress.begin(1)
        let second = progress.begin(1)
        progress.failed(1)
        let afterFailure = progress.begin(1)
        #expect([first, second, afterFailure] == [true, false, true])
        _ = progress.finished([1])
        #expect(progress.underWayCount == 0)
        #expect(progress.room == OutboxProgress.underWayMax)
    }

    @Test("More entries for a shard that is away than may be under way do not keep back those behind them")
    func stuckEntries() {
        var progress = OutboxProgress()
        let stuck = Int64(OutboxProgress.underWayMax) * 2 + 7
        var open = Array(1...stuck + 3)
        for _ in 0..<8 {
            let read = progress.next(id: { $0 }) { after, limit in Array(open.filter { $0 > after }.prefix(limit)) }
            for entry in read where progress.begin(entry) {
                if entry <= stuck {
                    progress.failed(entry)
                } else {
                    _ = progress.finished([entry])
                    open.removeAll { $0 == entry }
                }
            }
        }
        #expect(open.count == Int(stuck), "those behind are through")
        // What could not be sent is tried again: nothing is passed over for good.
        var tried: Set<Int64> = []
        for _ in 0..<4 {
            let read = progress.next(id: { $0 }) { after, limit in Array(open.filter { $0 > after }.prefix(limit)) }
            tried.formUnion(read)
        }
        #expect(tried == Set(open))
    }

    @Test("Who waits is released when all entries are through, whatever their order")
    func waiters() {
        var progress = OutboxProgress()
        progress.wait(for: [1, 2], until: self.now + .seconds(3600)) {}
        progress.wait(for: [3], until: self.now + .seconds(3600)) {}
        let released = [[2], [3], [1]].map { progress.finished($0).count }
        #expect(released == [0, 1, 1])
        let left = progress.releaseAll().count
        #expect(left == 0)
    }

    @Test("Who has waited long enough is released, and only once")
    func expiry() {
        var progress = OutboxProgress()
        progress.wait(for: [1], until: self.now + .seconds(1)) {}
        let early = progress.expire(now: self.now).count
        let due = progress.expire(now: self.now + .seconds(1)).count
        let again = progress.finished([1]).count
        #expect([early, due, again] == [0, 1, 0])
    }
}
