// SPDX-License-Identifier: Apache-2.0

package import Messaging

/// The client installation that logs in. Without it a new, nameless device is made.
package struct DeviceDescription: Codable, Hashable, Sendable {
    /// A device that this user had before; it is renewed instead of a new one being made.
    package var deviceID: DeviceID?
    package var name: String?
    package var type: String?

    package init(deviceID: DeviceID? = nil, name: String? = nil, type: String? = nil) {
        self.deviceID = deviceID
        self.name = name
        self.type = type
    }

    private enum CodingKeys: String, CodingKey {
        case deviceID = "device_id"
        case name
        case type
    }
}

/// `POST /api/auth/register`
package struct RegisterRequest: Codable, Hashable, Sendable {
    package var username: String
    package var password: String
    package var displayName: String?
    package var device: DeviceDescription?

    package init(username: String, password: String, displayName: String? = nil, device: DeviceDescription? = nil) {
        self.username = username
        self.password = password
        self.displayName = displayName
        self.device = device
    }

    private enum CodingKeys: String, CodingKey {
        case username
        case password
        case displayName = "display_name"
        case device
    }
}

/// `POST /api/auth/login`
package struct LoginRequest: Codable, Hashable, Sendable {
    package var username: String
    package var password: String
    package var device: DeviceDescription?

    package init(username: String, password: String, device: DeviceDescription? = nil) {
        self.username = username
        self.password = password
        self.device = device
    }
}

/// `POST /api/auth/refresh`
package struct RefreshRequest: Codable, Hashable, Sendable {
    package var refreshToken: String

    package init(refreshToken: String) {
        self.refreshToken = refreshToken
    }

    private enum CodingKeys: String, CodingKey {
        case refreshToken = "refresh_token"
    }
}

/// The answer to registering, logging in and refreshing.
package struct TokenResponse: Codable, Hashable, Sendable {
    package var userID: UserID
    package var deviceID: DeviceID
    package var accessToken: String
    package var refreshToken: String
    /// Seconds until the access token ends.
    package var expiresIn: Int

    package init(userID: UserID, deviceID: DeviceID, accessToken: String, refreshToken: String, expiresIn: Int) {
        self.userID = userID
        self.deviceID = deviceID
        self.accessToken = accessToken
        self.refreshToken = refreshToken
        self.expiresIn = expiresIn
    }

    private enum CodingKeys: String, CodingKey {
        case userID = "user_id"
        case deviceID = "device_id"
        case accessToken = "access_token"
        case refreshToken = "refresh_token"
        case expiresIn = "expires_in"
    }
}
