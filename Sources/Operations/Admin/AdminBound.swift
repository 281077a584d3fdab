// SPDX-License-Identifier: Apache-2.0

import Hummingbird
import Synchronization

/// How many requests look at Redis and the shards at a time (contract C5): each opens connections of its own, and the
/// databases are there for messages. Over the bound a request is refused at once.
final class AdminBound: Sendable {
    static let looksMax = 4

    private let looks = Mutex(0)

    /// - Throws: ``AdminProblem`` with the status 503, which says to come again.
    func looking<Value: Sendable>(_ body: () async throws -> Value) async throws -> Value {
        let isFree = self.looks.withLock { looks -> Bool in
            guard looks < Self.looksMax else { return false }
            looks += 1
            return true
        }
        guard isFree else {
            throw AdminProblem(
                .serviceUnavailable,
                "This router looks into \(Self.looksMax) things already.",
                remedy: "ask again in a second, or ask another router"
            )
        }
        defer { self.looks.withLock { $0 -= 1 } }
        return try await body()
    }
}
