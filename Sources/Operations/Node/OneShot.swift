// SPDX-License-Identifier: Apache-2.0

import Synchronization

/// A value that is set once and waited for by any number of tasks. Any thread may call.
final class OneShot<Value: Sendable>: Sendable {
    private enum State {
        case waiting([UInt64: CheckedContinuation<Value?, Never>], next: UInt64)
        case set(Value)
    }

    private let state = Mutex(State.waiting([:], next: 0))

    init() {}

    /// Sets the value and wakes whoever waits. Returns false, and changes nothing, when there is one already.
    @discardableResult
    func set(_ value: Value) -> Bool {
        let waiting: [CheckedContinuation<Value?, Never>]? = self.state.withLock { state in
            guard case .waiting(let continuations, _) = state else { return nil }
            state = .set(value)
            return Array(continuations.values)
        }
        guard let waiting else { return false }
        for continuation in waiting {
            continuation.resume(returning: value)
        }
        return true
    }

    /// The value, if it was set.
    var value: Value? {
        self.state.withLock { state in
            if case .set(let value) = state { value } else { nil }
        }
    }

    /// Waits for the value. Returns nil when the task is cancelled first.
    func wait() async -> Value? {
        let ticket = self.state.withLock { state -> UInt64 in
            guard case .waiting(let continuations, let next) = state else { return 0 }
            state = .waiting(continuations, next: next + 1)
            return next
        }
        return await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let outcome: Value?? = self.state.withLock { state in
                    switch state {
                    case .set(let value):
                        return .some(value)
                    case .waiting(var continuations, let next):
                        // Cancellation looks for the ticket under this lock: it either sees it, or is seen here.
                        if Task.isCancelled { return .some(nil) }
                        continuations[ticket] = continuation
                        state = .waiting(continuations, next: next)
                        return nil
                    }
                }
                if let outcome { continuation.resume(returning: outcome) }
            }
        } onCancel: {
            let continuation = self.state.withLock { state -> CheckedContinuation<Value?, Never>? in
                guard case .waiting(var continuations, let next) = state else { return nil }
                let continuation = continuations.removeValue(forKey: ticket)
                state = .waiting(continuations, next: next)
                return continuation
            }
            continuation?.resume(returning: nil)
        }
    }

    /// Waits for the value, but only for so long. Returns nil when the time is over or the task cancelled.
    func wait(atMost time: Duration) async -> Value? {
        await withTaskGroup(of: Value?.self) { group in
            group.addTask { await self.wait() }
            group.addTask {
                try? await Task.sleep(for: time)
                return self.value
            }
            let first = await group.next() ?? nil
            group.cancelAll()
            return first
        }
    }
}
