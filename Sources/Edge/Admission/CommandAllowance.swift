// SPDX-License-Identifier: Apache-2.0

internal import NIOCore

/// How much one session may ask for. Pure.
struct CommandAllowance: Sendable {
    private let limit: RateLimit?
    private var bucket: TokenBucket?
    private(set) var refusedInRow = 0

    /// - Parameter limit: Nil is no limit.
    init(limit: RateLimit?, now: NIODeadline) {
        self.limit = limit
        self.bucket = limit.map { TokenBucket(full: $0, now: now) }
    }

    /// Returns nil when the command may be carried out, or how long to wait.
    mutating func take(now: NIODeadline) -> TimeAmount? {
        guard let limit = self.limit, case .refused(let time) = self.bucket?.take(of: limit, now: now) else {
            self.refusedInRow = 0
            return nil
        }
        self.refusedInRow += 1
        // As with ``TokenBuckets``: until there is room for several.
        return max(time, self.bucket?.time(until: max(1, limit.burst / 10), of: limit, now: now) ?? time)
    }
}
