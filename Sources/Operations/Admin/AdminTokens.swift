// SPDX-License-Identifier: Apache-2.0

import ClusterConfiguration

/// Who may do what through the admin interface: whoever shows the secret of a role, as a bearer token (RFC 6750).
package struct AdminTokens: Sendable {
    package enum Role: Int, Sendable, Comparable {
        case read
        /// May do all that `read` may.
        case operate

        package static func < (left: Self, right: Self) -> Bool { left.rawValue < right.rawValue }
    }

    private let tokens: [(bytes: [UInt8], role: Role)]

    package init(read: Secret?, operate: Secret?) {
        self.tokens = [(operate, Role.operate), (read, .read)].compactMap { secret, role in
            secret.map { ($0.exposedBytes, role) }
        }
    }

    /// Without a secret nobody may do anything.
    package var isOff: Bool { self.tokens.isEmpty }

    /// The role of the one who sends this value of `Authorization`; nil for a stranger.
    package func role(of authorization: String?) -> Role? {
        guard let authorization else { return nil }
        let parts = authorization.split(separator: " ", maxSplits: 1)
        guard parts.count == 2, parts[0].lowercased() == "bearer" else { return nil }
        let shown = Array(parts[1].utf8)
        // All are looked at, and all bytes of each, so that the time tells nothing.
        return self.tokens.reduce(nil as Role?) { role, token in
            Self.isEqual(shown, token.bytes) ? role ?? token.role : role
        }
    }

    private static func isEqual(_ one: [UInt8], _ other: [UInt8]) -> Bool {
        guard one.count == other.count else { return false }
        return zip(one, other).reduce(0) { $0 | ($1.0 ^ $1.1) } == 0
    }
}
