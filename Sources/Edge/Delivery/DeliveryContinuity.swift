// SPDX-License-Identifier: Apache-2.0

package import Placement

/// Notices when deliveries of a router may have been missed, and when asking for them will find them. Pure.
///
/// A link that breaks takes along what was under way on it, and what the router could not send while there was none.
/// Nobody else can know that: the router has sent it, the clients do not miss what they never heard of. So the sessions
/// are told to resync (contract C4), but not before the answer can be complete:
///
///     link down ──▶ interrupted ──link to the same life up again──▶ resync: from now on everything comes again
///                        └─────────that life owns no slot more────▶ resync: the fence has ended its writes
///
/// A new life of the router proves nothing about the former one: a transaction that it left behind may still commit, until
/// a view without it is written.
package struct DeliveryContinuity: Sendable {
    package enum Action: Sendable, Equatable {
        case none
        /// Every session here is to ask for what it may have missed.
        case resync
    }

    /// Routers whose deliveries may have been missed; bounded by the lives of routers between two views.
    private var interrupted: Set<RouterLife> = []

    package init() {}

    package mutating func linkUp(_ router: RouterLife) -> Action {
        self.interrupted.remove(router) == nil ? .none : .resync
    }

    package mutating func linkDown(_ router: RouterLife) {
        self.interrupted.insert(router)
    }

    /// The views name these routers now.
    package mutating func ownersChanged(_ owners: Set<RouterLife>) -> Action {
        let gone = self.interrupted.subtracting(owners)
        self.interrupted.subtract(gone)
        return gone.isEmpty ? .none : .resync
    }
}
