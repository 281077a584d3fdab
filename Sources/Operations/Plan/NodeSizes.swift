// SPDX-License-Identifier: Apache-2.0

/// What machines a plan is made of, and how full they may be.
package struct NodeSizes: Sendable, Equatable, Encodable {
    /// Of its processors and memory, what a node uses in the busiest minutes, 0 to 1. The rest takes what comes unevenly,
    /// and the work of nodes that are lost.
    package var utilisation = 0.6
    /// Edges, and routers, beside those that are needed: one can be lost, or be replaced, in the busiest hour.
    package var spare = 1
    package var edgeCores = 8
    package var edgeMemoryGiB = 16.0
    /// `limits.sessions_per_edge`.
    package var sessionsPerEdge = 20_000
    /// `rates.authentications_per_node`, a second.
    package var authenticationsPerEdge = 500.0
    package var routerCores = 8
    package var routerMemoryGiB = 16.0
    package var shardCores = 16
    package var shardMemoryGiB = 128.0
    package var shardDiskGiB = 4096.0
    /// Of the disk, what messages may fill; the rest is for the log, vacuum and growth.
    package var diskUtilisation = 0.7
    /// Copies of each shard's database, beside the primary.
    package var replicas = 1
    package var redisMemoryGiB = 64.0
    /// Copies of Redis, beside the first.
    package var redisReplicas = 1
    /// What LZ4 leaves of the mesh's bytes, 0 to 1. Ciphertext does not shrink.
    package var meshCompression = 1.0

    package init() {}

    package var problems: [String] {
        var problems: [String] = []
        func check(_ isRight: Bool, _ problem: String) {
            if !isRight { problems.append(problem) }
        }
        let shares = [self.utilisation, self.diskUtilisation, self.meshCompression]
        check(shares.allSatisfy { $0 > 0 && $0 <= 1 }, "utilisations and compression are above 0 % and at most 100 %")
        check((0...1000).contains(self.spare), "spare nodes are 0 to 1000")
        check(
            [self.edgeCores, self.routerCores, self.shardCores].allSatisfy { (1...1024).contains($0) },
            "a node has 1 to 1024 cores"
        )
        let sizes = [
            self.edgeMemoryGiB, self.routerMemoryGiB, self.shardMemoryGiB, self.shardDiskGiB, self.redisMemoryGiB,
        ]
        check(sizes.allSatisfy { $0 > 0 && $0 <= 1_000_000 }, "memory and disk are above 0 and up to 1000000 GiB")
        check((1...1_000_000).contains(self.sessionsPerEdge), "an edge has 1 to 1000000 sessions")
        check(
            self.authenticationsPerEdge > 0 && self.authenticationsPerEdge <= 1e6,
            "an edge takes above 0 and up to 1000000 sessions a second"
        )
        check((0...10).contains(self.replicas) && (0...10).contains(self.redisReplicas), "replicas are 0 to 10")
        return problems
    }
}

/// What things cost, in whatever currency. Only what has a price is part of the sum.
package struct Prices: Sendable, Equatable, Encodable {
    package var coreHour: Double?
    /// Of memory.
    package var gibibyteHour: Double?
    package var diskGibibyteMonth: Double?
    /// Sent to clients.
    package var trafficGibibyte: Double?

    package init() {}

    package var isEmpty: Bool { self == Prices() }

    package var problems: [String] {
        let all = [self.coreHour, self.gibibyteHour, self.diskGibibyteMonth, self.trafficGibibyte].compactMap(\.self)
        return all.allSatisfy { $0 >= 0 && $0 <= 1e9 } ? [] : ["prices are 0 to 10^9"]
    }
}
