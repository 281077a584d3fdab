// SPDX-License-Identifier: Apache-2.0

import Synchronization

/// What the sessions of a process with one shard tell each other: that it could not be reached, and that it can be again.
///
/// Belongs to a ``ShardSession/Configuration`` and all its copies. May be used from any thread.
final class ShardReachability: Sendable {
    private struct State {
        var backoff: ReconnectBackoff
        var lastFailure = StorageError(.unavailable, "no connection yet")
    }

    enum Turn {
        case attempt(ReconnectBackoff.Attempt)
        /// It is too early; why the last attempt failed.
        case wait(Duration, StorageError)
    }

    private let state: Mutex<State>

    init(waitMin: Duration, waitMax: Duration) {
        self.state = Mutex(State(backoff: ReconnectBackoff(waitMin: waitMin, waitMax: waitMax)))
    }

    /// - Parameter limit: how long an attempt can take.
    func begin(limit: Duration) -> Turn {
        self.state.withLock { state in
            switch state.backoff.begin(now: .now, limit: limit) {
            case .attempt(let attempt): .attempt(attempt)
            case .wait(let time): .wait(time, state.lastFailure)
            }
        }
    }

    /// Returns whether the reason is another one than before.
    func attemptFailed(_ attempt: ReconnectBackoff.Attempt, _ error: StorageError) -> Bool {
        self.state.withLock { state in
            state.backoff.attemptFailed(attempt, now: .now, random: Double.random(in: 0...1))
            defer { state.lastFailure = error }
            return state.lastFailure != error
        }
    }

    func attemptSucceeded() {
        self.state.withLock { $0.backoff.attemptSucceeded() }
    }
}
