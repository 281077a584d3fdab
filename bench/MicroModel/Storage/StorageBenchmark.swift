// SPDX-License-Identifier: Apache-2.0

/// Rows per second through the router's storage path, by those of a bare loop with the same statement, the same batches
/// and as many connections. Blocks; not for an event loop.
package enum StorageBenchmark {
    /// - Parameter progress: told of each measurement, with a name and rows per second.
    package static func run(
        _ settings: StorageSettings,
        progress: (String, Double) -> Void = { _, _ in }
    ) throws(StorageBenchmarkError) -> StorageResult {
        try ScratchDatabase.with(settings.connection) { (database) throws(StorageBenchmarkError) -> StorageResult in
            let count = settings.connections * settings.conversations
            var bare = BarePath(database, settings, try database.makeConversations(count))
            var session = SessionPath(database, settings, try database.makeConversations(count))
            let router = try RouterPath(database, settings, try database.makeConversations(count))
            var rows: (bare: [Double], session: [Double], router: [Double]) = ([], [], [])
            var batches: [Double] = []
            for _ in 0..<max(1, settings.rounds) {
                rows.bare.append(try bare.measure())
                progress("bare", rows.bare.last ?? 0)
                rows.session.append(try session.measure())
                progress("session", rows.session.last ?? 0)
                let (rate, batch) = try router.measure()
                rows.router.append(rate)
                batches.append(batch)
                progress("router", rate)
            }
            guard let bareRows = Statistics(rows.bare), let sessionRows = Statistics(rows.session),
                let routerRows = Statistics(rows.router), let batch = Statistics(batches), bareRows.median > 0
            else { throw StorageBenchmarkError("nothing was stored; give it more --seconds") }
            return StorageResult(
                bareRows: bareRows.median,
                sessionRows: sessionRows.median,
                routerRows: routerRows.median,
                routerBatch: batch.median,
                spread: max(bareRows.spread, sessionRows.spread, routerRows.spread)
            )
        }
    }
}
