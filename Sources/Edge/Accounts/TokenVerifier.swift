// SPDX-License-Identifier: Apache-2.0

package import Messaging

/// What an access token says.
package struct AccessClaims: Hashable, Sendable {
    package var user: UserID
    package var device: DeviceID
    package var expiresAt: UnixMilliseconds

    package init(user: UserID, device: DeviceID, expiresAt: UnixMilliseconds) {
        self.user = user
        self.device = device
        self.expiresAt = expiresAt
    }

    /// The longest time that is told apart from "for ever".
    private static let millisecondsLeftMax: UnixMilliseconds = 400 * 24 * 3600 * 1000

    /// How long the token is still good; not negative.
    func millisecondsLeft(at now: UnixMilliseconds) -> Int64 {
        self.expiresAt > now ? Int64(min(self.expiresAt - now, Self.millisecondsLeftMax)) : 0
    }
}

/// Tells whether an access token is this cluster's and still good.
///
/// Does no I/O and takes microseconds, so it may be called on an event loop.
package protocol TokenVerifier: Sendable {
    /// Fails with `token_expired` for a token that was good once, and with `unauthenticated` for any other.
    func verify(accessToken: String) throws(Failure) -> AccessClaims
}
