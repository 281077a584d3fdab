// SPDX-License-Identifier: Apache-2.0

package import Messaging

/// A person as others see it: `GET /api/users/{id}`.
package struct UserBody: Codable, Hashable, Sendable {
    package var userID: UserID
    package var username: String
    package var displayName: String
    package var createdAt: Timestamp

    package init(userID: UserID, username: String, displayName: String, createdAt: Timestamp) {
        self.userID = userID
        self.username = username
        self.displayName = displayName
        self.createdAt = createdAt
    }

    package init(_ profile: UserProfile) {
        self.init(
            userID: profile.id,
            username: profile.username,
            displayName: profile.displayName,
            createdAt: Timestamp(profile.createdAt)
        )
    }

    private enum CodingKeys: String, CodingKey {
        case userID = "user_id"
        case username
        case displayName = "display_name"
        case createdAt = "created_at"
    }
}

/// `GET /api/users/search`
package struct UserSearchResponse: Codable, Hashable, Sendable {
    package var users: [UserBody]

    package init(users: [UserBody]) {
        self.users = users
    }
}
