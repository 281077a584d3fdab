// SPDX-License-Identifier: Apache-2.0

import Messaging

/// How one link is doing, for status output.
package struct LinkState: Sendable, Hashable {
    package var peer: PeerIdentity
    /// Of the protocol, as both sides agreed.
    package var version: UInt16
    /// Wall clock.
    package var upSince: UnixMilliseconds
    /// The last heartbeat's way there and back; nil until the first was answered.
    package var roundTripMicroseconds: Int?
    /// Requests and notifications that wait for credit or for the socket.
    package var queuedFrames: Int
    package var queuedBytes: Int
    /// Answers that wait for the socket.
    package var queuedResponses: Int
    /// Requests of this node without an answer, sent or not.
    package var pendingRequests: Int
    /// What this node may still send before it has to wait for the peer.
    package var creditItems: Int
    /// At most one frame below zero.
    package var creditBytes: Int
    /// Requests and notifications of the peer that this node has not given the credit back for.
    package var heldItems: Int
    package var heldBytes: Int
}
