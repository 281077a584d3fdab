// SPDX-License-Identifier: Apache-2.0

/// What the metrics read.
extension RouterNode {
    var audienceCounts: [AudienceDispatcher.Counts] { self.dispatchers.map(\.currentCounts) }

    var queuedCalls: [(shard: String, count: Int)] {
        self.roster.services.map { ($0.key, $0.value.writers.reduce(0) { $0 + $1.queuedCalls }) }
    }

    /// Whether each shard answers; without those that have not been asked yet.
    var shardAnswers: [(shard: String, answers: Bool)] {
        self.roster.names.compactMap { name in self.roster.keeper(of: name)?.answers.map { (name, $0) } }
    }

    /// Calls that may wait for the writers of one shard together.
    var queuedCallsMax: Int {
        self.configuration.writerBounds.queuedCallsMax * max(1, self.configuration.writersPerShard)
    }
}
