// SPDX-License-Identifier: Apache-2.0

import Directory
import Messaging
import Placement
import Wire

/// Who is there, for the users of the slots that this router owns, and which edges want to know. Pure: no clock, no
/// links, no database. Soft: all of it is told anew by the edges and read anew from the shards.
///
///     edge ──report, digest──▶ board ──ask──▶ edge        what an edge has of a slot, by version
///     shard ──profile────────▶ board ──load─▶ shard       what the user has chosen, and when they were last seen
///                              board ──tell─▶ edge        how a watched user is seen, when that changed
///
/// A user is connected while any edge reports a session:
///
///     unknown ──reported──▶ online ──last edge gone──▶ leaving ──grace over──▶ offline ──reported──▶ online
///        └──── every edge has reported the slot, none has the user ────────────────▲
///
/// While somebody is leaving they are shown as before, so that a reconnection is not seen, be it to another edge. What a
/// gained slot's users do is unknown until every linked edge has reported it, or has had ``Settings/settleTime`` to;
/// watchers keep what they were told by the former owner until then, so a change of owners is not seen either.
///
/// Nothing lost stays lost. Edges number the states of a slot, and the board asks for a slot whose number is not the one
/// that follows, or is not the one in the edge's digest. What the board sends is numbered too (``PresenceStates``), and
/// an edge that missed something asks for all of it. What no link took is told again.
///
/// What users have chosen is a matter of the user here, not of a session: it is stored, so that it survives
/// reconnections, and there is one place that decides what is shown. Edges report only who is there.
package struct PresenceBoard {
    package struct Settings: Sendable {
        /// How long somebody without a session is still shown as before, in milliseconds.
        package var grace: UInt64 = 1000
        /// How long an edge that is linked may take to report a slot, and a gained slot waits for edges to link.
        package var settleTime: UInt64 = 2000
        /// Between two notifications to one edge: changes of one user within it are merged, the newest wins.
        package var tellInterval: UInt64 = 250
        /// Between two questions for the same slot.
        package var askInterval: UInt64 = 1000
        /// Between two notifications that only tell an edge the sequence.
        package var beatInterval: UInt64 = 2000
        package var lastSeenInterval: UInt64 = 1000
        package var loadRetryInterval: UInt64 = 1000
        /// Users of the board; over it further ones are not taken, and counted.
        package var usersMax = 1_000_000
        /// Times that wait to be written; over it further ones are lost, and counted.
        package var lastSeenMax = 100_000
        /// Users of one load, and of one write of times.
        package var batchMax = 512

        package init() {}
    }

    /// Two clocks: one that only goes forward, in milliseconds, and the one that people read.
    package struct Moment: Sendable {
        package var monotonic: UInt64
        package var wall: UnixMilliseconds

        package init(monotonic: UInt64, wall: UnixMilliseconds) {
            self.monotonic = monotonic
            self.wall = wall
        }
    }

    package enum Action: Sendable, Equatable {
        /// Ephemeral. When no link takes it: ``notTold(_:_:)``, and none of the same tick goes to the edge after it.
        case tell(EdgeLife, PresenceStates)
        /// Ephemeral. When it is lost it is repeated.
        case ask(EdgeLife, PresenceWanted)
        /// Ends with ``loaded(_:of:)`` or ``loadFailed(_:now:)`` for all of the users.
        case load([UserID])
        case writeLastSeen([LastSeen])
    }

    package struct LastSeen: Sendable, Hashable {
        package var user: UserID
        package var at: UnixMilliseconds

        package init(user: UserID, at: UnixMilliseconds) {
            self.user = user
            self.at = at
        }
    }

    package struct Counts: Sendable, Equatable {
        package var users = 0
        /// States that were handed to a link.
        package var told: UInt64 = 0
        /// Changes that another change of the user overtook before they were told.
        package var merged: UInt64 = 0
        /// States that no link took; they were told later.
        package var dropped: UInt64 = 0
        /// Users that were not taken because the board was full, and times that were not written.
        package var refused: UInt64 = 0
        /// Slots that were asked for because something was missing.
        package var asked: UInt64 = 0
    }

    enum Connection: Equatable {
        case unknown
        case online
        /// Since when, and since when on the clock that people read.
        case leaving(UInt64, UnixMilliseconds)
        case offline
    }

    enum Profile: Equatable {
        case unknown
        case loading
        case known(PresenceProfile)
    }

    struct Watcher {
        var edge: Int
        /// What the edge was told last.
        var told: ShownPresence?
    }

    struct User {
        /// The edges with a session, by their numbers.
        var attached: [Int] = []
        var watchers: [Watcher] = []
        var profile = Profile.unknown
        var connection: Connection

        var isOfNoUse: Bool {
            if case .leaving = self.connection { return false }
            return self.attached.isEmpty && self.watchers.isEmpty
        }
    }

    struct OwnSlot {
        var gainedAt: UInt64
        var users: [UserID: User] = [:]
    }

    struct Edge {
        let life: EdgeLife
        let linkedAt: UInt64
        /// Of the slots that it has reported.
        var versions: [Slot: UInt64] = [:]
        /// Slots that it has to be asked for.
        var wanted: Set<Slot> = []
        /// When those were asked for that have not come yet.
        var asked: [Slot: UInt64] = [:]
        /// Users whose state may be news to it.
        var changed: Set<UserID> = []
        var nextTell: UInt64
        var nextBeat: UInt64
        var sequence: UInt64 = 0
    }

    struct Leaver {
        var due: UInt64
        var user: UserID
    }

    let settings: Settings
    var slots: [Slot: OwnSlot] = [:]
    var edges: [Int: Edge] = [:]
    var numbers: [String: Int] = [:]
    private var nextNumber = 0
    /// In the order of their time, but for those that a slot that is not settled put off.
    var leavers: [Leaver] = []
    /// Slots with users of whom nothing is known.
    var unsettled: Set<Slot> = []
    var toLoad: Set<UserID> = []
    var loadingCount = 0
    var nextLoad: UInt64 = 0
    var lastSeen: [UserID: UnixMilliseconds] = [:]
    var nextLastSeen: UInt64 = 0
    package internal(set) var counts = Counts()

    package init(settings: Settings = Settings()) {
        self.settings = settings
    }

    // MARK: - Links and slots

    package mutating func linkUp(_ life: EdgeLife, now: Moment) {
        if let number = self.numbers[life.edge] { self.forget(number, now: now) }
        let number = self.nextNumber
        self.nextNumber += 1
        self.numbers[life.edge] = number
        var edge = Edge(
            life: life,
            linkedAt: now.monotonic,
            nextTell: now.monotonic,
            nextBeat: now.monotonic + self.settings.beatInterval
        )
        edge.wanted = Set(self.slots.keys)
        self.edges[number] = edge
    }

    /// The end of a link is news at once: whoever was on that edge only is leaving from now on.
    package mutating func linkDown(_ life: EdgeLife, now: Moment) {
        guard let number = self.numbers[life.edge], self.edges[number]?.life == life else { return }
        self.forget(number, now: now)
    }

    private mutating func forget(_ number: Int, now: Moment) {
        guard let edge = self.edges.removeValue(forKey: number) else { return }
        self.numbers[edge.life.edge] = nil
        for slot in edge.versions.keys {
            for (user, state) in self.slots[slot]?.users ?? [:] {
                if state.watchers.contains(where: { $0.edge == number }) { self.unwatch(user, in: slot, by: number) }
                if state.attached.contains(number) { self.detach(user, in: slot, from: number, now: now) }
            }
        }
    }

    /// The slots that are owned from now on. What was known of others is forgotten.
    package mutating func slotsChanged(_ own: Set<Slot>, now: Moment) {
        for slot in self.slots.keys where !own.contains(slot) {
            self.counts.users -= self.slots.removeValue(forKey: slot)?.users.count ?? 0
            self.unsettled.remove(slot)
            for number in self.edges.keys {
                self.edges[number]?.versions[slot] = nil
                self.edges[number]?.wanted.remove(slot)
                self.edges[number]?.asked[slot] = nil
            }
        }
        for slot in own where self.slots[slot] == nil {
            self.slots[slot] = OwnSlot(gainedAt: now.monotonic)
            for number in self.edges.keys {
                self.edges[number]?.wanted.insert(slot)
            }
        }
    }

    /// Whether what is known of a slot is all there is to know.
    func isSettled(_ slot: Slot, now: Moment) -> Bool {
        guard let own = self.slots[slot], now.monotonic >= own.gainedAt + self.settings.settleTime else { return false }
        return self.edges.values.allSatisfy {
            $0.versions[slot] != nil || now.monotonic >= $0.linkedAt + self.settings.settleTime
        }
    }

    // MARK: - What is shown

    /// How a user is seen, or nil while that is not known.
    package func shown(_ user: UserID) -> ShownPresence? {
        self.slots[Slot(of: user.value)]?.users[user].flatMap { Self.shown(user, $0) }
    }

    static func shown(_ user: UserID, _ state: User) -> ShownPresence? {
        guard case .known(let profile) = state.profile else { return nil }
        guard profile.settings.visibility == .everyone else { return ShownPresence(user: user, status: .offline) }
        let offline = ShownPresence(user: user, status: .offline, lastSeenAt: profile.lastSeenAt)
        switch state.connection {
        case .unknown:
            return nil
        case .offline:
            return offline
        case .online, .leaving:
            switch profile.settings.status {
            case .online: return ShownPresence(user: user, status: .online)
            case .away: return ShownPresence(user: user, status: .away)
            case .busy: return ShownPresence(user: user, status: .busy)
            case .invisible: return offline
            }
        }
    }

    /// Notes for every watching edge that was told otherwise that there is news.
    mutating func changed(_ user: UserID, in slot: Slot) {
        guard let state = self.slots[slot]?.users[user], let shown = Self.shown(user, state) else { return }
        for watcher in state.watchers where watcher.told != shown {
            if self.edges[watcher.edge]?.changed.insert(user).inserted == false { self.counts.merged += 1 }
        }
    }

    mutating func removeIfOfNoUse(_ user: UserID, in slot: Slot) {
        guard self.slots[slot]?.users[user]?.isOfNoUse ?? false else { return }
        self.slots[slot]?.users[user] = nil
        self.toLoad.remove(user)
        self.counts.users -= 1
    }
}
