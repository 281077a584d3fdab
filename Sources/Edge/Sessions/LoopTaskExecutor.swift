// SPDX-License-Identifier: Apache-2.0

internal import NIOCore

/// Runs the parts of a task on an event loop (SE-0417).
///
/// What a session asks of the registry and the routers is answered on some thread and ends on the session's loop. On the
/// default executor each step between would first wake a thread of Swift's pool: a fifth of what the beginning of a
/// session cost. The code of such a task must not block, as nothing may on a loop.
private final class LoopTaskExecutor: TaskExecutor {
    private let eventLoop: any EventLoop

    init(_ eventLoop: any EventLoop) {
        self.eventLoop = eventLoop
    }

    func enqueue(_ job: consuming ExecutorJob) {
        let job = UnownedJob(job)
        // The closure keeps the executor for as long as the job runs.
        self.eventLoop.execute {
            job.runSynchronously(on: self.asUnownedTaskExecutor())
        }
    }
}

extension EventLoop {
    /// Begins a task that runs on this loop, with all its child tasks, wherever no actor says otherwise.
    ///
    /// - Returns: completed by the end of the task.
    func makeFutureWithLoopTask<Value: Sendable>(
        _ body: @escaping @Sendable () async -> Value
    ) -> EventLoopFuture<Value> {
        let promise = self.makePromise(of: Value.self)
        let executor = LoopTaskExecutor(self)
        Task(executorPreference: executor) {
            promise.succeed(await body())
            // A task does not keep the executor that it prefers.
            withExtendedLifetime(executor) {}
        }
        return promise.futureResult
    }
}
