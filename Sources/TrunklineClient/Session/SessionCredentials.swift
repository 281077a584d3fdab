// SPDX-License-Identifier: Apache-2.0

package import ClientProtocol
package import Messaging
package import NIOCore

/// What a session shows to prove whose it is, and when that ends.
package struct SessionCredentials: Sendable {
    /// How long before its end a token is not shown any more: it has to live until it is checked.
    package static let margin = TimeAmount.seconds(10)

    package var user: UserID
    package var device: DeviceID
    package var accessToken: String
    package var refreshToken: String
    package var accessTokenEndsAt: NIODeadline

    package init(_ tokens: TokenResponse, now: NIODeadline) {
        self.user = tokens.userID
        self.device = tokens.deviceID
        self.accessToken = tokens.accessToken
        self.refreshToken = tokens.refreshToken
        self.accessTokenEndsAt = now + .seconds(Int64(min(max(tokens.expiresIn, 0), 365 * 86_400)))
    }

    package func needsRefresh(now: NIODeadline) -> Bool {
        self.accessTokenEndsAt - Self.margin <= now
    }
}
