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
