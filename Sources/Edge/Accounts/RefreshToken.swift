// SPDX-License-Identifier: Apache-2.0

import Crypto
internal import Messaging

/// A refresh token: base64url of the user's id, the device's id and 32 random bytes.
///
/// It names its own slot, so exchanging it needs no look-up; what makes it a secret are the random bytes. The cluster
/// stores only ``hash``: 256 bits of entropy need no slow hash.
struct RefreshToken: Hashable, Sendable {
    static let randomBytes = 32
    private static let byteCount = 16 + 16 + randomBytes

    let user: UserID
    let device: DeviceID
    private let random: [UInt8]

    /// A new token, from the system's generator.
    init(user: UserID, device: DeviceID) {
        self.user = user
        self.device = device
        self.random = (0..<Self.randomBytes).map { _ in UInt8.random(in: 0...255) }
    }

    /// Returns nil unless the text is exactly what ``text`` of some token is.
    init?(_ text: String) {
        guard
            text.utf8.count <= Self.byteCount * 4 / 3 + 2,
            let bytes = Base64.decode(text.utf8, .url),
            bytes.count == Self.byteCount,
            let user = UserID(bytes: bytes[..<16]),
            let device = DeviceID(bytes: bytes[16..<32])
        else { return nil }
        self.user = user
        self.device = device
        self.random = Array(bytes[32...])
    }

    var text: String {
        Base64.encode(self.bytes, .url)
    }

    /// SHA-256 over the whole token.
    var hash: [UInt8] {
        Array(SHA256.hash(data: self.bytes))
    }

    private var bytes: [UInt8] {
        self.user.bytes + self.device.bytes + self.random
    }
}
