// SPDX-License-Identifier: Apache-2.0

import Foundation
import Messaging
import Storage

/// What operators have ordered, from the logs of all shards. Pure.
package struct OrderLog: Sendable, Equatable {
    package struct Entry: Codable, Sendable, Equatable {
        /// UTC, RFC 3339 with milliseconds.
        package var at: String
        /// As they call themselves.
        package var `operator`: String
        package var action: String
        package var detail: String
        /// In whose logs it stands.
        package var shards: [String]
    }

    /// Oldest first.
    package let entries: [Entry]

    /// - Parameters:
    ///   - logs: by the shard's name, the newest entry first. The same entry in several of them is one.
    ///   - count: how many of the newest are kept.
    package init(_ logs: [String: [OperatorLogEntry]], last count: Int) {
        var shards: [OperatorLogEntry: Set<String>] = [:]
        /// How many came later; tells the order of what has the same time.
        var later: [OperatorLogEntry: Int] = [:]
        for (shard, entries) in logs {
            for (place, entry) in entries.enumerated() {
                shards[entry, default: []].insert(shard)
                later[entry] = max(place, later[entry] ?? 0)
            }
        }
        let order = shards.keys.sorted { left, right in
            let places = (later[left] ?? 0, later[right] ?? 0)
            return (left.at, places.1, left.operatorName, left.action, left.detail)
                < (right.at, places.0, right.operatorName, right.action, right.detail)
        }
        self.entries = order.suffix(count).map { entry in
            Entry(
                at: UTCTime.precise(entry.at),
                operator: entry.operatorName,
                action: entry.action,
                detail: entry.detail,
                shards: shards[entry, default: []].sorted()
            )
        }
    }

    /// For people.
    package func text() -> String {
        guard !self.entries.isEmpty else { return "No order is in the log." }
        var table = TextTable("TIME", "OPERATOR", "ACTION", "DETAIL", "LOGGED IN")
        for entry in self.entries {
            table.add(entry.at, entry.operator, entry.action, entry.detail, entry.shards.joined(separator: ", "))
        }
        return table.text()
    }

    /// For programs: an array.
    package func json() throws -> String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        return String(decoding: try encoder.encode(self.entries), as: UTF8.self)
    }
}

extension OrderLog {
    private struct Document: Encodable {
        var orders: [Entry]
        var unreachable: [String]
    }

    /// For those who have no other place for warnings.
    ///
    /// - Parameter unreachable: why logs of shards are not in it.
    func document(unreachable: [String]) throws -> String {
        try JSONText.text(of: Document(orders: self.entries, unreachable: unreachable))
    }
}

extension ShardOrders {
    /// Reads the logs of all shards that can be reached.
    ///
    /// - Parameter count: how many of the newest orders are wanted.
    /// - Returns: the orders, and why shards could not be asked.
    package func readLog(last count: Int) async throws(OperationsError) -> (log: OrderLog, unreachable: [String]) {
        try await self.onCluster { (cluster) throws(OperationsError) -> (log: OrderLog, unreachable: [String]) in
            try cluster.look()
            var logs: [String: [OperatorLogEntry]] = [:]
            var failures = cluster.unreachable.sorted { $0.key < $1.key }.map(\.value)
            for (shard, session) in cluster.sessions {
                do throws(StorageError) {
                    logs[shard] = try session.readLog(last: count)
                } catch {
                    failures.append(error.message)
                }
            }
            return (OrderLog(logs, last: count), failures)
        }
    }
}
