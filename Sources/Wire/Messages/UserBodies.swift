// SPDX-License-Identifier: Apache-2.0

import Fields
import Messaging

/// Edge → owner of the username's slot: claim the name and make the user.
package struct RegisterUser: WireMessage, Equatable {
    package var user: UserID
    package var username: String
    package var displayName: String
    /// A PHC string; never the password.
    package var passwordHash: String
    package var createdAt: UnixMilliseconds

    package init(
        user: UserID,
        username: String,
        displayName: String,
        passwordHash: String,
        createdAt: UnixMilliseconds
    ) {
        self.user = user
        self.username = username
        self.displayName = displayName
        self.passwordHash = passwordHash
        self.createdAt = createdAt
    }

    package func encode(into writer: inout FieldWriter) {
        writer.identifier(1, self.user)
        writer.text(2, self.username)
        writer.text(3, self.displayName)
        writer.text(4, self.passwordHash)
        writer.integer(5, self.createdAt)
    }

    package init(from reader: inout FieldReader) throws(FieldError) {
        var user: UserID?
        var username = ""
        var displayName = ""
        var passwordHash = ""
        var createdAt: UnixMilliseconds = 0
        while let field = try reader.next() {
            switch field.number {
            case 1: user = try field.identifier()
            case 2: username = try field.text()
            case 3: displayName = try field.text()
            case 4: passwordHash = try field.text()
            case 5: createdAt = try field.integer()
            default: break
            }
        }
        guard let user else { throw .missing(field: 1) }
        self.init(
            user: user,
            username: username,
            displayName: displayName,
            passwordHash: passwordHash,
            createdAt: createdAt
        )
    }
}

/// Edge → owner of the username's slot: whose name is it?
package struct ResolveUsername: WireMessage, Equatable {
    package var username: String

    package init(username: String) {
        self.username = username
    }

    package func encode(into writer: inout FieldWriter) {
        writer.text(1, self.username)
    }

    package init(from reader: inout FieldReader) throws(FieldError) {
        var username = ""
        while let field = try reader.next() {
            switch field.number {
            case 1: username = try field.text()
            default: break
            }
        }
        self.init(username: username)
    }
}

/// The answer to ``ResolveUsername``.
package struct ResolvedUsername: WireMessage, Equatable {
    package var user: UserID?

    package init(user: UserID?) {
        self.user = user
    }

    package func encode(into writer: inout FieldWriter) {
        if let user = self.user {
            writer.identifier(1, user)
        }
    }

    package init(from reader: inout FieldReader) throws(FieldError) {
        var user: UserID?
        while let field = try reader.next() {
            switch field.number {
            case 1: user = try field.identifier()
            default: break
            }
        }
        self.init(user: user)
    }
}

/// Edge → owner of the user's slot: what a login is checked against.
package struct GetCredentials: WireMessage, Equatable {
    package var user: UserID

    package init(user: UserID) {
        self.user = user
    }

    package func encode(into writer: inout FieldWriter) {
        writer.identifier(1, self.user)
    }

    package init(from reader: inout FieldReader) throws(FieldError) {
        var user: UserID?
        while let field = try reader.next() {
            switch field.number {
            case 1: user = try field.identifier()
            default: break
            }
        }
        guard let user else { throw .missing(field: 1) }
        self.init(user: user)
    }
}

/// The answer to ``GetCredentials``. Fails with `unknown_user` when there is no such user.
package struct Credentials: WireMessage, Equatable {
    package var profile: UserProfile
    package var passwordHash: String

    package init(profile: UserProfile, passwordHash: String) {
        self.profile = profile
        self.passwordHash = passwordHash
    }

    package func encode(into writer: inout FieldWriter) {
        writer.message(1, UserProfileBody(self.profile))
        writer.text(2, self.passwordHash)
    }

    package init(from reader: inout FieldReader) throws(FieldError) {
        var profile: UserProfile?
        var passwordHash = ""
        while let field = try reader.next() {
            switch field.number {
            case 1: profile = try field.message(as: UserProfileBody.self).value
            case 2: passwordHash = try field.text()
            default: break
            }
        }
        guard let profile else { throw .missing(field: 1) }
        self.init(profile: profile, passwordHash: passwordHash)
    }
}

/// Edge → owner of the user's slot: make or renew a device and give it a refresh token.
package struct PutDevice: WireMessage, Equatable {
    package var user: UserID
    package var device: DeviceID
    package var name: String
    package var type: String
    /// SHA-256 of the token; the token itself is never stored.
    package var refreshTokenHash: [UInt8]
    package var refreshTokenExpiresAt: UnixMilliseconds
    package var now: UnixMilliseconds

    package init(
        user: UserID,
        device: DeviceID,
        name: String,
        type: String,
        refreshTokenHash: [UInt8],
        refreshTokenExpiresAt: UnixMilliseconds,
        now: UnixMilliseconds
    ) {
        self.user = user
        self.device = device
        self.name = name
        self.type = type
        self.refreshTokenHash = refreshTokenHash
        self.refreshTokenExpiresAt = refreshTokenExpiresAt
        self.now = now
    }

    package func encode(into writer: inout FieldWriter) {
        writer.identifier(1, self.user)
        writer.identifier(2, self.device)
        writer.text(3, self.name)
        writer.text(4, self.type)
        writer.bytes(5, self.refreshTokenHash)
        writer.integer(6, self.refreshTokenExpiresAt)
        writer.integer(7, self.now)
    }

    package init(from reader: inout FieldReader) throws(FieldError) {
        var user: UserID?
        var device: DeviceID?
        var name = ""
        var type = ""
        var refreshTokenHash: [UInt8] = []
        var refreshTokenExpiresAt: UnixMilliseconds = 0
        var now: UnixMilliseconds = 0
        while let field = try reader.next() {
            switch field.number {
            case 1: user = try field.identifier()
            case 2: device = try field.identifier()
            case 3: name = try field.text()
            case 4: type = try field.text()
            case 5: refreshTokenHash = try field.bytes()
            case 6: refreshTokenExpiresAt = try field.integer()
            case 7: now = try field.integer()
            default: break
            }
        }
        guard let user else { throw .missing(field: 1) }
        guard let device else { throw .missing(field: 2) }
        self.init(
            user: user,
            device: device,
            name: name,
            type: type,
            refreshTokenHash: refreshTokenHash,
            refreshTokenExpiresAt: refreshTokenExpiresAt,
            now: now
        )
    }
}

