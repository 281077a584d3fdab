// SPDX-License-Identifier: Apache-2.0

/// What a user wants to appear as while connected. The raw value is the number on the mesh and in the database.
///
/// It belongs to the user, not to a session, so that it survives every reconnection and is the same on all devices.
package enum ChosenStatus: UInt8, Sendable, CaseIterable {
    case online = 1
    case away = 2
    case busy = 3
    /// Connected, and shown as offline.
    case invisible = 4

    package var name: String {
        switch self {
        case .online: "online"
        case .away: "away"
        case .busy: "busy"
        case .invisible: "invisible"
        }
    }
}

/// Who may see a user's presence. The raw value is the number on the mesh and in the database.
package enum PresenceVisibility: UInt8, Sendable, CaseIterable {
    /// Everyone who shares a conversation with the user.
    case everyone = 1
    case nobody = 2

    package var name: String {
        switch self {
        case .everyone: "everyone"
        case .nobody: "nobody"
        }
    }
}

/// What others see. The raw value is the number on the mesh.
package enum ShownStatus: UInt8, Sendable, CaseIterable {
    case offline = 1
    case online = 2
    case away = 3
    case busy = 4

    package var name: String {
        switch self {
        case .offline: "offline"
        case .online: "online"
        case .away: "away"
        case .busy: "busy"
        }
    }
}

/// What a user has chosen about their own presence.
package struct PresenceSettings: Hashable, Sendable {
    package var status: ChosenStatus
    package var visibility: PresenceVisibility

    package init(status: ChosenStatus = .online, visibility: PresenceVisibility = .everyone) {
        self.status = status
        self.visibility = visibility
    }
}

/// What is stored of a user's presence.
package struct PresenceProfile: Hashable, Sendable {
    package var settings: PresenceSettings
    /// When the user was last seen to leave; nil when that never happened.
    package var lastSeenAt: UnixMilliseconds?

    package init(settings: PresenceSettings = PresenceSettings(), lastSeenAt: UnixMilliseconds? = nil) {
        self.settings = settings
        self.lastSeenAt = lastSeenAt
    }
}

/// One user as those see them who may. Someone who hides is offline without a time, as someone who never came.
package struct ShownPresence: Hashable, Sendable {
    package var user: UserID
    package var status: ShownStatus
    /// Only with ``ShownStatus/offline``.
    package var lastSeenAt: UnixMilliseconds?

    package init(user: UserID, status: ShownStatus, lastSeenAt: UnixMilliseconds? = nil) {
        self.user = user
        self.status = status
        self.lastSeenAt = lastSeenAt
    }
}
