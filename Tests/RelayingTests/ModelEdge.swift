// SPDX-License-Identifier: Apache-2.0

import Directory
import Edge
import Messaging
import NIOCore
import Placement
import Wire

/// An edge as far as it takes what routers send: the parts that decide are the real ones.
struct ModelEdge {
    let life: EdgeLife
    var positions = RouterPositions()
    var audiences = NumberedAudiences()
    /// Attached users, with the last message that their synchronization brought.
    var users: [UserID: UInt64] = [:]
    var received: [UserID: Set<UInt64>] = [:]
    /// Messages up to here came again to all its sessions because something was lost.
    var resyncedThrough: UInt64 = 0

    /// A frame in the order of its link. Returns the conversations whose recipients are not known here, with their owner.
    mutating func take(_ frame: ModelFrame, from router: RouterLife, incarnation: Incarnation, head: UInt64) throws -> (
        owner: String, unknown: [ConversationID]
    )? {
        switch frame.kind {
        case .deliver, .audience:
            return try self.take(frame.kind, frame.payload, from: router.name, through: router.name, head: head)
        case .relayed:
            let relayed = try Relayed(decoding: frame.payload)
            guard self.positions.isLinked(relayed.router, relayed.life),
                let kind = NotificationKind(rawValue: relayed.kind)
            else { return nil }
            return try self.take(kind, relayed.payload, from: relayed.router, through: router.name, head: head)
        case .deliveryProgress:
            let progress = try DeliveryProgress(decoding: frame.payload)
            self.change(head: head) { $0.received(progress, from: router.name, incarnation) }
        default: break
        }
        return nil
    }

    private mutating func take(
        _ kind: NotificationKind,
        _ payload: ByteBuffer,
        from owner: String,
        through path: String,
        head: UInt64
    ) throws -> (owner: String, unknown: [ConversationID])? {
        guard kind == .deliver else {
            self.audiences.take(try AudienceUpdate(decoding: payload), from: owner, through: path)
            return nil
        }
        let deliver = try Deliver(decoding: payload)
        var recipients = deliver.recipients
        if deliver.audience > 0 {
            let conversation = deliver.message.conversation
            guard let known = self.audiences.recipients(conversation, number: deliver.audience, from: owner) else {
                self.resyncedThrough = head
                return (owner, [conversation])
            }
            recipients = known.1
        }
        for user in recipients where self.users[user] != nil {
            self.received[user, default: []].insert(deliver.message.seq)
        }
        return nil
    }

    /// Whatever is lost, all its sessions ask for: then they have everything up to the head.
    mutating func change(head: UInt64, _ body: (inout RouterPositions) -> Void) {
        let losses = self.positions.snapshot.losses
        body(&self.positions)
        if self.positions.snapshot.losses > losses { self.resyncedThrough = head }
    }

    /// Messages that some user here will never get, though the edge says that it has come past them.
    func silentGaps(owner: Incarnation, positions: [UInt64]) -> [(user: UserID, seq: UInt64)] {
        guard let position = self.positions.snapshot.positions?[owner] else { return [] }
        let settled = UInt64(positions.prefix { $0 <= position }.count)
        return self.users.flatMap { user, synced in
            let first = max(synced, self.resyncedThrough) + 1
            return (first...max(first, settled)).filter {
                $0 <= settled && self.received[user]?.contains($0) != true
            }.map { (user, $0) }
        }
    }
}

/// A notification on a link.
struct ModelFrame {
    var kind: NotificationKind
    var payload: ByteBuffer
}
