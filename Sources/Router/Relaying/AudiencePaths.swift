// SPDX-License-Identifier: Apache-2.0

/// The ways that the messages of one conversation take to its edges. Pure.
///
/// A way is kept as long as the plan is the same, so that what one edge gets comes over one link and in its order. When a
/// way changes, what comes the new way may overtake what is under way on the old one, as it may when a slot gets another
/// owner; clients put messages in order by their `seq`.
struct AudiencePaths: Sendable {
    private(set) var isRelayed = false
    private var planVersion: UInt64 = 0
    /// The routers that pass it on, by edge; the owner sends to all others itself.
    private var relays: [String: String] = [:]
    /// Edges whose way was looked up in the plan of that version.
    private var known: Set<String> = []

    /// - Parameter edges: how many get something of the conversation.
    /// - Returns: the edges that get it another way from now on.
    mutating func adapt(to plan: RelayPlan, edges: Int, relayedFrom: Int) -> [String] {
        // Half of what switches it on: an edge that comes and goes must not change the way of everything.
        let isRelayed = plan.relayCount > 0 && edges >= (self.isRelayed ? relayedFrom / 2 : relayedFrom)
        guard isRelayed != self.isRelayed || isRelayed && plan.version != self.planVersion else { return [] }
        let former = self.relays
        self.isRelayed = isRelayed
        self.planVersion = plan.version
        self.relays = [:]
        let edges = self.known
        self.known = []
        guard isRelayed else { return Array(former.keys) }
        return edges.filter { self.relay(for: $0, in: plan) != former[$0] }
    }

    /// Nil where the owner sends to the edge itself.
    mutating func relay(for edge: String, in plan: RelayPlan) -> String? {
        guard self.isRelayed else {
            // An edge that was sent to directly has another way as soon as messages are passed on.
            self.known.insert(edge)
            return nil
        }
        if self.known.insert(edge).inserted, let relay = plan.relay(for: edge) { self.relays[edge] = relay }
        return self.relays[edge]
    }

    /// The way that an edge is on already.
    func current(_ edge: String) -> String? { self.relays[edge] }
}
