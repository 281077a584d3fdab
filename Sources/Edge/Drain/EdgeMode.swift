// SPDX-License-Identifier: Apache-2.0

/// What an edge does for clients.
enum EdgeMode: UInt8, Sendable {
    case open
    /// It takes no new sessions; those that it has are served until they have gone.
    case draining
    /// It takes no new sessions and no new messages either; there is no way back.
    case stopping
}
