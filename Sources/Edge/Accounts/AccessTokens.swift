// SPDX-License-Identifier: Apache-2.0

import Crypto
import Foundation
import JWTKit
package import Messaging

/// Makes and checks access tokens: JSON Web Tokens (RFC 7519) signed with HMAC-SHA-256 (`HS256`, RFC 7515 §3).
///
/// JWTKit gives the claims and their coding. Its key collection is an actor, and a check must not suspend on an event
/// loop, so the signature is computed here, over the same bytes. It is compared in constant time and before anything
/// of the token is interpreted; the algorithm is fixed and not read from the token (RFC 8725 §3.1). A value; may be
/// used from any thread.
package struct AccessTokens: TokenVerifier {
    /// Bytes of a token; a longer one is refused unread. The cluster's own are about 300.
    package static let tokenBytesMax = 2048

    /// Seconds that a new token is good for.
    package let lifetimeSeconds: Int

    private let issuer: String
    private let key: SymmetricKey
    private let header: String
    private let now: @Sendable () -> UnixMilliseconds

    /// - Parameters:
    ///   - secret: the cluster's token secret, the same on all edges.
    ///   - issuer: the cluster's name; tokens of another issuer are refused.
    ///   - lifetime: rounded down to seconds, at least one.
    package init(
        secret: [UInt8],
        issuer: String,
        lifetime: Duration,
        now: @escaping @Sendable () -> UnixMilliseconds = WallClock.now
    ) {
        self.key = SymmetricKey(data: secret)
        self.issuer = issuer
        self.lifetimeSeconds = max(1, Int(lifetime.components.seconds))
        self.header = Base64.encode(#"{"alg":"HS256","typ":"JWT"}"#.utf8, .url)
        self.now = now
    }

    /// A new token.
    package func issue(user: UserID, device: DeviceID) throws(Failure) -> String {
        let issuedAt = Date(timeIntervalSince1970: Double(self.now() / 1000))
        let payload = Payload(
            sub: SubjectClaim(value: user.description),
            dev: device.description,
            iss: IssuerClaim(value: self.issuer),
            iat: IssuedAtClaim(value: issuedAt),
            exp: ExpirationClaim(value: issuedAt.addingTimeInterval(Double(self.lifetimeSeconds)))
        )
        let encoded: Data
        do {
            encoded = try DefaultJWTSerializer().serialize(payload)
        } catch {
            throw Failure(.internal, "The access token could not be written.")
        }
        let signed = self.header + "." + String(decoding: encoded, as: UTF8.self)
        let code = HMAC<SHA256>.authenticationCode(for: Data(signed.utf8), using: self.key)
        return signed + "." + Base64.encode(code, .url)
    }

    package func verify(accessToken: String) throws(Failure) -> AccessClaims {
        let token = Array(accessToken.utf8)
        guard
            token.count <= Self.tokenBytesMax,
            let lastDot = token.lastIndex(of: UInt8(ascii: ".")),
            let code = Base64.decode(token[(lastDot + 1)...], .url),
            HMAC<SHA256>.isValidAuthenticationCode(code, authenticating: token[..<lastDot], using: self.key),
            let (header, payload, _) = try? DefaultJWTParser().parse(token, as: Payload.self),
            header.alg == "HS256",
            payload.iss.value == self.issuer,
            let user = UserID(payload.sub.value),
            let device = DeviceID(payload.dev),
            let expiresAt = UnixMilliseconds(exactly: (payload.exp.value.timeIntervalSince1970 * 1000).rounded(.down))
        else {
            throw Failure(.unauthenticated, "The access token is not one of this cluster's.")
        }
        guard expiresAt > self.now() else {
            throw Failure(.tokenExpired, "The access token has expired; get a new one with the refresh token.")
        }
        return AccessClaims(user: user, device: device, expiresAt: expiresAt)
    }
}

/// The claims, under their names in the token.
private struct Payload: JWTPayload {
    var sub: SubjectClaim
    /// The device's id.
    var dev: String
    var iss: IssuerClaim
    var iat: IssuedAtClaim
    var exp: ExpirationClaim

    func verify(using algorithm: some JWTAlgorithm) async throws {
        try self.exp.verifyNotExpired()
    }
}
