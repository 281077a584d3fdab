// SPDX-License-Identifier: Apache-2.0

import NIOCore
import TestSupport
import Testing

@testable import Router

@Suite("The queue of a writer", .timeLimit(.minutes(1)))
struct WorkQueueTests {
    private static let minute = 60_000
    private static var inAnHour: NIODeadline { .now() + .hours(1) }

    @Test("At its bounds it refuses, and a piece that is larger than the bound goes alone")
    func bounds() {
        let queue = WorkQueue<Int>(itemsMax: 2, bytesMax: 100)
        #expect(queue.put(1, bytes: 500))
        #expect(!queue.put(2, bytes: 1))
        #expect(queue.take(itemsMax: 9, bytesMax: 9, timeoutMilliseconds: Self.minute) == [1])
        #expect(queue.put(3, bytes: 1))
        #expect(queue.put(4, bytes: 1))
        #expect(!queue.put(5, bytes: 1))
        #expect(queue.count == 2)
    }

    @Test("It gives what the bounds of one batch allow, in order")
    func batches() {
        let queue = WorkQueue<Int>(itemsMax: 10, bytesMax: 1000)
        for number in 1...5 { #expect(queue.put(number, bytes: 10)) }
        #expect(queue.take(itemsMax: 2, bytesMax: 100, timeoutMilliseconds: Self.minute) == [1, 2])
        #expect(queue.take(itemsMax: 9, bytesMax: 25, timeoutMilliseconds: Self.minute) == [3, 4])
        #expect(queue.take(itemsMax: 9, bytesMax: 5, timeoutMilliseconds: Self.minute) == [5])
        #expect(queue.take(itemsMax: 9, bytesMax: 5, timeoutMilliseconds: 1) == [])
    }

    @Test("Before its time a batch begins when it is full, and not before")
    func full() async throws {
        let queue = WorkQueue<Int>(itemsMax: 10, bytesMax: 1000)
        let taken = Task {
            try await onThread {
                queue.take(itemsMax: 3, bytesMax: 100, timeoutMilliseconds: Self.minute, notBefore: Self.inAnHour)
            }
        }
        for number in 1...3 { #expect(queue.put(number, bytes: 10)) }
        #expect(try await taken.value == [1, 2, 3])
        #expect(queue.put(4, bytes: 100))
        #expect(
            queue.take(itemsMax: 3, bytesMax: 100, timeoutMilliseconds: Self.minute, notBefore: Self.inAnHour) == [4]
        )
    }

    @Test("When its time has come a batch begins with what there is")
    func due() {
        let queue = WorkQueue<Int>(itemsMax: 10, bytesMax: 1000)
        #expect(queue.put(1, bytes: 10))
        let due = NIODeadline.now() + .milliseconds(20)
        #expect(queue.take(itemsMax: 3, bytesMax: 100, timeoutMilliseconds: Self.minute, notBefore: due) == [1])
        #expect(NIODeadline.now() >= due)
    }

    @Test("Closing ends every wait, and what is there can still be taken")
    func close() async throws {
        let queue = WorkQueue<Int>(itemsMax: 10, bytesMax: 1000)
        #expect(queue.put(1, bytes: 10))
        let taken = Task {
            try await onThread {
                queue.take(itemsMax: 3, bytesMax: 100, timeoutMilliseconds: Self.minute, notBefore: Self.inAnHour)
            }
        }
        queue.close()
        #expect(try await taken.value == [1])
        #expect(!queue.put(2, bytes: 10))
        #expect(queue.take(itemsMax: 3, bytesMax: 100, timeoutMilliseconds: Self.minute) == nil)
    }
}
