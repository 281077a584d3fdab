// SPDX-License-Identifier: Apache-2.0

internal import Messaging
internal import Wire

/// Whether this edge has all that the owners told it, and which of it counts. Pure.
///
/// Each owner counts what it sends on a link, so a gap shows; then the owner is asked to tell all states again, until it
/// begins to count anew. Only the owner
/// of a user's slot knows the user; by the routing table here another router may be it for a moment, so what that one
/// tells is passed over, and asked for again once the table is newer.
struct ToldStates {
    private var received: [String: UInt64] = [:]
    /// Routers that have to tell all again, and how many turns ago they were asked first.
    private var incomplete: [String: Int] = [:]
    /// With the generation of the routing table then.
    private var strangers: [String: UInt64] = [:]

    mutating func linkUp(_ router: String) {
        self.linkDown(router)
        self.received[router] = 0
    }

    mutating func linkDown(_ router: String) {
        self.received[router] = nil
        self.incomplete[router] = nil
        self.strangers[router] = nil
    }

    /// - Parameters:
    ///   - owners: of the users' slots, in the order of the states.
    ///   - generation: of the table that they are from.
    /// - Returns: What counts.
    mutating func told(
        _ states: PresenceStates,
        by router: String,
        owners: [String?],
        generation: UInt64
    ) -> [ShownPresence] {
        if states.sequence == 0, self.incomplete[router] ?? 0 > 0 {
            self.incomplete[router] = nil
        } else if self.received[router] != states.sequence {
            self.incomplete[router] = self.incomplete[router] ?? 0
        }
        self.received[router] = states.sequence + (states.states.isEmpty ? 0 : 1)
        let known = zip(states.states, owners).filter { $1 == router }.map { $0.0 }
        if known.count < states.states.count { self.strangers[router] = generation }
        return known
    }

    /// Turns after which a router that was asked is asked again.
    static let turnsPerQuestion = 20

    /// The routers that have to tell all states again, and are to be asked in this turn.
    mutating func takeIncomplete(generation: UInt64) -> Set<String> {
        for (router, seen) in self.strangers where seen != generation {
            self.incomplete[router] = 0
            self.strangers[router] = nil
        }
        var due: Set<String> = []
        for (router, turns) in self.incomplete {
            if turns % Self.turnsPerQuestion == 0 { due.insert(router) }
            self.incomplete[router] = turns + 1
        }
        return due
    }

    /// A router could not be asked.
    mutating func notAsked(_ router: String) {
        if self.received[router] != nil { self.incomplete[router] = 0 }
    }
}
