// SPDX-License-Identifier: Apache-2.0

/// Bounds that are part of the protocol: every node agrees on them, so they are not configuration (contract C5, C10).
///
/// Bounds that an operator may tune live in `cluster.yaml`; their defaults are in `ClusterConfiguration`.
package enum Limits {
    /// UTF-8 bytes of a message's body.
    package static let messageBodyBytesMax = 64 * 1024
    /// UTF-8 bytes of a conversation's title.
    package static let titleBytesMax = 256
    /// UTF-8 bytes of a display name.
    package static let displayNameBytesMax = 128
    /// Characters of a username: lower-case letters, digits, `_`, `.` and `-`.
    package static let usernameLength = 3...32
    /// UTF-8 bytes of a password.
    package static let passwordBytes = 8...256
    /// UTF-8 bytes of a device's name.
    package static let deviceNameBytesMax = 64
    /// Members named in one request that creates a conversation or adds members.
    package static let membersPerRequestMax = 1000
    /// Members of a conversation.
    package static let conversationMembersMax = 100_000
    /// Users that one frame between nodes names; lists of more go in parts.
    package static let usersPerFrameMax = 1000
    /// Members that an answer shows of a conversation; the others are read page by page.
    package static let membersShownMax = 1000
    /// Members whose receipts travel in one request from an edge to a conversation's owner.
    package static let receiptsPerRequestMax = 256
    /// Conversations that one session watches the presence in.
    package static let watchedConversationsMax = 64
    /// Members of all the conversations that one session asks to watch, each counted as often as it is a member.
    package static let watchedUsersMax = 1000
    /// Rows of one page of a list or of messages.
    package static let pageRowsMax = 200
    package static let pageRowsDefault = 50
    /// How far in the past the time in a client message id may lie: the time its row is kept for (contract C2).
    package static let clientMessageIDAgeMax: UnixMilliseconds = 7 * 24 * 3600 * 1000
    /// How far in the future the time in a client message id may lie, for clocks that run ahead.
    package static let clientMessageIDAheadMax: UnixMilliseconds = 24 * 3600 * 1000
}
