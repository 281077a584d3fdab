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
        /// Another one for every list of recipients that this edge was ever told. The routers' numbers are not: another life
        /// of a router begins anew.
        var revision: UInt64
    }

    private struct Audience {
        var number: UInt64
        /// The router over whose link it came: another one may have passed it on.
        var path: String
        var mark: Mark
        var users: UserSet

        mutating func change(_ update: AudienceUpdate, revision: UInt64) {
            self.mark.revision = revision
            switch update.kind {
            case .all: self.users = UserSet(update.users)
            case .attached:
                for user in update.users { self.users.insert(user) }
            case .detached:
                for user in update.users { self.users.remove(user) }
            }
        }
    }

    private var audiences: [String: [ConversationID: Audience]] = [:]
    package private(set) var userCount = 0
    private var revision: UInt64 = 0
    private let usersMax: Int

    package init(usersMax: Int = Self.usersMax) {
        self.usersMax = usersMax
    }

    package var count: Int { self.audiences.values.reduce(0) { $0 + $1.count } }

    /// - Parameter path: the router that passed it on, if that is another one.
    package mutating func take(_ update: AudienceUpdate, from router: String, through path: String? = nil) {
        self.revision += 1
        // Taken out, so that its users are changed in place.
        var known = self.audiences[router]?.removeValue(forKey: update.conversation)
        self.userCount -= known?.users.count ?? 0
        if update.kind == .all {
            let mark = Mark(router: router, conversation: update.conversation, revision: self.revision)
            known = Audience(
                number: update.number,
                path: path ?? router,
                mark: mark,
                users: UserSet(update.users)
            )
        } else if known?.number == update.number {
            known?.change(update, revision: self.revision)
        }
        guard let audience = known else { return }
        self.makeRoom(for: audience.users.count)
        self.userCount += audience.users.count
        self.audiences[router, default: [:]][update.conversation] = audience
    }

    /// Nil when they are not known.
    package func recipients(_ conversation: ConversationID, number: UInt64, from router: String) -> (Mark, [UserID])? {
        guard let audience = self.audiences[router]?[conversation], audience.number == number else { return nil }
        return (audience.mark, audience.users.users)
    }

    /// The link to the router is gone: what it says from now on it says over another one, and changes of what it passed on
    /// may have been lost.
    package mutating func forget(_ router: String) {
        let own = self.audiences.removeValue(forKey: router) ?? [:]
        self.userCount -= own.values.reduce(0) { $0 + $1.users.count }
        for other in Array(self.audiences.keys) {
            for (conversation, audience) in self.audiences[other] ?? [:] where audience.path == router {
                self.audiences[other]?[conversation] = nil
                self.userCount -= audience.users.count
            }
        }
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
