// SPDX-License-Identifier: Apache-2.0

import NIOCore
import NIOEmbedded
import Synchronization
import Testing

@testable import Edge

@Suite("Waits before another attempt", .timeLimit(.minutes(1)))
struct RetryWaitsTests {
    /// Longer than the test may take.
    private static let forever = 3_600_000

    @Test("Each ends once: by its time, or by news")
    func endsOnce() {
        let loop = EmbeddedEventLoop()
        let waits = RetryWaits()
        let ended = Mutex<[String]>([])
        waits.wait(milliseconds: 10, on: loop) { ended.withLock { $0.append("short") } }
        waits.wait(milliseconds: 20, on: loop) { ended.withLock { $0.append("long") } }
        loop.advanceTime(by: .milliseconds(10))
        #expect(ended.withLock { $0 } == ["short"])
        waits.wakeAll()
        #expect(ended.withLock { $0 } == ["short", "long"])
        loop.advanceTime(by: .milliseconds(20))
        waits.wakeAll()
        #expect(ended.withLock { $0 } == ["short", "long"])
    }

    @Test("A task goes on by its time, by news, or when it is cancelled")
    func tasks() async {
        let waits = RetryWaits()
        await waits.wait(milliseconds: 1)
        let cancelled = Task { await waits.wait(milliseconds: Self.forever) }
        cancelled.cancel()
        await cancelled.value
        let woken = Task { await waits.wait(milliseconds: Self.forever) }
        let waker = Task {
            // News that came before the wait began are none for it.
            while !Task.isCancelled {
                waits.wakeAll()
                await Task.yield()
            }
        }
        await woken.value
        waker.cancel()
    }
}
