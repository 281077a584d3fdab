// SPDX-License-Identifier: Apache-2.0

/// One life of a router, as a view names it: `NAME@INCARNATION`.
///
/// A process that was frozen and the one started in its place have one name. The incarnation keeps the older from
/// taking a view that is meant for the newer one as its own.
package struct RouterLife: Hashable, Sendable, CustomStringConvertible {
    package var name: String
    /// The text of the node's incarnation, a UUIDv7: of two lives the later one has the larger text. Empty when unknown.
    package var incarnation: String

    package init(name: String, incarnation: String) {
        self.name = name
        self.incarnation = incarnation
    }

    /// Names hold no `@`, so the first one ends the name.
    package init(_ text: String) {
        let parts = text.split(separator: "@", maxSplits: 1, omittingEmptySubsequences: false)
        self.init(name: String(parts[0]), incarnation: parts.count > 1 ? String(parts[1]) : "")
    }

    package var description: String {
        self.incarnation.isEmpty ? self.name : "\(self.name)@\(self.incarnation)"
    }
}

/// The numbered list of routers that share one shard's slots.
///
/// It is stored in that shard and replaced by compare-and-swap. Its number, the epoch, fences every write: a
/// transaction commits only while the stored number is the one that its router acted under (contract C3).
package struct View: Sendable, Equatable {
    package let shard: String
    package let epoch: UInt64
    /// In the order of their names; one life of each name.
    package let members: [RouterLife]
    /// Over the names alone, so that a restart moves no slot.
    package let ring: Ring
    /// The slots that the shard holds under this epoch: what the shard map gives it, except while a slot is handed from
    /// one shard to another. Nil where it is not known: it is not told between nodes, whoever writes reads it itself.
    package let slots: SlotSet?

    /// - Parameter routers: names, or names with incarnations as in ``RouterLife``.
    package init(shard: String, epoch: UInt64, routers: [String], slots: SlotSet? = nil) {
        self.init(shard: shard, epoch: epoch, members: routers.map { RouterLife($0) }, slots: slots)
    }

    package init(shard: String, epoch: UInt64, members: [RouterLife], slots: SlotSet? = nil) {
        self.shard = shard
        self.epoch = epoch
        self.slots = slots
        var latest: [String: RouterLife] = [:]
        for member in members where member.incarnation >= latest[member.name]?.incarnation ?? "" {
            latest[member.name] = member
        }
        self.members = latest.values.sorted { $0.name < $1.name }
        self.ring = RingCache.shared.ring(of: latest.keys)
    }

    package var routers: [String] { self.ring.routers }

    package func owner(of slot: Slot) -> String? {
        self.ring.owner(of: slot)
    }

    /// Whether the shard takes writes to a slot under this epoch.
    package func holds(_ slot: Slot) -> Bool {
        self.slots?.contains(slot) ?? true
    }

    /// The life that a name has in this view.
    package func member(named name: String) -> RouterLife? {
        self.members.first { $0.name == name }
    }
}

/// The shard map together with the newest known view of each shard: all that is needed to find an owner.
///
/// Whoever hears of a newer map or view calls ``adopt(_:)-(ShardMap)``; older ones are ignored, so the order in which
/// news arrives does not matter.
package struct RoutingTable: Sendable, Equatable {
    package private(set) var map: ShardMap?
    package private(set) var views: [String: View] = [:]

    package init() {}

    /// Takes the map if it is newer than the known one. Returns whether it was.
    @discardableResult
    package mutating func adopt(_ map: ShardMap) -> Bool {
        if let known = self.map, known.version >= map.version { return false }
        self.map = map
        return true
    }

    /// Takes the view if it is newer than the known one of its shard. Returns whether it was.
    @discardableResult
    package mutating func adopt(_ view: View) -> Bool {
        if let known = self.views[view.shard], known.epoch >= view.epoch { return false }
        self.views[view.shard] = view
        return true
    }

    /// The slots that one life of a router owns, in all shards.
    package func slots(of life: RouterLife) -> SlotSet {
        var slots = SlotSet()
        guard let map = self.map else { return slots }
        for view in self.views.values where view.member(named: life.name) == life {
            var own = view.ring.slots(of: life.name)
            if map.shards != [view.shard] { own.subtract(SlotSet.all.subtracting(map.slots(of: view.shard))) }
            slots.formUnion(own)
        }
        return slots
    }

    /// Where a request for a slot goes.
    package struct Route: Sendable, Equatable {
        package var router: String
        package var shard: String
        package var epoch: UInt64
    }

    /// Nil while the map, the shard's view, or any router in it is not known.
    package func route(to slot: Slot) -> Route? {
        guard let shard = self.map?.shard(of: slot), let view = self.views[shard], let owner = view.owner(of: slot)
        else { return nil }
        return Route(router: owner, shard: shard, epoch: view.epoch)
    }
}
