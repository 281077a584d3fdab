// SPDX-License-Identifier: Apache-2.0

/// How far a member has come in a conversation: everything up to `delivered` has reached one of the member's devices,
/// everything up to `read` was seen by the member.
///
/// The state of every message for every member follows from these two numbers, so there is no row per message and
/// recipient. They only grow, and ``formUnion(_:)`` is commutative, associative and idempotent: receipts may be repeated,
/// merged and arrive in any order, and lead to the same.
package struct Watermarks: Hashable, Sendable {
    /// Never below ``read``: what was read was delivered.
    package private(set) var delivered: UInt64
    package private(set) var read: UInt64

    package static let zero = Watermarks(delivered: 0, read: 0)

    package init(delivered: UInt64, read: UInt64) {
        self.delivered = max(delivered, read)
        self.read = read
    }

    package func union(_ other: Watermarks) -> Watermarks {
        Watermarks(delivered: max(self.delivered, other.delivered), read: max(self.read, other.read))
    }

    package mutating func formUnion(_ other: Watermarks) {
        self = self.union(other)
    }

    /// Whether a union with the other one would change nothing.
    package func covers(_ other: Watermarks) -> Bool {
        self.delivered >= other.delivered && self.read >= other.read
    }

    /// What of this is not beyond the conversation's newest message.
    package func within(head: UInt64) -> Watermarks {
        Watermarks(
            delivered: self.delivered <= head ? self.delivered : 0,
            read: self.read <= head ? self.read : 0
        )
    }

    /// What has become of the message with this number, for this member.
    package func status(of seq: UInt64) -> MessageStatus {
        if self.read >= seq { return .read }
        return self.delivered >= seq ? .delivered : .sent
    }
}

/// What has become of a stored message for one recipient. A larger raw value includes the smaller ones; the raw value is
/// the number on the mesh; never renumber.
package enum MessageStatus: UInt8, Sendable, CaseIterable, Comparable {
    /// Stored for good.
    case sent = 1
    /// On one of the recipient's devices.
    case delivered = 2
    case read = 3

    package var name: String {
        switch self {
        case .sent: "sent"
        case .delivered: "delivered"
        case .read: "read"
        }
    }

    package static func < (left: Self, right: Self) -> Bool {
        left.rawValue < right.rawValue
    }
}

/// One member's watermarks.
package struct MemberWatermarks: Hashable, Sendable {
    package var user: UserID
    package var watermarks: Watermarks

    package init(user: UserID, watermarks: Watermarks) {
        self.user = user
        self.watermarks = watermarks
    }
}

/// What has become of one message for all whom it was for: the members who had joined before it, without its sender.
package struct MessageStatusReport: Hashable, Sendable {
    package var recipientCount: Int
    package var deliveredCount: Int
    /// Not more than ``deliveredCount``.
    package var readCount: Int
    /// The recipients one by one, in the order of their ids; nil in a conversation that is too large for it.
    package var recipients: [MemberWatermarks]?

    package init(recipientCount: Int, deliveredCount: Int, readCount: Int, recipients: [MemberWatermarks]?) {
        self.recipientCount = recipientCount
        self.deliveredCount = deliveredCount
        self.readCount = readCount
        self.recipients = recipients
    }
}

/// How far the members of a conversation have come, as far as one of them is told.
package struct ConversationReceipts: Hashable, Sendable {
    package var conversation: ConversationID
    /// Of the conversation's state at that moment; grows with everything but messages.
    package var stateVersion: UInt64
    package var entries: [MemberWatermarks]

    package init(conversation: ConversationID, stateVersion: UInt64, entries: [MemberWatermarks]) {
        self.conversation = conversation
        self.stateVersion = stateVersion
        self.entries = entries
    }
}
