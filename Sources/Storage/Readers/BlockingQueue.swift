// SPDX-License-Identifier: Apache-2.0

import Glibc

/// A bounded queue whose consumers are threads that wait in it.
///
/// `@unchecked Sendable`: `elements` and `isClosed` are read and written only between the lock and the unlock of `mutex`;
/// `mutex` and `condition` are allocated once, never moved, and made to be used by several threads.
final class BlockingQueue<Element: Sendable>: @unchecked Sendable {
    private let countMax: Int
    private let mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
    private let condition = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)
    private var elements: [Element] = []
    private var isClosed = false

    init(countMax: Int) {
        self.countMax = countMax
        self.mutex.initialize(to: pthread_mutex_t())
        self.condition.initialize(to: pthread_cond_t())
        pthread_mutex_init(self.mutex, nil)
        pthread_cond_init(self.condition, nil)
    }

    deinit {
        pthread_cond_destroy(self.condition)
        pthread_mutex_destroy(self.mutex)
        self.condition.deallocate()
        self.mutex.deallocate()
    }

    enum Refusal {
        case full
        case closed
    }

    /// Never waits. Returns why the element was not taken, or nil when it was.
    func push(_ element: Element) -> Refusal? {
        pthread_mutex_lock(self.mutex)
        defer { pthread_mutex_unlock(self.mutex) }
        if self.isClosed { return .closed }
        if self.elements.count >= self.countMax { return .full }
        self.elements.append(element)
        pthread_cond_signal(self.condition)
        return nil
    }

    /// Waits for an element. Returns nil when the queue is closed.
    func pop() -> Element? {
        pthread_mutex_lock(self.mutex)
        defer { pthread_mutex_unlock(self.mutex) }
        while self.elements.isEmpty, !self.isClosed {
            pthread_cond_wait(self.condition, self.mutex)
        }
        return self.isClosed ? nil : self.elements.removeFirst()
    }

    /// Ends every wait. Returns what nobody will take any more.
    func close() -> [Element] {
        pthread_mutex_lock(self.mutex)
        defer { pthread_mutex_unlock(self.mutex) }
        self.isClosed = true
        defer { self.elements.removeAll() }
        pthread_cond_broadcast(self.condition)
        return self.elements
    }
}
