// SPDX-License-Identifier: Apache-2.0

import Synchronization
import Threads

/// A few threads, each with its own ``ShardSession`` to one shard, that read for asynchronous callers.
///
/// So neither an event loop nor Swift's pool waits for the database. At most `queuedReadsMax` reads wait for a thread;
/// one more is refused at once, and one that waited longer than a statement may take is refused when its turn
/// comes, because its caller has given up or will soon.
package final class ShardReaders: Sendable {
    package static let threadCountDefault = 2
    package static let queuedReadsDefault = 1024

    private struct Job: Sendable {
        var queuedAt: ContinuousClock.Instant
        /// Runs on a session, or fails with the error; one of both, once.
        var finish: @Sendable (Result<SessionReference, StorageError>) -> Void
    }

    /// Carries a session through a `Result` on the one thread that owns it.
    private struct SessionReference {
        var session: ShardSession
    }

    private struct Ending {
        var runningThreads: Int
        var waiters: [CheckedContinuation<Void, Never>] = []
    }

    /// What the threads hold on to, so that they do not keep the readers themselves alive.
    private final class Shared: Sendable {
        let queue: BlockingQueue<Job>
        let ending: Mutex<Ending>

        init(queuedReadsMax: Int, threads: Int) {
            self.queue = BlockingQueue(countMax: queuedReadsMax)
            self.ending = Mutex(Ending(runningThreads: threads))
        }

        func threadEnded() {
            let waiters = self.ending.withLock { ending in
                ending.runningThreads -= 1
                guard ending.runningThreads == 0 else { return [CheckedContinuation<Void, Never>]() }
                defer { ending.waiters.removeAll() }
                return ending.waiters
            }
            for waiter in waiters { waiter.resume() }
        }
    }

    private let shared: Shared
    private let shardName: String
    private let queuedReadsMax: Int

    package init(
        _ configuration: ShardSession.Configuration,
        threads: Int = ShardReaders.threadCountDefault,
        queuedReadsMax: Int = ShardReaders.queuedReadsDefault
    ) {
        precondition(threads > 0 && queuedReadsMax > 0)
        let shared = Shared(queuedReadsMax: queuedReadsMax, threads: threads)
        self.shared = shared
        self.shardName = configuration.shard.name
        self.queuedReadsMax = queuedReadsMax
        var startedThreads = 0
        for index in 0..<threads {
            let thread = PlainThread(name: "read-\(index)-\(configuration.shard.name)") {
                Self.run(shared, configuration)
            }
            if thread != nil { startedThreads += 1 } else { shared.threadEnded() }
        }
        if startedThreads == 0 {
            // A process without a thread to spare: every read is refused instead of waiting for nobody.
            Self.refuse(shared.queue.close(), shard: configuration.shard.name)
        }
    }

    deinit {
        Self.refuse(self.shared.queue.close(), shard: self.shardName)
    }

    /// Runs `body` on one of the threads. It must only read and must not keep the session.
    package func read<Value: Sendable>(
        _ body: @escaping @Sendable (ShardSession) throws(StorageError) -> Value
    ) async throws(StorageError) -> Value {
        let result = await withCheckedContinuation { continuation in
            self.read(body) { continuation.resume(returning: $0) }
        }
        return try result.get()
    }

    /// Runs `body` on one of the threads. It must not keep the session, and must only read, or write what belongs to no
    /// slot.
    ///
    /// - Parameter completion: called exactly once: on the thread that read, or at once when the read is refused.
    package func read<Value: Sendable>(
        _ body: @escaping @Sendable (ShardSession) throws(StorageError) -> Value,
        completion: @escaping @Sendable (Result<Value, StorageError>) -> Void
    ) {
        let job = Job(queuedAt: ContinuousClock.now) { outcome in
            switch outcome {
            case .failure(let error): completion(.failure(error))
            case .success(let reference):
                completion(Result { () throws(StorageError) in try body(reference.session) })
            }
        }
        switch self.shared.queue.push(job) {
        case nil: break
        case .full:
            let message = "shard \(self.shardName): \(self.queuedReadsMax) reads are waiting already"
            job.finish(.failure(StorageError(.unavailable, message)))
        case .closed: Self.refuse([job], shard: self.shardName)
        }
    }

    /// Fails what waits, lets what runs come to its end (at most a statement's and a connection's timeout), and returns
    /// when the last thread has closed its session. Later reads are refused. May be called again.
    package func shutdown() async {
        Self.refuse(self.shared.queue.close(), shard: self.shardName)
        await withCheckedContinuation { continuation in
            let hasEnded = self.shared.ending.withLock { ending in
                if ending.runningThreads > 0 { ending.waiters.append(continuation) }
                return ending.runningThreads == 0
            }
            if hasEnded { continuation.resume() }
        }
    }

    // MARK: -

    private static func run(_ shared: Shared, _ configuration: ShardSession.Configuration) {
        do {
            let session = ShardSession(configuration)
            while let job = shared.queue.pop() {
                if ContinuousClock.now - job.queuedAt > configuration.statementTimeout {
                    let message = "shard \(configuration.shard.name): the read waited too long for a thread"
                    job.finish(.failure(StorageError(.unavailable, message)))
                } else {
                    job.finish(.success(SessionReference(session: session)))
                }
            }
        }
        shared.threadEnded()
    }

    private static func refuse(_ jobs: [Job], shard: String) {
        for job in jobs {
            job.finish(.failure(StorageError(.unavailable, "shard \(shard): the readers are shutting down")))
        }
    }
}
