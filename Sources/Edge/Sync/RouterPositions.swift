// SPDX-License-Identifier: Apache-2.0

package import Messaging
package import Placement
package import Wire

/// How far this edge has come with what each router sends it, and when something was lost on the way. Pure.
///
/// A link that ends takes along what was under way on it, and what the router could not send while there was none. Nobody
/// else can know that, so every session is told to resync (contract C4); but only where something may have been lost, and
/// not before the answer can be complete:
///
///     link down ──▶ ended ──link to the same life up again, with changes meanwhile──▶ loss: everything comes again
///                     ├──the same, without──▶ nothing was lost
///                     └──that life owns no slot more──▶ loss: the fence has ended its writes
///
/// An owner that there is no link to counts as one whose link has ended, with nothing that came: what it stores reaches
/// this edge no sooner than over a link.
///
/// A new life of the router proves nothing about the former one: a transaction that it left behind may still commit, until
/// a view without it is written. A router that stops in order says on the link that nothing more comes.
package struct RouterPositions {
    /// What the event loops know.
    package struct Snapshot: Sendable, Equatable {
        /// Grows with each snapshot; an older one changes nothing.
        package var version: UInt64 = 0
        /// Nil while it is not certain that everything came: no resume token is given then.
        package var positions: [Incarnation: UInt64]?
        /// Lives that ended in order, with the position of their last change: whoever had that missed nothing of them.
        package var ended: [Incarnation: UInt64] = [:]
        /// How often something was lost for sessions of this edge.
        package var losses: UInt64 = 0

        package init() {}
    }

    private struct Link {
        var life: Incarnation
        /// Nil until the router began to count on this link.
        var position: UInt64?
        /// What holds as soon as the edge has come far enough with those who passed a part of it on.
        var held: DeliveryProgress?
        var after: [Incarnation: UInt64] = [:]
    }

    /// Lives that ended in order and are remembered; the earliest goes first.
    package static let endedMax = 64

    /// By the name of the router.
    private var links: [String: Link] = [:]
    /// Lives without a link that may have sent more, with the last position that came; bounded by the lives of routers
    /// between two views.
    private var open: [RouterLife: UInt64] = [:]
    private var endedLives: [(life: Incarnation, position: UInt64)] = []
    /// As the newest known views name them; nil before any is known.
    private var owners: Set<RouterLife>?
    private var version: UInt64 = 0
    private var losses: UInt64 = 0

    package init() {}

    package var snapshot: Snapshot {
        var snapshot = Snapshot()
        snapshot.version = self.version
        snapshot.ended = Dictionary(self.endedLives, uniquingKeysWith: { $1 })
        snapshot.losses = self.losses
        guard self.open.isEmpty, self.links.values.allSatisfy({ $0.position != nil }) else { return snapshot }
        snapshot.positions = Dictionary(
            self.links.values.map { ($0.life, $0.position ?? 0) },
            uniquingKeysWith: { $1 }
        )
        return snapshot
    }

    package mutating func linkUp(_ name: String, _ life: Incarnation) {
        self.version += 1
        self.links[name] = Link(life: life)
    }

    package mutating func linkDown(_ name: String) {
        self.version += 1
        guard let link = self.links.removeValue(forKey: name) else { return }
        let router = RouterLife(name: name, incarnation: link.life.description)
        // Before the first word nothing of this link is known; what an earlier one told still holds.
        self.open[router] = link.position ?? self.open[router] ?? 0
        if let owners = self.owners { self.settle(owners) }
        self.takeHeld()
    }

    /// The views name these routers now.
    package mutating func ownersChanged(_ owners: Set<RouterLife>) {
        self.version += 1
        self.owners = owners
        self.settle(owners)
        for owner in owners where self.open[owner] == nil && !self.isHeard(owner) { self.open[owner] = 0 }
        self.takeHeld()
    }

    /// Whether there is a link to this life, or it has said that nothing more comes.
    private func isHeard(_ router: RouterLife) -> Bool {
        self.links[router.name]?.life.description == router.incarnation
            || self.endedLives.contains { $0.life.description == router.incarnation }
    }

    private mutating func settle(_ owners: Set<RouterLife>) {
        let kept = self.open.filter { owners.contains($0.key) }
        if kept.count < self.open.count { self.losses += 1 }
        self.open = kept
    }

    package func isLinked(_ name: String, _ life: Incarnation) -> Bool { self.links[name]?.life == life }

    package mutating func received(_ progress: DeliveryProgress, from name: String, _ life: Incarnation) {
        guard let link = self.links[name], link.life == life else { return }
        self.version += 1
        switch progress.kind {
        case .begins:
            let router = RouterLife(name: name, incarnation: life.description)
            let had = self.open.removeValue(forKey: router) ?? 0
            if progress.lastChange > had { self.losses += 1 }
            self.links[name]?.position = progress.position
        case .reached, .ends:
            // It may be told before the position that it belongs to.
            for reached in progress.after {
                self.links[name]?.after[reached.life, default: 0] = max(link.after[reached.life] ?? 0, reached.position)
            }
            guard let position = link.position, progress.kind == .ends || progress.position > position else { return }
            self.links[name]?.held = progress
        case .gap:
            self.losses += 1
        }
        self.takeHeld()
    }

    /// Takes what the routers said for true where nothing of it can be on its way through another router any more.
    private mutating func takeHeld() {
        var hasTaken = true
        // One that is taken may be what another one waits for.
        while hasTaken {
            hasTaken = false
            for (name, link) in self.links {
                guard let held = link.held, link.after.allSatisfy({ self.hasCome($0.key, to: $0.value) }) else {
                    continue
                }
                hasTaken = true
                self.take(held, of: name, link.life)
            }
        }
    }

    private mutating func take(_ progress: DeliveryProgress, of name: String, _ life: Incarnation) {
        self.links[name]?.held = nil
        self.links[name]?.after = [:]
        self.links[name]?.position = progress.position
        guard progress.kind == .ends else { return }
        self.links[name] = nil
        self.endedLives.append((life, progress.position))
        if self.endedLives.count > Self.endedMax { self.endedLives.removeFirst() }
    }

    /// Whether everything up to a position of a router has come, or its loss was counted. A router passes things on only to
    /// edges that it has heard of over its link, so one that is not known here had a link, and its end is settled.
    private func hasCome(_ life: Incarnation, to position: UInt64) -> Bool {
        if let link = self.links.values.first(where: { $0.life == life }) { return link.position ?? 0 >= position }
        return !self.open.keys.contains { $0.incarnation == life.description }
    }
}
