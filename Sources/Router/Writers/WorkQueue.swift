// SPDX-License-Identifier: Apache-2.0

import Glibc

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
    /// - Returns: nothing when the timeout passed, nil when the queue is closed and empty.
    func take(itemsMax: Int, bytesMax: Int, timeoutMilliseconds: Int) -> [Element]? {
        self.state.wait(timeoutMilliseconds: timeoutMilliseconds) { $0.items.count > $0.taken || $0.isClosed }
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
        var items: [(Element, Int)] = []
        /// How many at the start of `items` were taken already.
        var taken = 0
        var bytes = 0
        var isClosed = false

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
                pthread_cond_signal(self.condition)
                pthread_mutex_unlock(self.mutex)
            }
            return body(&self.value)
        }

        func wait(timeoutMilliseconds: Int, until isReady: (State) -> Bool) {
            var until = timespec()
            clock_gettime(CLOCK_MONOTONIC, &until)
            until.tv_sec += timeoutMilliseconds / 1000
            until.tv_nsec += timeoutMilliseconds % 1000 * 1_000_000
            if until.tv_nsec >= 1_000_000_000 {
                until.tv_sec += 1
                until.tv_nsec -= 1_000_000_000
            }
            pthread_mutex_lock(self.mutex)
            defer { pthread_mutex_unlock(self.mutex) }
            while !isReady(self.value) {
                if pthread_cond_timedwait(self.condition, self.mutex, &until) == ETIMEDOUT { return }
            }
        }
    }
}
