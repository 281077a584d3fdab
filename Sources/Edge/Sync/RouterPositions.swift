// SPDX-License-Identifier: Apache-2.0

internal import Messaging
internal import Wire

/// How far this edge has come with what each router sends it, and when something was lost on the way. Pure.
///
/// A link that ends takes with it what was under way. When it comes back to the same life of the router, the first word
/// on it says whether anything was; when it does not come back within a while, or to another life, something may have
/// been: every session is then told to resync, so that no message is missed in silence (contract C4).
struct RouterPositions {
    /// What the event loops know.
    struct Snapshot: Sendable, Equatable {
        /// Grows with each snapshot; an older one changes nothing.
        var version: UInt64 = 0
        /// Nil while it is not certain that everything came: no resume token is given then.
        var positions: [Incarnation: UInt64]?
        /// Lives that ended in order, with the position of their last change: whoever had that missed nothing of them.
        var ended: [Incarnation: UInt64] = [:]
        /// How often something was lost for sessions of this edge.
        var losses: UInt64 = 0
    }

    private struct Router {
        /// The life that there is a link to.
        var life: Incarnation?
        /// Nil until the router began to count on this link.
        var position: UInt64?
        /// An ended link, of which it is not known yet whether it took something with it.
        var ended: (life: Incarnation, position: UInt64)?
        /// Counts the ends of links.
        var endings: UInt64 = 0
    }

    /// Lives that ended in order and are remembered; the earliest goes first.
    static let endedMax = 64

    private var routers: [String: Router] = [:]
    private var endedLives: [(life: Incarnation, position: UInt64)] = []
    private var version: UInt64 = 0
    private var losses: UInt64 = 0

    var snapshot: Snapshot {
        var positions: [Incarnation: UInt64]? = [:]
        for router in self.routers.values {
            guard router.ended == nil else {
                positions = nil
                break
            }
            guard let life = router.life else { continue }
            guard let position = router.position else {
                positions = nil
                break
            }
            positions?[life] = position
        }
        return Snapshot(
            version: self.version,
            positions: positions,
            ended: Dictionary(self.endedLives, uniquingKeysWith: { $1 }),
            losses: self.losses
        )
    }

    mutating func linkUp(_ name: String, _ life: Incarnation) {
        self.version += 1
        self.routers[name, default: Router()].life = life
        self.routers[name]?.position = nil
    }

    /// Returns the number of this ending, for ``patienceEnded(_:ending:)``.
    mutating func linkDown(_ name: String) -> UInt64 {
        self.version += 1
        var router = self.routers[name] ?? Router()
        if let life = router.life {
            // Before the first word nothing of this link is known.
            router.ended = router.position.map { (life, $0) } ?? router.ended ?? (life, 0)
        }
        router.life = nil
        router.position = nil
        router.endings += 1
        self.routers[name] = router
        return router.endings
    }

    /// The link did not come back in time.
    mutating func patienceEnded(_ name: String, ending: UInt64) {
        guard let router = self.routers[name], router.ended != nil, router.endings == ending else { return }
        self.version += 1
        self.losses += 1
        self.routers[name]?.ended = nil
        if router.life == nil { self.routers[name] = nil }
    }

    mutating func received(_ progress: DeliveryProgress, from name: String, _ life: Incarnation) {
        guard let router = self.routers[name], router.life == life else { return }
        self.version += 1
        switch progress.kind {
        case .begins:
            let hadEverything: Bool
            if let ended = router.ended {
                hadEverything = ended.life == life && progress.lastChange <= ended.position
            } else {
                hadEverything = progress.lastChange == 0
            }
            if !hadEverything { self.losses += 1 }
            self.routers[name]?.ended = nil
            self.routers[name]?.position = progress.position
        case .reached:
            guard let position = router.position, progress.position > position else { return }
            self.routers[name]?.position = progress.position
        case .gap:
            self.losses += 1
        case .ends:
            guard router.position != nil else { return }
            self.routers[name]?.life = nil
            self.routers[name]?.position = nil
            self.endedLives.append((life, progress.position))
            if self.endedLives.count > Self.endedMax { self.endedLives.removeFirst() }
        }
    }
}
