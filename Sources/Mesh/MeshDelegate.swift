// SPDX-License-Identifier: Apache-2.0

import NIOCore

/// Who is told what arrives. All functions are called on the event loop of the link they are about, and must not
/// block it.
///
/// For one link the order is: `meshLinkUp`, then requests and notifications in the order in which the peer sent them,
/// then `meshLinkDown`, after which nothing of that link follows. When a link replaces an older one of the same peer,
/// `meshLinkDown` of the older comes before `meshLinkUp` of the newer. Links to different peers may live on different
/// event loops.
package protocol MeshDelegate: AnyObject, Sendable {
    func meshLinkUp(_ peer: PeerIdentity)
    /// Requests of the link that were under way have been failed before.
    func meshLinkDown(_ peer: PeerIdentity, reason: String)
    /// The request must be answered with ``InboundRequest/reply(status:payload:)``, from any thread.
    func meshRequest(_ request: InboundRequest)
    /// The credit for the notification is given back to the peer when this returns. The payload is a slice of what was
    /// read from the socket: copy it to keep it for long.
    func meshNotification(kind: UInt16, payload: ByteBuffer, from peer: PeerIdentity)
    /// All frames of one read of the socket were handed over: what they made necessary can now be done at once.
    func meshReadComplete(from peer: PeerIdentity)
}
