// SPDX-License-Identifier: Apache-2.0

internal import NIOCore
import Synchronization

/// ``TokenBuckets`` for all threads: in several parts with a lock each, so that event loops rarely meet.
final class RateTable<Key: Hashable & Sendable>: Sendable {
    /// Keys that one table remembers, in all parts together; ``TokenBuckets`` says what happens beyond.
    static var keysMax: Int { 65_536 }
    private static var partCount: Int { 16 }

    private final class Part: Sendable {
        let buckets: Mutex<TokenBuckets<Key>>

        init(_ buckets: TokenBuckets<Key>) {
            self.buckets = Mutex(buckets)
        }
    }

    private let parts: [Part]

    init(_ limit: RateLimit) {
        self.parts = (0..<Self.partCount).map { _ in
            Part(TokenBuckets(limit: limit, keysMax: Self.keysMax / Self.partCount))
        }
    }

    var count: Int {
        self.parts.reduce(0) { $0 + $1.buckets.withLock { $0.count } }
    }

    func take(for key: Key, now: NIODeadline) -> TokenBucket.Verdict {
        self.part(of: key).buckets.withLock { $0.take(for: key, now: now) }
    }

    func giveBack(for key: Key) {
        self.part(of: key).buckets.withLock { $0.giveBack(for: key) }
    }

    /// The hash is seeded anew in each process, so nobody outside can aim at one part.
    private func part(of key: Key) -> Part {
        self.parts[Int(UInt(bitPattern: key.hashValue) % UInt(Self.partCount))]
    }
}

/// One bucket for the whole edge. May be used from any thread.
final class NodeRate: Sendable {
    /// The longest pause that a refusal asks for.
    static let adviceMax = TimeAmount.seconds(30)

    private struct State {
        var bucket: TokenBucket
        /// Charged by refusals only: hands out the times at which the refused should come again, one after the other at
        /// the rate, so that they find a token each instead of coming together again.
        var advice: TokenBucket
    }

    private let limit: RateLimit
    private let adviceLimit: RateLimit
    private let state: Mutex<State>

    init(_ limit: RateLimit, now: NIODeadline) {
        self.limit = limit
        self.adviceLimit = limit.withoutBurst
        self.state = Mutex(
            State(
                bucket: TokenBucket(full: limit, now: now),
                advice: TokenBucket(full: self.adviceLimit, now: now)
            )
        )
    }

    func take(now: NIODeadline) -> TokenBucket.Verdict {
        self.state.withLock { state in
            guard case .refused(let earliest) = state.bucket.take(of: self.limit, now: now) else { return .granted }
            switch state.advice.reserve(of: self.adviceLimit, within: Self.adviceMax, now: now) {
            case .granted: return .refused(retryAfter: earliest)
            case .reserved(let after): return .refused(retryAfter: max(earliest, after))
            case .refused: return .refused(retryAfter: Self.adviceMax)
            }
        }
    }

    func giveBack() {
        self.state.withLock { $0.bucket.giveBack(of: self.limit) }
    }
}

/// The turns of those who want to begin a session. May be used from any thread.
///
/// Unlike ``NodeRate`` it keeps its promises: whoever was given a turn need not ask again, so nobody waits twice,
/// whatever newcomers do.
final class AdmissionQueue: Sendable {
    private let limit: RateLimit
    private let longest: TimeAmount
    private let bucket: Mutex<TokenBucket>

    /// - Parameter longest: The longest wait that is promised: the bound of the queue, in time.
    init(_ limit: RateLimit, longest: TimeAmount, now: NIODeadline) {
        self.limit = limit
        self.longest = longest
        self.bucket = Mutex(TokenBucket(full: limit, now: now))
    }

    func arrive(now: NIODeadline) -> TokenBucket.Reservation {
        self.bucket.withLock { $0.reserve(of: self.limit, within: self.longest, now: now) }
    }

    /// A turn will not be used, or was used for nothing.
    func leave() {
        self.bucket.withLock { $0.giveBack(of: self.limit) }
    }
}
