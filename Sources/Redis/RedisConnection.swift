// SPDX-License-Identifier: Apache-2.0

import Logging
import Threads

/// One connection to the primary of a Redis that pipelines whatever is waiting and comes back by itself.
///
/// A thread of its own owns the one hiredis context; nothing here blocks the caller. Commands are carried out in the
/// order of their `send`; those of one `send` travel without another's in between. While there is no connection and
/// every address has been tried in vain, commands fail at once with `.unavailable` instead of waiting. A command is
/// answered or failed within the command timeout from its turn, and gets its turn within one more once there is a
/// connection.
///
/// Where several servers or sentinels are named, the connection follows the primary through a fail-over. Replication is
/// asynchronous: what was answered by the former primary may be missing at the next one, which
/// ``RedisConnectionState/reign`` tells. A server that was demoted refuses writes with `READONLY`; that answer is handed
/// on like any other, and the command has not happened.
///
/// A command that failed with an error for which ``RedisError/isOutcomeUnknown`` holds may have been carried out; it is
/// never sent again by itself.
package final class RedisConnection: Sendable {
    private let core: ConnectionCore
    private let thread: PlainThread

    /// Starts the thread, which connects at once; commands may be sent immediately.
    ///
    /// - Parameter onStateChange: Called on the Redis thread after every change of ``state``; must not block.
    /// - Throws: `.unavailable` when the system has no thread or descriptor left.
    package init(
        configuration: RedisConfiguration,
        logger: Logger,
        onStateChange: (@Sendable (RedisConnectionState) -> Void)? = nil
    ) throws(RedisError) {
        guard let wakePipe = WakePipe() else {
            throw RedisError(.unavailable, "There is no file descriptor left for the connection to Redis.")
        }
        let core = ConnectionCore(
            configuration: configuration,
            logger: logger,
            wakePipe: wakePipe,
            observer: onStateChange
        )
        let started = PlainThread(name: "redis") {
            var thread = ConnectionThread(core: core)
            thread.run()
        }
        guard let started else {
            throw RedisError(.unavailable, "There is no thread left for the connection to Redis.")
        }
        self.core = core
        self.thread = started
    }

    /// The thread ends by itself soon after; ``shutdown()`` is how to know when.
    deinit {
        self.core.stop()
    }

    package var state: RedisConnectionState { self.core.state }

    /// Commands and bytes that were accepted and are not yet answered.
    package var held: (commands: Int, bytes: Int) { self.core.held }

    /// Sends commands together; the answers come in the same order, an error that the server answers among them.
    ///
    /// - Parameter completion: Called exactly once: on the Redis thread, where it must not block; or, when the request
    ///   is refused at once, before this returns.
    package func send(
        _ commands: [RedisCommand],
        completion: @escaping @Sendable (Result<[RedisValue], RedisError>) -> Void
    ) {
        guard !commands.isEmpty else { return completion(.success([])) }
        self.core.submit(RedisRequest(commands: commands, submittedAt: .now, completion: completion))
    }

    /// Sends commands together; see ``send(_:completion:)``. Cancelling the task does not take them back.
    package func send(_ commands: [RedisCommand]) async throws(RedisError) -> [RedisValue] {
        let result = await withCheckedContinuation { continuation in
            self.send(commands) { continuation.resume(returning: $0) }
        }
        return try result.get()
    }

    /// Ends the connection and its thread: what is on the wire is awaited for at most the command timeout, what waits
    /// behind it fails with `.shutDown`, and so does every later `send`. May be called more than once.
    ///
    /// Must not be awaited from a completion.
    package func shutdown() async {
        self.core.stop()
        await self.core.waitForEnd()
        self.thread.join()
    }
}
