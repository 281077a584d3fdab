// SPDX-License-Identifier: Apache-2.0

import Placement

/// `trunkline slots`: which slots belong to which shard and router. Pure.
package struct SlotListing: Encodable, Sendable, Equatable {
    package struct Share: Encodable, Sendable, Equatable {
        package var shard: String
        /// Nil when the shard's view is not known or has nobody in it.
        package var router: String?
        package var epoch: UInt64?
        package var slots: Int
        /// The first and the last number of each.
        package var ranges: [[Int]]
        /// Of them those that the shard does not hold at this moment, because they are handed to another one.
        package var handedOver: [[Int]]
    }

    package var mapVersion: UInt64
    package var shares: [Share]

    /// - Parameters:
    ///   - shard: only what is in it; nil for all.
    ///   - router: only what it owns; nil for all.
    package init(_ table: RoutingTable, shard: String? = nil, router: String? = nil) {
        self.mapVersion = table.map?.version ?? 0
        self.shares = []
        for name in (table.map?.shards ?? []).sorted() where shard ?? name == name {
            let slots = table.map?.slots(of: name) ?? SlotSet()
            let view = table.views[name]
            var routers: [String?] = view?.routers ?? []
            if routers.isEmpty { routers = [nil] }
            for owner in routers where router == nil || owner == router {
                let own = SlotSet { slot in slots.contains(slot) && view?.owner(of: slot) == owner }
                let missing = SlotSet { slot in own.contains(slot) && !(view?.holds(slot) ?? true) }
                self.shares.append(
                    Share(
                        shard: name,
                        router: owner,
                        epoch: view?.epoch,
                        slots: own.count,
                        ranges: Self.pairs(own),
                        handedOver: Self.pairs(missing)
                    )
                )
            }
        }
    }

    private static func pairs(_ slots: SlotSet) -> [[Int]] {
        slots.ranges.map { [$0.lowerBound, $0.upperBound] }
    }

    /// Characters of one line of numbers.
    private static let lineMax = 100

    /// How many each has: consistent hashing scatters the numbers, which makes hundreds of ranges of all of them.
    package func summary() -> String {
        var table = TextTable("SHARD", "ROUTER", "EPOCH", "SLOTS", "HANDED OVER")
        for share in self.shares {
            let handedOver = share.handedOver.reduce(0) { $0 + $1[1] - $1[0] + 1 }
            table.add(
                share.shard,
                share.router ?? "nobody that is known",
                share.epoch.map { "\($0)" } ?? "-",
                "\(share.slots)",
                "\(handedOver)"
            )
        }
        return
            "Shard map version \(self.mapVersion)\n\n\(table.text())\n\n--shard or --router lists the slots by number.\n"
    }

    /// How many each has, and which.
    package func text() -> String {
        var sections = ["Shard map version \(self.mapVersion)"]
        for share in self.shares {
            let owner = share.router ?? "nobody that is known"
            let epoch = share.epoch.map { ", epoch \($0)" } ?? ""
            var lines = ["\(share.shard), \(owner)\(epoch): \(share.slots) slots"]
            lines += Self.lines(share.ranges)
            if !share.handedOver.isEmpty {
                lines.append("  handed to another shard at this moment:")
                lines += Self.lines(share.handedOver)
            }
            sections.append(lines.joined(separator: "\n"))
        }
        if self.shares.isEmpty { sections.append("No slots.") }
        return sections.joined(separator: "\n\n") + "\n"
    }

    private static func lines(_ ranges: [[Int]]) -> [String] {
        var lines: [String] = []
        for range in ranges {
            let text = range[0] == range[1] ? "\(range[0])" : "\(range[0])-\(range[1])"
            if let last = lines.last, last.count + text.count + 1 < Self.lineMax {
                lines[lines.count - 1] = "\(last) \(text)"
            } else {
                lines.append("  \(text)")
            }
        }
        return lines
    }

    package func json() throws -> String { try JSONText.text(of: self) }
}

extension ClusterLook {
    /// - Throws: `OperationsError` when there is no such shard or router, or no shard can be asked.
    package func slots(shard: String?, router: String?) async throws(OperationsError) -> SlotListing {
        let table = try await self.whereabouts().table
        if let shard, table.map?.shards.contains(shard) != true {
            throw OperationsError(
                "the shard map has no shard \(shard)",
                remedy: "it has \((table.map?.shards ?? []).joined(separator: ", "))",
                kind: .notFound
            )
        }
        let routers = Set(table.views.values.flatMap(\.routers))
        if let router, !routers.contains(router) {
            throw OperationsError(
                "no shard's view has a router \(router)",
                remedy: routers.isEmpty
                    ? "start a router" : "they have \(routers.sorted().joined(separator: ", ")); see `trunkline nodes`",
                kind: .notFound
            )
        }
        return SlotListing(table, shard: shard, router: router)
    }
}
