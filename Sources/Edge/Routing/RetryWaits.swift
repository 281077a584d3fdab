// SPDX-License-Identifier: Apache-2.0

internal import NIOCore
import Synchronization

/// Those who wait before another attempt: each goes on after its time, or as soon as something is known that gives an
/// attempt a better chance. May be used from any thread.
///
/// Without it a wait that had grown while the owner of a slot was dead would go on after its successor is known.
/// Bounded by the requests under way; one that was woken leaves a timer behind for at most the longest wait.
package final class RetryWaits: Sendable {
    private struct State {
        var nextNumber: UInt64 = 0
        var waiting: [UInt64: @Sendable () -> Void] = [:]
    }

    private let state = Mutex(State())

    package init() {}

    /// - Parameter completion: called exactly once, on the event loop when the time is over, else on the thread that
    ///   brought the news; must not block.
    func wait(
        milliseconds: Int,
        on eventLoop: any EventLoop,
        completion: @escaping @Sendable () -> Void
    ) {
        let number = self.register(completion)
        eventLoop.scheduleTask(in: .milliseconds(Int64(milliseconds))) { self.take(number)?() }
    }

    /// The same for a task. Returns early, too, when the task is cancelled.
    func wait(milliseconds: Int) async {
        await withTaskGroup(of: Void.self) { group in
            let number = self.reserve()
            group.addTask { [self] in
                await withTaskCancellationHandler {
                    await withCheckedContinuation { continuation in
                        self.register(number) { continuation.resume() }
                        // The cancellation may have come before there was anything to take.
                        if Task.isCancelled { self.take(number)?() }
                    }
                } onCancel: {
                    self.take(number)?()
                }
            }
            // The time itself: whichever of the two ends first ends the wait.
            group.addTask { try? await Task.sleep(for: .milliseconds(milliseconds)) }
            await group.next()
            group.cancelAll()
        }
    }

    /// All go on now.
    package func wakeAll() {
        let waiting = self.state.withLock { state in
            defer { state.waiting = [:] }
            return state.waiting
        }
        for completion in waiting.values {
            completion()
        }
    }

    private func reserve() -> UInt64 {
        self.state.withLock { state in
            state.nextNumber += 1
            return state.nextNumber
        }
    }

    private func register(_ number: UInt64, _ completion: @escaping @Sendable () -> Void) {
        self.state.withLock { $0.waiting[number] = completion }
    }

    private func register(_ completion: @escaping @Sendable () -> Void) -> UInt64 {
        let number = self.reserve()
        self.register(number, completion)
        return number
    }

    private func take(_ number: UInt64) -> (@Sendable () -> Void)? {
        self.state.withLock { $0.waiting.removeValue(forKey: number) }
    }
}
