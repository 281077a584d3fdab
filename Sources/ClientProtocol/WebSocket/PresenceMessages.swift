// SPDX-License-Identifier: Apache-2.0

package import Messaging

/// One user in `presence_watched`.
package struct PresenceBody: Codable, Hashable, Sendable {
    package var userID: UserID
    package var status: ShownStatus
    /// Of those who are offline, and only if it is known.
    package var lastSeenAt: Timestamp?

    package init(userID: UserID, status: ShownStatus, lastSeenAt: Timestamp? = nil) {
        self.userID = userID
        self.status = status
        self.lastSeenAt = lastSeenAt
    }

    package init(_ shown: ShownPresence) {
        self.init(userID: shown.user, status: shown.status, lastSeenAt: shown.lastSeenAt.map { Timestamp($0) })
    }

    func write(into object: inout JSONWriter.Object) {
        object.identifier("user_id", self.userID)
        object.literal("status", self.status.name)
        if let lastSeenAt = self.lastSeenAt { object.timestamp("last_seen_at", lastSeenAt) }
    }

    private enum CodingKeys: String, CodingKey {
        case userID = "user_id"
        case status
        case lastSeenAt = "last_seen_at"
    }
}

/// The fields of `user_online`.
package struct UserOnline: Codable, Hashable, Sendable {
    package var userID: UserID
    /// Never ``ShownStatus/offline``.
    package var status: ShownStatus

    package init(userID: UserID, status: ShownStatus) {
        self.userID = userID
        self.status = status
    }

    func write(into object: inout JSONWriter.Object) {
        object.identifier("user_id", self.userID)
        object.literal("status", self.status.name)
    }

    private enum CodingKeys: String, CodingKey {
        case userID = "user_id"
        case status
    }
}

/// The fields of `user_offline`.
package struct UserOffline: Codable, Hashable, Sendable {
    package var userID: UserID
    package var lastSeenAt: Timestamp?

    package init(userID: UserID, lastSeenAt: Timestamp? = nil) {
        self.userID = userID
        self.lastSeenAt = lastSeenAt
    }

    func write(into object: inout JSONWriter.Object) {
        object.identifier("user_id", self.userID)
        if let lastSeenAt = self.lastSeenAt { object.timestamp("last_seen_at", lastSeenAt) }
    }

    private enum CodingKeys: String, CodingKey {
        case userID = "user_id"
        case lastSeenAt = "last_seen_at"
    }
}

extension ServerMessage {
    /// The event that tells of a user's presence.
    package init(_ shown: ShownPresence) {
        switch shown.status {
        case .offline:
            self = .userOffline(
                UserOffline(userID: shown.user, lastSeenAt: shown.lastSeenAt.map { Timestamp($0) })
            )
        case .online, .away, .busy:
            self = .userOnline(UserOnline(userID: shown.user, status: shown.status))
        }
    }
}

/// The fields of `typing`.
package struct TypingEvent: Codable, Hashable, Sendable {
    package var conversationID: ConversationID
    package var userID: UserID
    package var isTyping: Bool
    /// Unless another event comes before, the user counts as not typing any more after this time.
    package var expiresInMilliseconds: Int

    package init(conversationID: ConversationID, userID: UserID, isTyping: Bool, expiresInMilliseconds: Int) {
        self.conversationID = conversationID
        self.userID = userID
        self.isTyping = isTyping
        self.expiresInMilliseconds = expiresInMilliseconds
    }

    func write(into object: inout JSONWriter.Object) {
        object.identifier("conversation_id", self.conversationID)
        object.identifier("user_id", self.userID)
        object.flag("is_typing", self.isTyping)
        object.integer("expires_in_ms", UInt64(self.expiresInMilliseconds))
    }

    private enum CodingKeys: String, CodingKey {
        case conversationID = "conversation_id"
        case userID = "user_id"
        case isTyping = "is_typing"
        case expiresInMilliseconds = "expires_in_ms"
    }
}

/// What a user has chosen: the fields of `status_set`, and the answer to `PUT /api/users/status`.
package struct StatusBody: Codable, Hashable, Sendable {
    package var status: ChosenStatus
    package var visibleTo: PresenceVisibility

    package init(status: ChosenStatus, visibleTo: PresenceVisibility) {
        self.status = status
        self.visibleTo = visibleTo
    }

    package init(_ settings: PresenceSettings) {
        self.init(status: settings.status, visibleTo: settings.visibility)
    }

    func write(into object: inout JSONWriter.Object) {
        object.literal("status", self.status.name)
        object.literal("visible_to", self.visibleTo.name)
    }

    private enum CodingKeys: String, CodingKey {
        case status
        case visibleTo = "visible_to"
    }
}
