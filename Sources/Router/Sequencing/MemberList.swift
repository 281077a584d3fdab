// SPDX-License-Identifier: Apache-2.0

import Messaging

/// The members of a conversation at one version. Immutable and shared: a delivery keeps the list that it was
/// decided with while the next change makes a new one.
package final class MemberList: Sendable {
    /// The conversation's `members_version`; grows with every change.
    package let version: UInt64
    /// In no particular order, but the same order for the life of the list.
    package let users: [UserID]
    private let members: [UserID: Member]

    package init(_ members: [Member], version: UInt64) {
        self.version = version
        self.users = members.map(\.user)
        self.members = Dictionary(members.map { ($0.user, $0) }, uniquingKeysWith: { first, _ in first })
    }

    package subscript(user: UserID) -> Member? {
        self.members[user]
    }

    package var all: [Member] {
        self.users.compactMap { self.members[$0] }
    }
}
