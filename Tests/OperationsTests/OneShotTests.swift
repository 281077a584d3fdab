// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import Operations

@Suite("A value that is set once")
struct OneShotTests {
    @Test("wakes everybody who waits, and whoever comes later")
    func wakesAll() async {
        let value = OneShot<Int>()
        await withTaskGroup(of: Int?.self) { group in
            for _ in 0..<20 {
                group.addTask { await value.wait() }
            }
            value.set(7)
            for await seen in group {
                #expect(seen == 7)
            }
        }
        #expect(await value.wait() == 7)
    }

    @Test("takes the first value only")
    func takesFirst() {
        let value = OneShot<Int>()
        #expect(value.set(1))
        #expect(!value.set(2))
        #expect(value.value == 1)
    }

    @Test("lets a cancelled task go without a value")
    func cancellation() async {
        let value = OneShot<Int>()
        let waiting = Task { await value.wait() }
        waiting.cancel()
        #expect(await waiting.value == nil)
        #expect(value.set(1))
    }

    @Test("waits no longer than it was told")
    func boundedWait() async {
        let value = OneShot<Int>()
        let begun = ContinuousClock.now
        #expect(await value.wait(atMost: .milliseconds(30)) == nil)
        #expect(ContinuousClock.now - begun < .seconds(5))
        value.set(3)
        #expect(await value.wait(atMost: .seconds(60)) == 3)
    }
}
