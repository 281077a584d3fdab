// SPDX-License-Identifier: Apache-2.0

import HeapModule

/// Virtual time: what is due next happens next, and time stands still while it does. Things due at the same nanosecond
/// happen in the order in which they were scheduled.
package final class Scheduler {
    private struct Entry: Comparable {
        var time: UInt64
        var order: UInt64
        var run: () -> Void

        static func < (left: Entry, right: Entry) -> Bool {
            (left.time, left.order) < (right.time, right.order)
        }

        static func == (left: Entry, right: Entry) -> Bool {
            left.order == right.order
        }
    }

    private var heap = Heap<Entry>()
    private var nextOrder: UInt64 = 0
    private var isClosed = false
    /// Nanoseconds since the world began.
    package private(set) var now: UInt64 = 0
    package private(set) var eventCount = 0

    package init() {}

    package func schedule(after delay: UInt64, _ run: @escaping () -> Void) {
        guard !self.isClosed else { return }
        self.heap.insert(Entry(time: self.now + delay, order: self.nextOrder, run: run))
        self.nextOrder += 1
    }

    /// Nothing happens any more, and what would have is let go.
    package func close() {
        self.isClosed = true
        self.heap = Heap()
    }

    /// Lets happen what is due until then. `stop` is asked after each event.
    package func run(until end: UInt64, stop: () -> Bool = { false }) {
        while let next = self.heap.min, next.time <= end {
            _ = self.heap.popMin()
            self.now = next.time
            self.eventCount += 1
            next.run()
            if stop() { return }
        }
        self.now = max(self.now, end)
    }
}

extension UInt64 {
    package static func microseconds(_ count: UInt64) -> UInt64 { count * 1000 }
    package static func milliseconds(_ count: UInt64) -> UInt64 { count * 1_000_000 }
    package static func seconds(_ count: UInt64) -> UInt64 { count * 1_000_000_000 }
}
