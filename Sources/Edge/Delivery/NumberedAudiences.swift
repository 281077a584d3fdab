// SPDX-License-Identifier: Apache-2.0

package import Messaging
package import Wire

/// The recipients that routers told this edge once and then name by a number (``AudienceUpdate``). Pure.
///
/// What comes over one link comes in its order, so a number means the users it meant when the router used it. What is not
/// known here, because a link was lost or there was no room, is asked for again by its conversation.
package struct NumberedAudiences {
    /// Users of all audiences together: 64 MiB. Over it some are let go, and told again when they are used.
    package static let usersMax = 4_000_000

    /// Says that two events have the same recipients.
    package struct Mark: Hashable, Sendable {
        var router: String
        var conversation: ConversationID
        var number: UInt64
        /// How often somebody came or left.
        var revision: UInt64
    }

    private struct Audience {
        var mark: Mark
        var users: [UserID]

        mutating func change(_ update: AudienceUpdate) {
            self.mark.revision += 1
            switch update.kind {
            case .all: self.users = update.users
            case .attached:
                for user in update.users where !self.users.contains(user) { self.users.append(user) }
            case .detached:
                self.users.removeAll { update.users.contains($0) }
            }
        }
    }

    private var audiences: [String: [ConversationID: Audience]] = [:]
    package private(set) var userCount = 0
    private let usersMax: Int

    package init(usersMax: Int = Self.usersMax) {
        self.usersMax = usersMax
    }

    package var count: Int { self.audiences.values.reduce(0) { $0 + $1.count } }

    package mutating func take(_ update: AudienceUpdate, from router: String) {
        // Taken out, so that its users are changed in place.
        var known = self.audiences[router]?.removeValue(forKey: update.conversation)
        self.userCount -= known?.users.count ?? 0
        if update.kind == .all {
            let mark = Mark(router: router, conversation: update.conversation, number: update.number, revision: 0)
            known = Audience(mark: mark, users: update.users)
        } else if known?.mark.number == update.number {
            known?.change(update)
        }
        guard let audience = known else { return }
        self.makeRoom(for: audience.users.count)
        self.userCount += audience.users.count
        self.audiences[router, default: [:]][update.conversation] = audience
    }

    /// Nil when they are not known.
    package func recipients(_ conversation: ConversationID, number: UInt64, from router: String) -> (Mark, [UserID])? {
        guard let audience = self.audiences[router]?[conversation], audience.mark.number == number else { return nil }
        return (audience.mark, audience.users)
    }

    /// The link to the router is gone: what it says from now on it says over another one.
    package mutating func forget(_ router: String) {
        guard let own = self.audiences.removeValue(forKey: router) else { return }
        self.userCount -= own.values.reduce(0) { $0 + $1.users.count }
    }

    private mutating func makeRoom(for count: Int) {
        for router in Array(self.audiences.keys) {
            for conversation in Array(self.audiences[router, default: [:]].keys) {
                guard self.userCount + count > self.usersMax else { return }
                let gone = self.audiences[router]?.removeValue(forKey: conversation)
                self.userCount -= gone?.users.count ?? 0
            }
        }
    }
}
