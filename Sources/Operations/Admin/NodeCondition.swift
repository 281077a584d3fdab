// SPDX-License-Identifier: Apache-2.0

import Foundation
import Wire

/// How one node is, as the admin interface tells it.
package struct NodeCondition: Codable, Sendable, Equatable {
    package var node: String
    /// `serving`, `draining` or `stopping`.
    package var state: String
    /// Of an edge.
    package var sessions: UInt64
    /// Of an edge: sessions that were asked to go since it began.
    package var asked: UInt64
    /// Of an edge: sessions that `rebalance connections` has yet to ask; nil from a router that cannot tell.
    package var shedding: UInt64?
    /// Of a router.
    package var slots: UInt64
    /// What would be lost or interrupted if it went now.
    package var obstacles: [String]
    /// Whether there are no obstacles. What is not known is one.
    package var safeToRemove: Bool

    package init(_ node: String, _ report: NodeReport) {
        self.node = node
        self.state = "\(report.state)"
        self.sessions = report.sessions
        self.asked = report.asked
        self.shedding = report.shedding
        self.slots = report.slots
        self.obstacles = report.obstacles
        self.safeToRemove = report.obstacles.isEmpty
    }

    package func json() throws -> String {
        let encoder = JSONEncoder()
        encoder.keyEncodingStrategy = .convertToSnakeCase
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        return String(decoding: try encoder.encode(self), as: UTF8.self)
    }

    package init(json: String) throws {
        let decoder = JSONDecoder()
        decoder.keyDecodingStrategy = .convertFromSnakeCase
        self = try decoder.decode(Self.self, from: Data(json.utf8))
    }
}
