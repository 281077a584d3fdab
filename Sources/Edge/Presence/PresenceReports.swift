// SPDX-License-Identifier: Apache-2.0

internal import Messaging
internal import Placement
internal import Wire

/// What this edge tells the owners of slots: which of their users have a session here, and which are watched from here.
/// Pure: no clock, no links, no routing table.
///
/// The state of each slot has a version. What changes goes to the slot's owner as the difference from the version that
/// was handed to a link last; an owner that cannot apply it, or finds another version in a digest, asks for the whole
/// state. So the owner may change, and anything may get lost, at any time.
struct PresenceReports {
    /// Of one frame, about; a larger slot goes alone.
    static let frameUsersMax = 2048
    /// Frames to one router in one turn; what is left goes in the next.
    static let framesPerTurnMax = 8

    struct Report: Equatable {
        var router: String
        var body: PresenceReport
    }

    private struct State {
        var version: UInt64 = 0
        var attached: Set<UserID> = []
        var watched: Set<UserID> = []
        /// The version that was handed to a link last.
        var reported: UInt64 = 0
        /// Who came or left since then.
        var changed: Set<UserID> = []
        /// Whose watching began or ended since then.
        var rewatched: Set<UserID> = []

        /// Whether the difference is larger than the whole.
        var isWholeSmaller: Bool {
            self.changed.count + self.rewatched.count > self.attached.count + self.watched.count + 64
        }

        func whole(_ slot: Slot) -> SlotPresence {
            SlotPresence(
                slot: slot,
                base: 0,
                version: self.version,
                attached: Array(self.attached),
                watched: Array(self.watched)
            )
        }

        func difference(_ slot: Slot) -> SlotPresence {
            guard !self.isWholeSmaller else { return self.whole(slot) }
            return SlotPresence(
                slot: slot,
                base: self.reported,
                version: self.version,
                attached: self.changed.filter { self.attached.contains($0) },
                detached: self.changed.filter { !self.attached.contains($0) },
                watched: self.rewatched.filter { self.watched.contains($0) },
                unwatched: self.rewatched.filter { !self.watched.contains($0) }
            )
        }
    }

    private var slots: [Slot: State] = [:]
    private var dirty: Set<Slot> = []
    private var asked: [String: Set<Slot>] = [:]

    // MARK: - Events

    /// A user has a session here or has none, whatever was the case before.
    mutating func set(_ user: UserID, isAttached: Bool) {
        let slot = Slot(of: user.value)
        var state = self.slots[slot] ?? State()
        guard state.attached.contains(user) != isAttached else { return }
        if isAttached {
            guard state.attached.count < SlotPresence.usersMax else { return }
            state.attached.insert(user)
        } else {
            state.attached.remove(user)
        }
        state.changed.insert(user)
        self.keep(state, slot)
    }

    /// Somebody here watches the user, or nobody does.
    mutating func set(_ user: UserID, isWatched: Bool) {
        let slot = Slot(of: user.value)
        var state = self.slots[slot] ?? State()
        guard state.watched.contains(user) != isWatched else { return }
        if isWatched {
            guard state.watched.count < SlotPresence.usersMax else { return }
            state.watched.insert(user)
        } else {
            state.watched.remove(user)
        }
        state.rewatched.insert(user)
        self.keep(state, slot)
    }

    private mutating func keep(_ state: State, _ slot: Slot) {
        var state = state
        state.version += 1
        if state.isWholeSmaller {
            // Kept no longer than it is of use: the next report is from version 0.
            state.reported = 0
            state.changed = state.attached
            state.rewatched = state.watched
        }
        self.slots[slot] = state
        self.dirty.insert(slot)
    }

    /// A router asks for whole slots.
    mutating func wanted(_ slots: [Slot], by router: String) {
        self.asked[router, default: []].formUnion(slots)
    }

    /// What a router asked for does not matter when its link is gone: it asks again.
    mutating func linkDown(_ router: String) {
        self.asked[router] = nil
    }

    // MARK: - What is due

    /// What is to be sent now, by the owners as they are now. Ends with ``sent(_:isOwner:)`` for what a link took.
    func due(owner: (Slot) -> String?) -> [Report] {
        var byRouter: [String: [SlotPresence]] = [:]
        for (router, slots) in self.asked {
            byRouter[router] = slots.map { (self.slots[$0] ?? State()).whole($0) }
        }
        for slot in self.dirty {
            guard let router = owner(slot), !(self.asked[router]?.contains(slot) ?? false) else { continue }
            if let state = self.slots[slot] { byRouter[router, default: []].append(state.difference(slot)) }
        }
        return byRouter.flatMap { router, presences in Self.frames(presences, to: router) }
    }

    private static func frames(_ presences: [SlotPresence], to router: String) -> [Report] {
        var reports: [Report] = []
        var current: [SlotPresence] = []
        var users = 0
        for presence in presences {
            // A slot costs about as much as one user.
            if !current.isEmpty, users + presence.userCount + 1 > Self.frameUsersMax {
                reports.append(Report(router: router, body: PresenceReport(slots: current)))
                guard reports.count < Self.framesPerTurnMax else { return reports }
                current = []
                users = 0
            }
            current.append(presence)
            users += presence.userCount + 1
        }
        if !current.isEmpty { reports.append(Report(router: router, body: PresenceReport(slots: current))) }
        return reports
    }

    /// A link took a report, as it was due.
    mutating func sent(_ report: Report, owner: (Slot) -> String?) {
        for presence in report.body.slots {
            let slot = presence.slot
            if presence.base == 0 { self.asked[report.router]?.remove(slot) }
            guard owner(slot) == report.router, var state = self.slots[slot] else { continue }
            state.reported = presence.version
            state.changed = []
            state.rewatched = []
            self.slots[slot] = state
            self.dirty.remove(slot)
        }
        if self.asked[report.router]?.isEmpty ?? false { self.asked[report.router] = nil }
    }

    /// The versions that the owners should know.
    func digests(owner: (Slot) -> String?) -> [String: PresenceDigest] {
        var digests: [String: PresenceDigest] = [:]
        for (slot, state) in self.slots where state.reported > 0 {
            guard let router = owner(slot) else { continue }
            digests[router, default: PresenceDigest(entries: [])].entries
                .append(PresenceDigest.Entry(slot: slot, version: state.reported))
        }
        return digests
    }
}
