// SPDX-License-Identifier: Apache-2.0

/// Rows per second through the router's storage path, by those of a bare loop with the same statement, the same batches
/// and as many connections. Blocks; not for an event loop.
package enum StorageBenchmark {
    /// - Parameter progress: told of each measurement, with rows per second.
    package static func run(
        _ settings: StorageSettings,
        progress: (StorageWay, Double) -> Void = { _, _ in }
    ) throws(StorageBenchmarkError) -> StorageResult {
        try ScratchDatabase.with(settings.connection) { (database) throws(StorageBenchmarkError) -> StorageResult in
            let count = settings.connections * settings.conversations
            var bare = BarePath(database, settings, try database.makeConversations(count))
            var session = SessionPath(database, settings, try database.makeConversations(count))
            let router = try RouterPath(database, settings, try database.makeConversations(count))
            var rounds: [StorageRound] = []
            for number in 0..<max(1, settings.rounds) {
                var round = StorageRound()
                // There and back, so that what grows or gets slower meanwhile is no one's gain.
                for way in number.isMultiple(of: 2) ? StorageWay.allCases : StorageWay.allCases.reversed() {
                    switch way {
                    case .bare: round.bare = try bare.measure()
                    case .session: round.session = try session.measure()
                    case .router: (round.router, round.routerBatch) = try router.measure()
                    }
                    progress(way, round[way])
                }
                rounds.append(round)
            }
            guard let result = StorageResult(rounds) else {
                throw StorageBenchmarkError("nothing was stored; give it more --seconds")
            }
            return result
        }
    }
}
