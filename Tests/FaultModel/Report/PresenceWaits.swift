// SPDX-License-Identifier: Apache-2.0

internal import Messaging

/// How long devices that are always there showed somebody as connected who was not, or the other way round.
///
/// What is so is what the devices of the shown user knew of their own connections; whoever hides, or chooses another status
/// all the time, is left out. A user who is gone is shown for a while as before, so that a reconnection is not seen: that
/// while is in every figure.
struct PresenceWaits {
    private struct Change {
        var at: Microseconds
        var isConnected: Bool
    }

    private let record: RunRecord

    static func waits(_ record: RunRecord) -> [Wait] {
        let all = PresenceWaits(record: record)
        let users = Set(record.devices.map(\.user)).subtracting(record.hiddenUsers)
            .subtracting(record.choosingUsers)
        return users.sorted().flatMap { all.waits(for: $0) }
    }

    private func waits(for user: Int) -> [Wait] {
        let truth = self.truth(of: user)
        let others = self.record.conversations.map(\.stayers).filter { $0.contains(user) }
            .reduce(into: Set<Int>()) { $0.formUnion($1) }
        return self.record.devices.filter { device in
            device.user != user && device.behaviour.isSteady && others.contains(device.user)
        }.flatMap { device in
            let views = device.sightings.filter { $0.user == user }.map {
                Change(at: $0.at, isConnected: $0.status != .offline)
            }
            return device.connections.flatMap { self.waits(truth, views, in: $0) }
        }
    }

    /// Whether one of the user's devices had a session, from each change of that on; none had before the first.
    private func truth(of user: Int) -> [Change] {
        let connections = self.record.devices.filter { $0.user == user }.flatMap(\.connections)
        let ends = connections.flatMap { [($0.from, 1), ($0.until, -1)] }.sorted { $0.0 < $1.0 }
        var count = 0
        var changes: [Change] = []
        for (at, difference) in ends {
            let before = count > 0
            count += difference
            if (count > 0) != before { changes.append(Change(at: at, isConnected: count > 0)) }
        }
        return changes
    }

    /// Of one connection of a device: when what it showed was not so. Until it is told for the first time, which waits for
    /// the device to ask, it shows nothing, and that is not wrong.
    private func waits(_ truth: [Change], _ views: [Change], in connection: Wait) -> [Wait] {
        let end = min(connection.until, self.record.endedAt)
        var isConnected = truth.last { $0.at <= connection.from }?.isConnected ?? false
        var shown: Bool?
        var since: Microseconds?
        var waits: [Wait] = []
        let changes = truth.map { (change: $0, isView: false) } + views.map { (change: $0, isView: true) }
        for (change, isView) in changes.sorted(by: { $0.change.at < $1.change.at })
        where change.at > connection.from && change.at <= end {
            if isView { shown = change.isConnected } else { isConnected = change.isConnected }
            guard let shown else { continue }
            if shown == isConnected, let begin = since {
                waits.append(Wait(from: begin, until: change.at))
                since = nil
            } else if shown != isConnected {
                since = since ?? change.at
            }
        }
        if let since, since < end { waits.append(Wait(from: since, until: end)) }
        return waits
    }
}
