// SPDX-License-Identifier: Apache-2.0

import Directory
import Messaging
import Placement
import Wire

// MARK: - What edges report

extension PresenceBoard {
    package mutating func reported(_ life: EdgeLife, _ report: PresenceReport, now: Moment) {
        guard let number = self.numbers[life.edge], self.edges[number]?.life == life else { return }
        for presence in report.slots {
            self.reported(number, presence, now: now)
        }
    }

    private mutating func reported(_ number: Int, _ presence: SlotPresence, now: Moment) {
        let slot = presence.slot
        // What another router owns, or this one not yet, is asked for when it is gained.
        guard self.slots[slot] != nil, let edge = self.edges[number] else { return }
        let known = edge.versions[slot]
        let isSettled = self.isSettled(slot, now: now)
        if presence.base == 0 {
            if let known, known > presence.version { return }
            self.replace(number, presence, isSettled: isSettled, now: now)
        } else if presence.base == known {
            self.apply(number, presence, isSettled: isSettled, now: now)
        } else {
            if presence.version > known ?? 0 { self.want(slot, of: number) }
            return
        }
        self.edges[number]?.versions[slot] = presence.version
        self.edges[number]?.asked[slot] = nil
        self.edges[number]?.wanted.remove(slot)
    }

    private mutating func apply(_ number: Int, _ presence: SlotPresence, isSettled: Bool, now: Moment) {
        let slot = presence.slot
        for user in presence.watched { self.watch(user, in: slot, by: number, isSettled: isSettled) }
        for user in presence.attached { self.attach(user, in: slot, to: number) }
        for user in presence.detached { self.detach(user, in: slot, from: number, now: now) }
        for user in presence.unwatched { self.unwatch(user, in: slot, by: number) }
    }

    private mutating func replace(_ number: Int, _ presence: SlotPresence, isSettled: Bool, now: Moment) {
        let attached = Set(presence.attached)
        let watched = Set(presence.watched)
        var difference = presence
        for (user, state) in self.slots[presence.slot]?.users ?? [:] {
            if state.attached.contains(number), !attached.contains(user) { difference.detached.append(user) }
            if !watched.contains(user), state.watchers.contains(where: { $0.edge == number }) {
                difference.unwatched.append(user)
            }
        }
        self.apply(number, difference, isSettled: isSettled, now: now)
    }

    /// The versions of all slots in which the edge ever had something.
    package mutating func digest(_ life: EdgeLife, _ digest: PresenceDigest) {
        guard let number = self.numbers[life.edge], let edge = self.edges[number], edge.life == life else { return }
        for entry in digest.entries where self.slots[entry.slot] != nil {
            if edge.versions[entry.slot] ?? 0 < entry.version { self.want(entry.slot, of: number) }
        }
    }

    private mutating func want(_ slot: Slot, of number: Int) {
        guard self.edges[number]?.asked[slot] == nil else { return }
        self.edges[number]?.wanted.insert(slot)
    }

    /// The edge missed something of what it was told. That its count begins anew tells it that this has arrived.
    package mutating func statesWanted(_ life: EdgeLife) {
        guard let number = self.numbers[life.edge], let edge = self.edges[number], edge.life == life else { return }
        self.edges[number]?.sequence = 0
        self.edges[number]?.nextBeat = 0
        for slot in edge.versions.keys {
            for (user, state) in self.slots[slot]?.users ?? [:] {
                guard let place = state.watchers.firstIndex(where: { $0.edge == number }) else { continue }
                self.slots[slot]?.users[user]?.watchers[place].told = nil
                self.changed(user, in: slot)
            }
        }
    }

    // MARK: - One user

    private mutating func attach(_ user: UserID, in slot: Slot, to number: Int) {
        guard self.take(user, in: slot, connection: .online),
            self.slots[slot]?.users[user]?.attached.contains(number) == false
        else { return }
        self.slots[slot]?.users[user]?.attached.append(number)
        self.slots[slot]?.users[user]?.connection = .online
        // Nobody else writes the time while the user is here.
        self.lastSeen[user] = nil
        self.changed(user, in: slot)
    }

    mutating func detach(_ user: UserID, in slot: Slot, from number: Int, now: Moment) {
        guard let place = self.slots[slot]?.users[user]?.attached.firstIndex(of: number) else { return }
        self.slots[slot]?.users[user]?.attached.remove(at: place)
        guard self.slots[slot]?.users[user]?.attached.isEmpty ?? false else { return }
        self.slots[slot]?.users[user]?.connection = .leaving(now.monotonic, now.wall)
        self.leavers.append(Leaver(due: now.monotonic + self.settings.grace, user: user))
    }

