// SPDX-License-Identifier: Apache-2.0

import Glibc
import NIOCore

/// A bounded queue between event loops and one thread that waits for work.
///
/// Putting never blocks; at the bound it refuses. Only the owning thread takes.
final class WorkQueue<Element: Sendable>: Sendable {
    let itemsMax: Int
    let bytesMax: Int
    private let state: LockedState

    init(itemsMax: Int, bytesMax: Int) {
        self.itemsMax = itemsMax
        self.bytesMax = bytesMax
        self.state = LockedState()
    }

    /// Returns false when the queue is full or closed.
    func put(_ element: Element, bytes: Int) -> Bool {
        self.state.withLock { state in
            guard !state.isClosed, state.items.count - state.taken < self.itemsMax,
                state.bytes + bytes <= self.bytesMax || state.items.count == state.taken
            else { return false }
            state.items.append((element, bytes))
            state.bytes += bytes
            return true
        }
    }

    /// Waits until there is something, takes as much as the bounds allow (but at least one element), in order.
    ///
    /// - Parameter notBefore: until then what is there waits for more, unless it is as much as is taken at once.
    /// - Returns: nothing when the timeout passed, nil when the queue is closed and empty.
    func take(
        itemsMax: Int,
        bytesMax: Int,
        timeoutMilliseconds: Int,
        notBefore: NIODeadline = .distantPast
    ) -> [Element]? {
        let timeout = NIODeadline.now() + .milliseconds(Int64(timeoutMilliseconds))
        self.state.wait(until: timeout, for: State.Wanted(items: 1, bytes: .max))
        if notBefore > .now() {
            self.state.wait(until: notBefore, for: State.Wanted(items: itemsMax, bytes: bytesMax))
        }
        return self.state.withLock { state in
            var taken: [Element] = []
            var bytes = 0
            while state.taken < state.items.count, taken.count < itemsMax {
                let (element, size) = state.items[state.taken]
                guard taken.isEmpty || bytes + size <= bytesMax else { break }
                taken.append(element)
                bytes += size
                state.taken += 1
            }
            state.bytes -= bytes
            state.compact()
            return taken.isEmpty && state.isClosed ? nil : taken
        }
    }

    /// No more is put; what is there can still be taken.
    func close() {
        self.state.withLock { $0.isClosed = true }
    }

    var count: Int {
        self.state.withLock { $0.items.count - $0.taken }
    }

    struct State {
        /// What the owning thread waits for: one of the two.
        struct Wanted {
            var items: Int
            var bytes: Int
        }

        var items: [(Element, Int)] = []
        /// How many at the start of `items` were taken already.
        var taken = 0
        var bytes = 0
        var isClosed = false
        /// While the owning thread waits.
        var wanted: Wanted?

        func has(_ wanted: Wanted) -> Bool {
            self.isClosed || self.items.count - self.taken >= wanted.items || self.bytes >= wanted.bytes
        }

        mutating func compact() {
            if self.taken == self.items.count {
                self.items.removeAll(keepingCapacity: self.items.capacity <= 4096)
                self.taken = 0
            } else if self.taken >= 4096 {
                self.items.removeFirst(self.taken)
                self.taken = 0
            }
        }
    }

    /// A value under a POSIX mutex with a condition; `Mutex` of the standard library cannot be waited on.
    ///
    /// Unchecked because the compiler cannot see that `value` is only touched between lock and unlock of `mutex`:
    /// both are private to this class, and its only two functions that touch the value hold the lock while they do.
    private final class LockedState: @unchecked Sendable {
        private let mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
        private let condition = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)
        private var value = State()

        init() {
            pthread_mutex_init(self.mutex, nil)
            var attributes = pthread_condattr_t()
            pthread_condattr_init(&attributes)
            pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC)
            pthread_cond_init(self.condition, &attributes)
            pthread_condattr_destroy(&attributes)
        }

        deinit {
            pthread_cond_destroy(self.condition)
            pthread_mutex_destroy(self.mutex)
            self.condition.deallocate()
            self.mutex.deallocate()
        }

        func withLock<Result>(_ body: (inout State) -> Result) -> Result {
            pthread_mutex_lock(self.mutex)
            defer {
                // A thread that waits for more than there is must not be woken by each piece.
                if let wanted = self.value.wanted, self.value.has(wanted) { pthread_cond_signal(self.condition) }
                pthread_mutex_unlock(self.mutex)
            }
            return body(&self.value)
        }

        /// NIO's deadlines are of the same clock as the condition.
        func wait(until deadline: NIODeadline, for wanted: State.Wanted) {
            var until = timespec(
                tv_sec: Int(deadline.uptimeNanoseconds / 1_000_000_000),
                tv_nsec: Int(deadline.uptimeNanoseconds % 1_000_000_000)
            )
            pthread_mutex_lock(self.mutex)
            self.value.wanted = wanted
            defer {
                self.value.wanted = nil
                pthread_mutex_unlock(self.mutex)
            }
            while !self.value.has(wanted) {
                if pthread_cond_timedwait(self.condition, self.mutex, &until) == ETIMEDOUT { return }
            }
        }
    }
}
