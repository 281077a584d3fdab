// SPDX-License-Identifier: Apache-2.0

import NIOCore
import Synchronization

/// A request of a peer, to be answered exactly once.
///
/// May be kept and answered on any thread. Let go of without an answer, it tells the peer that there will be none.
/// It holds a part of the credit that its peer has for this node until its answer has left, so keeping requests is what
/// pushes back.
package final class InboundRequest: Sendable {
    /// Statuses from here on are the mesh's own.
    package static let reservedStatusMin: UInt8 = 240
    /// Sent instead of an answer that does not exist.
    static let answerLostStatus: UInt8 = 255

    package let peer: PeerIdentity
    package let kind: UInt16
    package let slot: UInt16
    package let epoch: UInt64
    /// When the peer stops waiting, by this node's clock and not counting the way here.
    package let deadline: NIODeadline
    /// A slice of what was read from the socket: copy it to keep it for long.
    package let payload: ByteBuffer

    private let isAnswered = Atomic(false)
    private let respond: @Sendable (UInt8, ByteBuffer) -> Void

    /// - Parameter respond: called exactly once, on the thread that answers or lets go of the request.
    package init(
        peer: PeerIdentity,
        kind: UInt16,
        slot: UInt16,
        epoch: UInt64,
        deadline: NIODeadline,
        payload: ByteBuffer,
        respond: @escaping @Sendable (_ status: UInt8, _ payload: ByteBuffer) -> Void
    ) {
        self.peer = peer
        self.kind = kind
        self.slot = slot
        self.epoch = epoch
        self.deadline = deadline
        self.payload = payload
        self.respond = respond
    }

    deinit {
        if !self.isAnswered.load(ordering: .acquiring) {
            self.respond(Self.answerLostStatus, ByteBuffer())
        }
    }

    /// Answers the request; from any thread. Answers whose link is gone are dropped and counted; an answer over
    /// ``MeshLimits/payloadBytesMax`` reaches the peer as `answerLost`.
    ///
    /// - Parameter status: below ``reservedStatusMin``.
    /// - Returns: false when the request was answered before; this answer is then ignored.
    @discardableResult
    package func reply(status: UInt8, payload: ByteBuffer = ByteBuffer()) -> Bool {
        precondition(status < Self.reservedStatusMin, "statuses from \(Self.reservedStatusMin) on are the mesh's own")
        guard !self.isAnswered.exchange(true, ordering: .acquiringAndReleasing) else { return false }
        self.respond(status, payload)
        return true
    }
}
