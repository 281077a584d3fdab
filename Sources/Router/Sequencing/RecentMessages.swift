// SPDX-License-Identifier: Apache-2.0

import Messaging

/// What identifies a message in its conversation for ever (contract C2).
package struct SenderMessageID: Hashable, Sendable {
    package var sender: UserID
    package var clientMessageID: ClientMessageID

    package init(sender: UserID, clientMessageID: ClientMessageID) {
        self.sender = sender
        self.clientMessageID = clientMessageID
    }
}

/// Where a message was stored.
package struct StoredPlace: Hashable, Sendable {
    package var seq: UInt64
    package var createdAt: UnixMilliseconds

    package init(seq: UInt64, createdAt: UnixMilliseconds) {
        self.seq = seq
        self.createdAt = createdAt
    }
}

/// The newest messages of a conversation by client id, so that most repeats are answered without the database.
///
/// Only an aid: the unique key in the database decides about everything that is no longer, or not yet, in here.
package struct RecentMessages: Sendable {
    /// Messages remembered per conversation; the oldest is forgotten first.
    package static let messagesMax = 256

    private var places: [SenderMessageID: StoredPlace] = [:]
    private var order: [SenderMessageID] = []
    private var oldest = 0

    package init() {}

    package subscript(id: SenderMessageID) -> StoredPlace? {
        self.places[id]
    }

    package mutating func remember(_ id: SenderMessageID, at place: StoredPlace) {
        guard self.places.updateValue(place, forKey: id) == nil else { return }
        if self.order.count < Self.messagesMax {
            self.order.append(id)
        } else {
            self.places[self.order[self.oldest]] = nil
            self.order[self.oldest] = id
            self.oldest = (self.oldest + 1) % Self.messagesMax
        }
    }
}
