// SPDX-License-Identifier: Apache-2.0

import Placement

/// Which router passes on what an edge is to get. Pure.
///
/// A tree of two levels: the owner of a conversation sends one frame to each router that can pass it on, and each of
/// those one to every edge of its share. With E edges and R routers the owner puts about R + E / R frames on its links
/// instead of E, and all routers share the work of one large conversation.
///
/// The share of an edge is found by rendezvous hashing (Thaler and Ravishankar 1998, "Using name-based mappings to increase
/// hit rates") among the routers that have said that they reach it, and the owner itself: when a router comes or goes, only
/// the edges of its own share change their way.
package struct RelayPlan: Sendable {
    private let own: String
    /// By router, the edges that it reaches.
    private var reach: [String: Set<String>] = [:]
    /// Grows whenever a way may have changed.
    package private(set) var version: UInt64 = 0

    package init(own: String) {
        self.own = own
    }

    /// Routers that pass something on.
    package var relayCount: Int { self.reach.count }

    /// The router that passes on what this edge is to get; nil where the owner sends it itself.
    package func relay(for edge: String) -> String? {
        var best = (score: Self.score(edge, self.own), router: String?.none)
        for (router, edges) in self.reach where edges.contains(edge) {
            let score = Self.score(edge, router)
            if score > best.score { best = (score, router) }
        }
        return best.router
    }

    private static func score(_ edge: String, _ router: String) -> UInt64 {
        XXHash64.hash(Array("\(edge)\u{0}\(router)".utf8))
    }

    // MARK: - Events

    /// A router says what it reaches.
    package mutating func reaches(_ router: String, isWhole: Bool, came: [String], gone: [String]) {
        var edges = isWhole ? [] : self.reach[router] ?? []
        edges.formUnion(came)
        edges.subtract(gone)
        self.set(router, edges)
    }

    /// A router could not pass something on to an edge. It is not asked again for it until it says that it reaches it.
    package mutating func cannotReach(_ edge: String, through router: String) {
        guard var edges = self.reach[router] else { return }
        edges.remove(edge)
        self.set(router, edges)
    }

    /// A router has no link any more, or did not do what it was asked for. It is not asked again until it says what it
    /// reaches, as it does over every new link.
    package mutating func lost(_ router: String) {
        self.set(router, [])
    }

    private mutating func set(_ router: String, _ edges: Set<String>) {
        guard edges != self.reach[router] ?? [] else { return }
        self.reach[router] = edges.isEmpty ? nil : edges
        self.version += 1
    }
}
