// SPDX-License-Identifier: Apache-2.0

package import Messaging

/// How others have to see a user when the run has ended.
package struct PresenceTruth: Sendable, Equatable {
    package var user: Int
    /// Whether one of the user's devices is connected.
    package var isConnected: Bool
    /// As the databases have it.
    package var settings: PresenceSettings

    package init(user: Int, isConnected: Bool, settings: PresenceSettings = PresenceSettings()) {
        self.user = user
        self.isConnected = isConnected
        self.settings = settings
    }

    package var status: ShownStatus {
        guard self.isConnected, self.settings.visibility == .everyone else { return .offline }
        return switch self.settings.status {
        case .online: .online
        case .away: .away
        case .busy: .busy
        case .invisible: .offline
        }
    }

    /// Whether the time of leaving has to be told; nil where both are right.
    package var hasLastSeen: Bool? {
        guard self.settings.visibility == .everyone else { return false }
        return switch self.settings.status {
        case .invisible: nil
        case .online, .away, .busy: !self.isConnected
        }
    }
}

/// One user as one device was told.
package struct PresenceSighting: Sendable, Equatable {
    package var user: Int
    package var status: ShownStatus
    package var hasLastSeen: Bool
    package var at: Microseconds

    package init(user: Int, status: ShownStatus, hasLastSeen: Bool = false, at: Microseconds) {
        self.user = user
        self.status = status
        self.hasLastSeen = hasLastSeen
        self.at = at
    }
}
