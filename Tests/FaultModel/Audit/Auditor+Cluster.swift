// SPDX-License-Identifier: Apache-2.0

extension Auditor {
    mutating func checkShards() {
        let routers = Set(self.record.nodes.filter(\.isRouter).map(\.name))
        for shard in self.record.shards {
            for anomaly in shard.anomalies { self.result.note(Violation(.storedTwice, "\(shard.name): \(anomaly)")) }
            self.checkViews(shard)
            self.checkWrites(shard)
            let last = Set(shard.views.last?.routers ?? [])
            if last != routers {
                self.result.note(
                    Violation(
                        .viewIncomplete,
                        "\(shard.name) ends with the view \(last.sorted()), the routers are \(routers.sorted())"
                    )
                )
            }
        }
    }

    private mutating func checkViews(_ shard: ShardRecord) {
        self.result.views += shard.views.count
        for (earlier, later) in zip(shard.views, shard.views.dropFirst()) where later.epoch <= earlier.epoch {
            self.result.note(
                Violation(
                    .epochOrder,
                    "\(shard.name): epoch \(later.epoch) \(later.routers) followed \(earlier.epoch) \(earlier.routers)"
                )
            )
        }
    }

    private struct Term: Hashable {
        var conversation: Int
        var epoch: UInt64
    }

    private mutating func checkWrites(_ shard: ShardRecord) {
        self.result.writes += shard.writes.count
        let members = Dictionary(
            shard.views.map { ($0.epoch, Set($0.routers)) },
            uniquingKeysWith: { $0.intersection($1) }
        )
        var owners: [Term: String] = [:]
        var epochs: [Int: (epoch: UInt64, seq: UInt64)] = [:]
        for write in shard.writes.sorted(by: { $0.firstSeq < $1.firstSeq }) {
            let place = "\(shard.name), \(self.name(write.conversation)), \(write.firstSeq)…\(write.lastSeq)"
            if let routers = members[write.epoch], !routers.contains(write.router) {
                self.result.note(
                    Violation(
                        .epochOverlap,
                        "\(place): stored by \(write.router) in epoch \(write.epoch) of \(routers.sorted())"
                    )
                )
            } else if members[write.epoch] == nil {
                self.result.note(
                    Violation(.epochOverlap, "\(place): stored in epoch \(write.epoch), which never was")
                )
            }
            let term = Term(conversation: write.conversation, epoch: write.epoch)
            if let other = owners.updateValue(write.router, forKey: term), other != write.router {
                self.result.note(
                    Violation(
                        .epochOverlap,
                        "\(place): both \(other) and \(write.router) stored in epoch \(write.epoch)"
                    )
                )
            }
            if let last = epochs[write.conversation], last.epoch > write.epoch {
                self.result.note(
                    Violation(
                        .epochOverlap,
                        "\(place): stored in epoch \(write.epoch), after \(last.seq) in epoch \(last.epoch)"
                    )
                )
            }
            epochs[write.conversation] = (write.epoch, write.lastSeq)
        }
    }

    // MARK: - Nodes

    mutating func checkNodes() {
        for node in self.record.nodes {
            if node.residentBytesMax > self.limits.residentBytesMax {
                self.result.note(
                    Violation(
                        .memory,
                        """
                        \(node.name) had \(node.residentBytesMax >> 20) MiB resident, the bound is \
                        \(self.limits.residentBytesMax >> 20) MiB
                        """
                    )
                )
            }
            for end in node.unexpectedEnds {
                self.result.note(
                    Violation(.nodeEnded, at: end.at, "\(node.name) ended by itself with status \(end.status)")
                )
            }
            if let reason = node.unreadyAtEnd {
                self.result.note(Violation(.notReady, "\(node.name) is not ready at the end: \(reason)"))
            }
        }
    }

    mutating func checkHealing() {
        for injection in self.record.injections where injection.healedAt == nil {
            self.result.note(
                Violation(
                    .notHealed,
                    at: injection.beganAt,
                    """
                    \(injection.kind.rawValue) of \(injection.target) did not heal by itself: \
                    \(injection.remaining ?? "no reason is known")
                    """
                )
            )
        }
    }
}