    /// An edge that says so again has forgotten what it was told: it watched, did not, and does.
    private mutating func watch(_ user: UserID, in slot: Slot, by number: Int, isSettled: Bool) {
        guard self.take(user, in: slot, connection: isSettled ? .offline : .unknown),
            let state = self.slots[slot]?.users[user]
        else { return }
        if let place = state.watchers.firstIndex(where: { $0.edge == number }) {
            self.slots[slot]?.users[user]?.watchers[place].told = nil
        } else {
            self.slots[slot]?.users[user]?.watchers.append(Watcher(edge: number))
        }
        switch state.profile {
        case .unknown: self.toLoad.insert(user)
        case .known: self.changed(user, in: slot)
        case .loading: break
        }
        if state.connection == .unknown { self.unsettled.insert(slot) }
    }

    mutating func unwatch(_ user: UserID, in slot: Slot, by number: Int) {
        self.slots[slot]?.users[user]?.watchers.removeAll { $0.edge == number }
        self.edges[number]?.changed.remove(user)
        if self.slots[slot]?.users[user]?.watchers.isEmpty ?? true {
            self.toLoad.remove(user)
            // Read again when somebody watches again: another router may have written it by then.
            if case .known = self.slots[slot]?.users[user]?.profile {
                self.slots[slot]?.users[user]?.profile = .unknown
            }
        }
        self.removeIfOfNoUse(user, in: slot)
    }

    /// Makes room for a user. Returns false at the bound.
    private mutating func take(_ user: UserID, in slot: Slot, connection: Connection) -> Bool {
        guard Slot(of: user.value) == slot else { return false }
        if self.slots[slot]?.users[user] != nil { return true }
        guard self.counts.users < self.settings.usersMax else {
            self.counts.refused += 1
            return false
        }
        self.slots[slot]?.users[user] = User(connection: connection)
        self.counts.users += 1
        return true
    }

    // MARK: - What is stored

    /// - Parameter profiles: of those who exist.
    package mutating func loaded(_ profiles: [UserID: PresenceProfile], of users: [UserID]) {
        self.loadingCount -= users.count
        for user in users {
            // Whoever changed it meanwhile knows better than what was read.
            let slot = Slot(of: user.value)
            guard let state = self.slots[slot]?.users[user], state.profile == .loading else { continue }
            guard !state.watchers.isEmpty else {
                self.slots[slot]?.users[user]?.profile = .unknown
                continue
            }
            let profile = self.newest(profiles[user] ?? PresenceProfile(), of: user)
            self.slots[slot]?.users[user]?.profile = .known(profile)
            self.changed(user, in: slot)
        }
    }

    package mutating func loadFailed(_ users: [UserID], now: Moment) {
        self.loadingCount -= users.count
        self.nextLoad = now.monotonic + self.settings.loadRetryInterval
        for user in users {
            let slot = Slot(of: user.value)
            guard let state = self.slots[slot]?.users[user], state.profile == .loading else { continue }
            self.slots[slot]?.users[user]?.profile = .unknown
            if !state.watchers.isEmpty { self.toLoad.insert(user) }
        }
    }

    /// The user has chosen something else; it is stored.
    package mutating func profileChanged(_ user: UserID, _ profile: PresenceProfile) {
        let slot = Slot(of: user.value)
        guard let state = self.slots[slot]?.users[user], !state.watchers.isEmpty || state.profile != .unknown else {
            return
        }
        var newest = self.newest(profile, of: user)
        if case .known(let known) = state.profile, let time = known.lastSeenAt {
            newest.lastSeenAt = max(time, newest.lastSeenAt ?? 0)
        }
        self.toLoad.remove(user)
        self.slots[slot]?.users[user]?.profile = .known(newest)
        self.changed(user, in: slot)
    }

    /// With the time that waits to be written.
    private func newest(_ profile: PresenceProfile, of user: UserID) -> PresenceProfile {
        guard profile.settings.status != .invisible, let waiting = self.lastSeen[user] else { return profile }
        var profile = profile
        profile.lastSeenAt = max(waiting, profile.lastSeenAt ?? 0)
        return profile
    }
}