/// Edge → owner of the user's slot: exchange a refresh token. Used a second time, it revokes the device.
package struct RotateRefreshToken: WireMessage, Equatable {
    package var user: UserID
    package var device: DeviceID
    package var presentedHash: [UInt8]
    package var newHash: [UInt8]
    package var newExpiresAt: UnixMilliseconds
    package var now: UnixMilliseconds

    package init(
        user: UserID,
        device: DeviceID,
        presentedHash: [UInt8],
        newHash: [UInt8],
        newExpiresAt: UnixMilliseconds,
        now: UnixMilliseconds
    ) {
        self.user = user
        self.device = device
        self.presentedHash = presentedHash
        self.newHash = newHash
        self.newExpiresAt = newExpiresAt
        self.now = now
    }

    package func encode(into writer: inout FieldWriter) {
        writer.identifier(1, self.user)
        writer.identifier(2, self.device)
        writer.bytes(3, self.presentedHash)
        writer.bytes(4, self.newHash)
        writer.integer(5, self.newExpiresAt)
        writer.integer(6, self.now)
    }

    package init(from reader: inout FieldReader) throws(FieldError) {
        var user: UserID?
        var device: DeviceID?
        var presentedHash: [UInt8] = []
        var newHash: [UInt8] = []
        var newExpiresAt: UnixMilliseconds = 0
        var now: UnixMilliseconds = 0
        while let field = try reader.next() {
            switch field.number {
            case 1: user = try field.identifier()
            case 2: device = try field.identifier()
            case 3: presentedHash = try field.bytes()
            case 4: newHash = try field.bytes()
            case 5: newExpiresAt = try field.integer()
            case 6: now = try field.integer()
            default: break
            }
        }
        guard let user else { throw .missing(field: 1) }
        guard let device else { throw .missing(field: 2) }
        self.init(
            user: user,
            device: device,
            presentedHash: presentedHash,
            newHash: newHash,
            newExpiresAt: newExpiresAt,
            now: now
        )
    }
}

/// Edge → owner of the user's slot: log a device out.
package struct RevokeDevice: WireMessage, Equatable {
    package var user: UserID
    package var device: DeviceID
    package var now: UnixMilliseconds

    package init(user: UserID, device: DeviceID, now: UnixMilliseconds) {
        self.user = user
        self.device = device
        self.now = now
    }

    package func encode(into writer: inout FieldWriter) {
        writer.identifier(1, self.user)
        writer.identifier(2, self.device)
        writer.integer(3, self.now)
    }

    package init(from reader: inout FieldReader) throws(FieldError) {
        var user: UserID?
        var device: DeviceID?
        var now: UnixMilliseconds = 0
        while let field = try reader.next() {
            switch field.number {
            case 1: user = try field.identifier()
            case 2: device = try field.identifier()
            case 3: now = try field.integer()
            default: break
            }
        }
        guard let user else { throw .missing(field: 1) }
        guard let device else { throw .missing(field: 2) }
        self.init(user: user, device: device, now: now)
    }
}

/// Edge → owner: profiles of users, all of them in slots of this owner. Unknown ones are left out of the answer.
package struct GetUsers: WireMessage, Equatable {
    package var users: [UserID]

    package init(users: [UserID]) {
        self.users = users
    }

    package func encode(into writer: inout FieldWriter) {
        writer.identifiers(1, self.users)
    }

    package init(from reader: inout FieldReader) throws(FieldError) {
        var users: [UserID] = []
        while let field = try reader.next() {
            switch field.number {
            case 1: users = try field.identifiers(atMost: Limits.membersPerRequestMax)
            default: break
            }
        }
        self.init(users: users)
    }
}

/// The answer to ``GetUsers``.
package struct UserList: WireMessage, Equatable {
    package var users: [UserProfile]

    package init(users: [UserProfile]) {
        self.users = users
    }

    package func encode(into writer: inout FieldWriter) {
        writer.messages(1, self.users.map(UserProfileBody.init))
    }

    package init(from reader: inout FieldReader) throws(FieldError) {
        var users: [UserProfile] = []
        while let field = try reader.next() {
            switch field.number {
            case 1:
                guard users.count < Limits.membersPerRequestMax else { throw .tooMany(field: 1) }
                users.append(try field.message(as: UserProfileBody.self).value)
            default: break
            }
        }
        self.init(users: users)
    }
}
