// SPDX-License-Identifier: Apache-2.0

import Messaging
import Placement

/// Whom a router sends what happens in a conversation.
package struct KnownAudience: Sendable, Equatable {
    package struct Edge: Sendable, Equatable {
        package var name: String
        /// Members that are sent to there; all of them, where the router knows nothing certain about an edge.
        package var users: Int

        package init(name: String, users: Int) {
            self.name = name
            self.users = users
        }
    }

    package var members: Int
    /// In the order of their names.
    package var edges: [Edge]

    package init(members: Int, edges: [Edge]) {
        self.members = members
        self.edges = edges
    }
}

extension RouterNode {
    /// What is known at this moment; nobody is asked for it. Nil of a conversation in which nothing was sent lately.
    package func audience(of conversation: ConversationID) async -> KnownAudience? {
        let slot = Slot(of: conversation.value)
        let dispatcher = self.dispatchers[Int(slot.number) % self.dispatchers.count]
        return await withCheckedContinuation { continuation in
            dispatcher.withKnown(conversation) { known in
                let audience = known.map { known in
                    KnownAudience(
                        members: known.members.users.count,
                        edges: known.recipients.map { KnownAudience.Edge(name: $0.edge, users: $0.users.count) }
                            .filter { $0.users > 0 }.sorted { $0.name < $1.name }
                    )
                }
                continuation.resume(returning: audience)
            }
        }
    }
}
