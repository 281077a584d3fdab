// SPDX-License-Identifier: Apache-2.0

package import Directory
package import Messaging
import Synchronization

/// Which users have sessions on this edge, and on which event loop. May be used from any thread.
///
/// A device is in here from the moment its token was accepted, before the registry knows of it: of two sessions of one
/// device that begin at the same time, the order of ``reserve(_:_:_:loop:)`` says which one stays.
package final class SessionIndex: Sendable {
    package struct Entry: Hashable, Sendable {
        package var device: DeviceID
        package var session: SessionID
        /// The place of the event loop among the edge's.
        package var loop: Int
    }

    /// A user has few devices here: a short array beats a dictionary.
    private let users = Mutex<[UserID: [Entry]]>([:])
    private let changes = Atomic<UInt64>(0)

    package init() {}

    /// Puts a session in the place of the device's former one, if there was one, and returns that.
    package func reserve(_ user: UserID, _ device: DeviceID, _ session: SessionID, loop: Int) -> Entry? {
        let entry = Entry(device: device, session: session, loop: loop)
        return self.users.withLock { users in
            self.changes.add(1, ordering: .relaxed)
            guard let place = users[user]?.firstIndex(where: { $0.device == device }) else {
                users[user, default: []].append(entry)
                return nil
            }
            let replaced = users[user]?[place]
            users[user]?[place] = entry
            return replaced
        }
    }

    package enum Release: Equatable {
        /// The device has a newer session here.
        case superseded
        case released
        /// It was the user's last one here.
        case releasedLast
    }

    package func release(_ user: UserID, _ device: DeviceID, _ session: SessionID) -> Release {
        self.users.withLock { users in
            guard let place = users[user]?.firstIndex(where: { $0.device == device && $0.session == session }) else {
                return .superseded
            }
            self.changes.add(1, ordering: .relaxed)
            users[user]?.remove(at: place)
            guard users[user]?.isEmpty ?? true else { return .released }
            users[user] = nil
            return .releasedLast
        }
    }

    /// Grows whenever a session comes or goes: what ``place(_:)`` said before stays right while it is the same as before.
    package var generation: UInt64 { self.changes.load(ordering: .relaxed) }

    package func current(_ user: UserID, _ device: DeviceID) -> Entry? {
        self.users.withLock { $0[user]?.first { $0.device == device } }
    }

    package func contains(_ user: UserID) -> Bool {
        self.users.withLock { $0[user] != nil }
    }

    /// Every session, as the registry should know it.
    package func registrations(_ life: EdgeLife) -> [SessionRegistration] {
        self.users.withLock { users in
            users.flatMap { user, entries in
                entries.map { entry in
                    SessionRegistration(
                        user: user,
                        device: entry.device,
                        location: SessionLocation(
                            edge: life.edge,
                            incarnation: life.incarnation,
                            session: entry.session
                        )
                    )
                }
            }
        }
    }

    package struct Placement {
        /// Of each recipient list, in its order: the recipients on each loop that has any.
        package var byLoop: [[Int: [UserID]]] = []
        /// Recipients without a session here, of those lists for which that is news.
        package var absent: Set<UserID> = []
    }

    /// Finds the event loops of several lists of recipients, by one reading of the index.
    package func place(_ lists: [(recipients: [UserID], absenceIsNews: Bool)]) -> Placement {
        self.users.withLock { users in
            var placement = Placement()
            placement.byLoop.reserveCapacity(lists.count)
            for list in lists {
                var loops: [Int: [UserID]] = [:]
                for user in list.recipients {
                    guard let entries = users[user] else {
                        if list.absenceIsNews { placement.absent.insert(user) }
                        continue
                    }
                    for (position, entry) in entries.enumerated()
                    where !entries[..<position].contains(where: { $0.loop == entry.loop }) {
                        loops[entry.loop, default: []].append(user)
                    }
                }
                placement.byLoop.append(loops)
            }
            return placement
        }
    }
}
