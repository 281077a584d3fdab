// SPDX-License-Identifier: Apache-2.0

package import Messaging
internal import NIOPosix
import Synchronization

/// Hashes passwords on threads of its own, a bounded number at a time.
///
/// Scrypt is slow and takes megabytes by design, so it must run neither on an event loop nor on the cooperative pool,
/// and what waits for it must be refused before it becomes a queue that nobody outlives. May be used from any thread.
package final class PasswordHasher: Sendable {
    /// What a wait for one place in the queue is estimated at, for `retry_after_ms`.
    private static let millisecondsPerHash = 60

    package let cost: ScryptCost
    private let threads: Int
    private let queuedMax: Int
    private let pool: NIOThreadPool
    private let taken = Mutex(0)
    /// What a log-in under an unknown name is compared with, so that it takes as long as under a known one.
    private let decoy: PasswordHash

    /// - Parameters:
    ///   - concurrent: hashes computed at once, each on its own thread.
    ///   - queuedMax: hashes that wait; more fail with `overloaded`.
    package init(cost: ScryptCost, concurrent: Int, queuedMax: Int) {
        precondition(cost.isAcceptable && concurrent > 0 && queuedMax >= 0)
        self.cost = cost
        self.threads = concurrent
        self.queuedMax = queuedMax
        self.pool = NIOThreadPool(numberOfThreads: concurrent)
        self.pool.start()
        self.decoy = PasswordHash(
            cost: cost,
            salt: (0..<PasswordHash.saltBytes).map { _ in UInt8.random(in: 0...255) },
            hash: (0..<PasswordHash.hashBytes).map { _ in UInt8.random(in: 0...255) }
        )
    }

    /// Hashes that are being computed or wait.
    package var depth: Int {
        self.taken.withLock { $0 }
    }

    /// The PHC string of a new password; not empty.
    package func hash(password: String) async throws(Failure) -> String {
        let cost = self.cost
        return try await self.run { try PasswordHash(password: Array(password.utf8), cost: cost).text }
    }

    /// Whether the password is the one of the stored PHC string. Without one, takes as long and says no.
    package func verify(password: String, against stored: String?) async throws(Failure) -> Bool {
        let known = stored.flatMap(PasswordHash.init)
        let compared = known ?? self.decoy
        let matches = try await self.run { try compared.matches(password: Array(password.utf8)) }
        return matches && known != nil
    }

    /// Ends the threads. Hashes that wait fail as `unavailable`.
    package func shutdown() async {
        try? await self.pool.shutdownGracefully()
    }

    private func run<Value: Sendable>(_ work: @escaping @Sendable () throws -> Value) async throws(Failure) -> Value {
        let refusedAt = self.taken.withLock { taken -> Int? in
            guard taken < self.threads + self.queuedMax else { return taken }
            taken += 1
            return nil
        }
        if let refusedAt {
            let wait = Self.millisecondsPerHash * (refusedAt / self.threads + 1)
            throw Failure(
                .overloaded,
                "Too many log-ins and registrations at once.",
                retryAfterMilliseconds: UInt32(clamping: wait)
            )
        }
        defer { self.taken.withLock { $0 -= 1 } }
        let outcome: Result<Value, any Error>
        do {
            outcome = try await self.pool.runIfActive { Result(catching: work) }
        } catch {
            throw Failure(.unavailable, "This edge is stopping.", retryAfterMilliseconds: 1000)
        }
        switch outcome {
        case .success(let value): return value
        case .failure: throw Failure(.internal, "The password could not be hashed.")
        }
    }
}
