// SPDX-License-Identifier: Apache-2.0

import Directory
import Messaging
import Placement
import Wire

// MARK: - What time brings

extension PresenceBoard {
    /// Notifications of one tick to one edge; what is left goes with the next.
    static let tellsPerTickMax = 8

    /// To be called every few tens of milliseconds.
    package mutating func tick(now: Moment) -> [Action] {
        self.endGraces(now: now)
        self.settle(now: now)
        var actions = self.asks(now: now)
        actions += self.loads(now: now)
        for number in self.edges.keys.sorted() {
            actions += self.tells(number, now: now)
        }
        actions += self.writes(now: now)
        return actions
    }

    private mutating func endGraces(now: Moment) {
        guard let first = self.leavers.first, first.due <= now.monotonic else { return }
        let end = self.leavers.firstIndex { $0.due > now.monotonic } ?? self.leavers.endIndex
        let due = self.leavers[..<end]
        self.leavers.removeSubrange(..<end)
        var settled: [Slot: Bool] = [:]
        for leaver in due {
            let slot = Slot(of: leaver.user.value)
            let isSettled = settled[slot] ?? self.isSettled(slot, now: now)
            settled[slot] = isSettled
            guard let state = self.slots[slot]?.users[leaver.user],
                case .leaving(let since, let left) = state.connection
            else { continue }
            // Came and left again: the later leaving has its own entry.
            guard since + self.settings.grace <= now.monotonic else { continue }
            guard isSettled else {
                self.leavers.append(Leaver(due: now.monotonic + self.settings.tellInterval, user: leaver.user))
                continue
            }
            self.left(leaver.user, state, at: left)
        }
    }

    private mutating func left(_ user: UserID, _ state: User, at time: UnixMilliseconds) {
        let slot = Slot(of: user.value)
        self.slots[slot]?.users[user]?.connection = .offline
        var isInvisible = false
        if case .known(var profile) = state.profile {
            isInvisible = profile.settings.status == .invisible
            profile.lastSeenAt = isInvisible ? profile.lastSeenAt : max(time, profile.lastSeenAt ?? 0)
            self.slots[slot]?.users[user]?.profile = .known(profile)
        }
        // The leaving of somebody who was not seen to be there would tell that they were.
        if isInvisible {
            self.lastSeen[user] = nil
        } else if self.lastSeen[user] != nil || self.lastSeen.count < self.settings.lastSeenMax {
            self.lastSeen[user] = time
        } else {
            self.counts.refused += 1
        }
        self.changed(user, in: slot)
        self.removeIfOfNoUse(user, in: slot)
    }

    private mutating func settle(now: Moment) {
        for slot in self.unsettled where self.isSettled(slot, now: now) {
            self.unsettled.remove(slot)
            for (user, state) in self.slots[slot]?.users ?? [:] where state.connection == .unknown {
                self.slots[slot]?.users[user]?.connection = .offline
                self.changed(user, in: slot)
            }
        }
    }

    private mutating func asks(now: Moment) -> [Action] {
        var actions: [Action] = []
        for number in self.edges.keys.sorted() {
            guard var edge = self.edges[number], !(edge.wanted.isEmpty && edge.asked.isEmpty) else { continue }
            for (slot, time) in edge.asked where time + self.settings.askInterval <= now.monotonic {
                edge.wanted.insert(slot)
            }
            let slots = edge.wanted.sorted()
            edge.wanted = []
            for slot in slots { edge.asked[slot] = now.monotonic }
            self.edges[number] = edge
            guard !slots.isEmpty else { continue }
            self.counts.asked += UInt64(slots.count)
            actions.append(.ask(edge.life, PresenceWanted(slots: slots)))
        }
        return actions
    }

    /// One load at a time, so that the readers of the shards serve others first.
    private mutating func loads(now: Moment) -> [Action] {
        guard self.loadingCount == 0, !self.toLoad.isEmpty, self.nextLoad <= now.monotonic else { return [] }
        let users = Array(self.toLoad.prefix(self.settings.batchMax))
        self.toLoad.subtract(users)
        let present = users.filter { self.slots[Slot(of: $0.value)]?.users[$0]?.profile == .unknown }
        guard !present.isEmpty else { return [] }
        for user in present {
            self.slots[Slot(of: user.value)]?.users[user]?.profile = .loading
        }
        self.loadingCount = present.count
        return [.load(present)]
    }

    private mutating func tells(_ number: Int, now: Moment) -> [Action] {
        guard var edge = self.edges[number] else { return [] }
        var actions: [Action] = []
        if edge.nextTell <= now.monotonic, !edge.changed.isEmpty {
            edge.nextTell = now.monotonic + self.settings.tellInterval
            var states: [ShownPresence] = []
            for user in edge.changed.prefix(Self.tellsPerTickMax * PresenceStates.statesMax) {
                edge.changed.remove(user)
                if let state = self.news(of: user, for: number) { states.append(state) }
            }
            var rest = states[...]
            while !rest.isEmpty {
                let part = rest.prefix(PresenceStates.statesMax)
                rest = rest.dropFirst(part.count)
                actions.append(.tell(edge.life, PresenceStates(sequence: edge.sequence, states: Array(part))))
                edge.sequence += 1
            }
            self.counts.told += UInt64(states.count)
        }
        if !actions.isEmpty {
            edge.nextBeat = now.monotonic + self.settings.beatInterval
        } else if edge.nextBeat <= now.monotonic {
            edge.nextBeat = now.monotonic + self.settings.beatInterval
            actions.append(.tell(edge.life, PresenceStates(sequence: edge.sequence, states: [])))
        }
        self.edges[number] = edge
        return actions
    }

    /// What the edge is to be told now; nil when it knows.
    private mutating func news(of user: UserID, for number: Int) -> ShownPresence? {
        let slot = Slot(of: user.value)
        guard let state = self.slots[slot]?.users[user], let shown = Self.shown(user, state),
            let place = state.watchers.firstIndex(where: { $0.edge == number }), state.watchers[place].told != shown
        else { return nil }
        self.slots[slot]?.users[user]?.watchers[place].told = shown
        return shown
    }

    /// No link took it: it is told later, as it is then.
    package mutating func notTold(_ life: EdgeLife, _ states: PresenceStates) {
        guard let number = self.numbers[life.edge], let edge = self.edges[number], edge.life == life else { return }
        self.edges[number]?.sequence = min(edge.sequence, states.sequence)
        self.counts.dropped += UInt64(states.states.count)
        for state in states.states {
            let slot = Slot(of: state.user.value)
            guard let place = self.slots[slot]?.users[state.user]?.watchers.firstIndex(where: { $0.edge == number })
            else { continue }
            self.slots[slot]?.users[state.user]?.watchers[place].told = nil
            self.edges[number]?.changed.insert(state.user)
        }
    }

    private mutating func writes(now: Moment) -> [Action] {
        guard self.nextLastSeen <= now.monotonic, !self.lastSeen.isEmpty else { return [] }
        self.nextLastSeen = now.monotonic + self.settings.lastSeenInterval
        let times = self.lastSeen.map { LastSeen(user: $0.key, at: $0.value) }
        self.lastSeen = [:]
        return stride(from: 0, to: times.count, by: self.settings.batchMax).map { start in
            .writeLastSeen(Array(times[start..<min(start + self.settings.batchMax, times.count)]))
        }
    }
}
