// SPDX-License-Identifier: Apache-2.0

/// Does `work` for 0..<count with at most `limit` under way at once, and returns the results in order. The first error
/// ends it.
func concurrently<Value: Sendable>(
    _ count: Int,
    limit: Int,
    _ work: @escaping @Sendable (Int) async throws -> Value,
    progress: (Int) -> Void = { _ in }
) async throws -> [Value] {
    try await withThrowingTaskGroup(of: (Int, Value).self) { group in
        var results: [Value?] = Array(repeating: nil, count: count)
        var next = 0
        while next < min(limit, count) {
            let index = next
            group.addTask { (index, try await work(index)) }
            next += 1
        }
        var finished = 0
        while let (index, value) = try await group.next() {
            results[index] = value
            finished += 1
            progress(finished)
            if next < count {
                let index = next
                group.addTask { (index, try await work(index)) }
                next += 1
            }
        }
        return results.compactMap { $0 }
    }
}
