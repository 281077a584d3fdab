// SPDX-License-Identifier: Apache-2.0

import Foundation
import Messaging
import Router

/// Which edges hear of a conversation, as the admin interface tells it.
package struct AudienceCondition: Codable, Sendable, Equatable {
    package struct Edge: Codable, Sendable, Equatable {
        package var edge: String
        package var users: Int
    }

    package var conversation: String
    /// Whether the router keeps this in memory; without, there is nothing else to tell.
    package var isKnown: Bool
    package var members: Int
    package var edges: [Edge]

    package init(_ id: ConversationID, _ known: KnownAudience?) {
        self.conversation = "\(id)"
        self.isKnown = known != nil
        self.members = known?.members ?? 0
        self.edges = known?.edges.map { Edge(edge: $0.name, users: $0.users) } ?? []
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
