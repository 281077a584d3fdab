// SPDX-License-Identifier: Apache-2.0

import Foundation

/// `trunkline ring`: how many slots each router owns, in all shards together. Pure.
package struct RingListing: Encodable, Sendable, Equatable {
    package struct Router: Encodable, Sendable, Equatable {
        package var name: String
        package var slots: Int
        /// Above an even share, in percent of it; below is negative.
        var percentFromEven: Double
        /// By the shard's name.
        var shards: [Share]
    }

    package struct Share: Encodable, Sendable, Equatable {
        var shard: String
        var slots: Int
    }

    package var routers: [Router]
    /// Shards that cannot be reached.
    package var unknownShards: [String]

    package init(_ status: ClusterStatus) {
        var shares: [String: [Share]] = [:]
        for shard in status.shards {
            for router in shard.routers {
                shares[router.name, default: []].append(Share(shard: shard.name, slots: router.slots))
            }
        }
        let counts = shares.mapValues { $0.reduce(0) { $0 + $1.slots } }
        let average = counts.isEmpty ? 0 : Double(counts.values.reduce(0, +)) / Double(counts.count)
        self.routers = shares.sorted { $0.key < $1.key }.map { name, shares in
            let slots = counts[name] ?? 0
            return Router(
                name: name,
                slots: slots,
                percentFromEven: average > 0 ? (Double(slots) - average) * 100 / average : 0,
                shards: shares
            )
        }
        self.unknownShards = status.shards.filter { $0.problem != nil }.map(\.name)
    }

    package func text() -> String {
        var table = TextTable("ROUTER", "SLOTS", "FROM EVEN", "SHARDS")
        for router in self.routers {
            table.add(
                router.name,
                String(router.slots),
                String(format: "%+.1f %%", router.percentFromEven),
                router.shards.map { "\($0.shard): \($0.slots)" }.joined(separator: ", ")
            )
        }
        let unknown = self.unknownShards.joined(separator: ", ")
        return table.text() + "\n"
            + (unknown.isEmpty ? "" : "\nNot known, because they cannot be reached: \(unknown)\n")
    }

    package func json() throws -> String { try JSONText.text(of: self) }
}

extension ClusterStatus {
    package var ring: RingListing { RingListing(self) }
}
