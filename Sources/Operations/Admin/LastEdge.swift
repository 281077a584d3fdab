// SPDX-License-Identifier: Apache-2.0

/// Before an edge is emptied: whether another one would take its sessions. Routers know by themselves who would take
/// slots.
package enum LastEdge {
    /// - Parameters:
    ///   - edge: as it is now; of a router, which has no sessions, nothing is asked.
    ///   - others: the names of the edges that may be ready.
    ///   - ask: how one of them is at this moment, which its lease tells late; nil when it does not answer.
    /// - Throws: when none of them serves.
    package static func check(
        _ edge: NodeCondition,
        others: [String],
        ask: (String) async -> NodeCondition?
    ) async throws(OperationsError) {
        guard edge.sessions > 0 else { return }
        for name in others where name != edge.node {
            if await ask(name)?.state == "serving" { return }
        }
        throw OperationsError(
            "no other edge is ready to take the \(edge.sessions) sessions of \(edge.node)",
            remedy: "start another edge first, or take one back; --allow-gap sends them away all the same",
            kind: .refused
        )
    }
}
