// SPDX-License-Identifier: Apache-2.0

package import ClientProtocol
package import Messaging
internal import Placement
internal import Wire

/// Registering, logging in, refreshing and logging out. A value; may be used from any thread.
package struct Accounts: Sendable {
    private let routers: any RouterCalls
    private let tokens: AccessTokens
    private let hasher: PasswordHasher
    private let admission: AdmissionControl
    private let refreshLifetime: UnixMilliseconds
    private let now: @Sendable () -> UnixMilliseconds

    /// How long a new account may take to appear in its own slot, after its name was claimed in the name's.
    private static let creationTimeout = Duration.seconds(5)
    private static let creationPollMax = Duration.milliseconds(200)

    package init(
        routers: any RouterCalls,
        tokens: AccessTokens,
        hasher: PasswordHasher,
        admission: AdmissionControl,
        refreshLifetime: Duration,
        now: @escaping @Sendable () -> UnixMilliseconds = WallClock.now
    ) {
        self.routers = routers
        self.tokens = tokens
        self.hasher = hasher
        self.admission = admission
        self.refreshLifetime = UnixMilliseconds(refreshLifetime.components.seconds) * 1000
        self.now = now
    }

    /// - Throws: `invalid_field`, `username_taken`, `overloaded`, `unavailable`.
    package func register(_ request: RegisterRequest) async throws(Failure) -> TokenResponse {
        let username = try AccountRules.username(request.username)
        try AccountRules.newPassword(request.password)
        let displayName = try AccountRules.displayName(request.displayName ?? username)
        guard request.device?.deviceID == nil else {
            throw Failure(.invalidField, "The field `device.device_id` must be absent: a new user has no device yet.")
        }
        let device = try Device(request.device)
        let user = UserID.generate()
        let registration = RegisterUser(
            user: user,
            username: username,
            displayName: displayName,
            passwordHash: try await self.hasher.hash(password: request.password),
            createdAt: self.now()
        )
        let _: Empty = try await self.routers.call(
            .registerUser,
            slot: Slot(ofName: username),
            body: registration,
            timeout: nil
        )
        try await self.waitUntilCreated(user)
        return try await self.tokens(for: user, device: device)
    }

    /// The answer to an unknown name is that to a wrong password, after the same time.
    ///
    /// - Throws: `invalid_field`, `invalid_credentials`, `rate_limited`, `overloaded`, `unavailable`.
    package func login(_ request: LoginRequest) async throws(Failure) -> TokenResponse {
        try AccountRules.presentedPassword(request.password)
        let device = try Device(request.device)
        // A text that cannot be a name is nobody's, so there is nothing to guess.
        guard let username = try? AccountRules.username(request.username) else {
            return try await self.login(as: nil, request.password, device)
        }
        // Names that nobody has are counted too, or the limit would tell which ones there are.
        try self.admission.admitPassword(for: username)
        do {
            let response = try await self.login(as: username, request.password, device)
            self.admission.passwordWasRight(for: username)
            return response
        } catch {
            if error.code != .invalidCredentials { self.admission.passwordWasRight(for: username) }
            throw error
        }
    }

    private func login(as username: String?, _ password: String, _ device: Device) async throws(Failure)
        -> TokenResponse
    {
        var credentials: Credentials?
        if let username { credentials = try await self.credentials(of: username) }
        guard
            try await self.hasher.verify(password: password, against: credentials?.passwordHash),
            let user = credentials?.profile.id
        else {
            throw Failure(.invalidCredentials, "The username or the password is wrong.")
        }
        return try await self.tokens(for: user, device: device)
    }

    /// Exchanges a refresh token. One that was exchanged before logs its device out.
    ///
    /// - Throws: `unauthenticated`, `token_expired`, `refresh_token_reused`, `unavailable`.
    package func refresh(_ request: RefreshRequest) async throws(Failure) -> TokenResponse {
        guard let presented = RefreshToken(request.refreshToken) else {
            throw Failure(.unauthenticated, "The refresh token is not one of this cluster's: log in again.")
        }
        let next = RefreshToken(user: presented.user, device: presented.device)
        let now = self.now()
        let _: Empty = try await self.routers.call(
            .rotateRefreshToken,
            slot: Slot(of: presented.user.value),
            body: RotateRefreshToken(
                user: presented.user,
                device: presented.device,
                presentedHash: presented.hash,
                newHash: next.hash,
                newExpiresAt: now + self.refreshLifetime,
                now: now
            ),
            timeout: nil
        )
        return try self.response(next)
    }

    /// Makes the device's refresh tokens void. Its access token ends by itself.
    package func logout(_ claims: AccessClaims) async throws(Failure) {
        let _: Empty = try await self.routers.call(
            .revokeDevice,
            slot: Slot(of: claims.user.value),
            body: RevokeDevice(user: claims.user, device: claims.device, now: self.now()),
            timeout: nil
        )
    }

    // MARK: - Steps

    private struct Device {
        var id: DeviceID
        var name: String
        var type: String

        init(_ description: DeviceDescription?) throws(Failure) {
            self.id = description?.deviceID ?? .generate()
            self.name = try AccountRules.deviceName(description?.name ?? "")
            self.type = try description?.type.map { (type) throws(Failure) in try AccountRules.deviceType(type) } ?? ""
        }
    }

    private func credentials(of username: String) async throws(Failure) -> Credentials? {
        let resolved: ResolvedUsername = try await self.routers.call(
            .resolveUsername,
            slot: Slot(ofName: username),
            body: ResolveUsername(username: username),
            timeout: nil
        )
        guard let user = resolved.user else { return nil }
        do {
            return try await self.routers.call(
                .getCredentials,
                slot: Slot(of: user.value),
                body: GetCredentials(user: user),
                timeout: nil
            )
        } catch  where error.code == .unknownUser {
            // The name is claimed and its user is on the way there, or was deleted and the name is about to be freed.
            throw Failure(.unavailable, "This account is not ready yet.", retryAfterMilliseconds: 1000)
        }
    }

    /// A name and its user are in two slots: the second is written through an outbox. The answer waits for it, so that
    /// whoever is told of the user finds it.
    private func waitUntilCreated(_ user: UserID) async throws(Failure) {
        let deadline = ContinuousClock.now + Self.creationTimeout
        var pause = Duration.milliseconds(5)
        while try await self.routers.users([user]).isEmpty {
            guard ContinuousClock.now < deadline else {
                throw Failure(
                    .unavailable,
                    "The account is made but not ready yet: log in with it in a moment.",
                    retryAfterMilliseconds: 1000
                )
            }
            do {
                try await Task.sleep(for: pause)
            } catch {
                throw Failure(.unavailable, "This edge is stopping.", retryAfterMilliseconds: 1000)
            }
            pause = min(pause * 2, Self.creationPollMax)
        }
    }

    private func tokens(for user: UserID, device: Device) async throws(Failure) -> TokenResponse {
        let refresh = RefreshToken(user: user, device: device.id)
        let now = self.now()
        let _: Empty = try await self.routers.call(
            .putDevice,
            slot: Slot(of: user.value),
            body: PutDevice(
                user: user,
                device: device.id,
                name: device.name,
                type: device.type,
                refreshTokenHash: refresh.hash,
                refreshTokenExpiresAt: now + self.refreshLifetime,
                now: now
            ),
            timeout: nil
        )
        return try self.response(refresh)
    }

    private func response(_ refresh: RefreshToken) throws(Failure) -> TokenResponse {
        TokenResponse(
            userID: refresh.user,
            deviceID: refresh.device,
            accessToken: try self.tokens.issue(user: refresh.user, device: refresh.device),
            refreshToken: refresh.text,
            expiresIn: self.tokens.lifetimeSeconds
        )
    }
}
