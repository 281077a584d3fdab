// SPDX-License-Identifier: Apache-2.0

import Synchronization

/// Lets a bounded number of questions to the routers be under way for all syncs of an edge; others wait in their order.
///
/// So a reconnect storm neither floods the routers nor takes the readers of the shards from everybody else. A session
/// that waits for its own socket holds no permit. What waits is bounded by the sessions: each has one sync, with a
/// few reads.
final class SyncGate: Sendable {
    private struct State {
        var permits: Int
        var waiting: [@Sendable () -> Void] = []
        var next = 0
    }

    private let state: Mutex<State>

    init(permits: Int) {
        self.state = Mutex(State(permits: max(1, permits)))
    }

    /// - Parameter begin: called once, now or when it is its turn, on any thread; whoever it begins calls ``leave()`` once.
    func enter(_ begin: @escaping @Sendable () -> Void) {
        let isFree = self.state.withLock { state in
            guard state.permits > 0 else {
                state.waiting.append(begin)
                return false
            }
            state.permits -= 1
            return true
        }
        if isFree { begin() }
    }

    func leave() {
        let next = self.state.withLock { state -> (@Sendable () -> Void)? in
            guard state.next < state.waiting.count else {
                state.permits += 1
                return nil
            }
            let next = state.waiting[state.next]
            state.next += 1
            if state.next > 256, state.next > state.waiting.count / 2 {
                state.waiting.removeFirst(state.next)
                state.next = 0
            }
            return next
        }
        next?()
    }
}
