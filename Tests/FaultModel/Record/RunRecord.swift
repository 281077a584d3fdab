// SPDX-License-Identifier: Apache-2.0

package import Messaging

/// Microseconds since the begin of the run, on a clock that never goes back.
package typealias Microseconds = Int64

/// Everything that was observed in a run; what the auditor judges, and all that it knows.
///
/// A new kind of observation is a further array of facts here, filled by the runner, and a
/// further `Audit+….swift` that reads it.
package struct RunRecord: Sendable {
    package var conversations: [ConversationRecord] = []
    package var sends: [SentMessage] = []
    package var devices: [DeviceRecord] = []
    package var membershipChanges: [MembershipChange] = []
    package var shards: [ShardRecord] = []
    package var nodes: [NodeRecord] = []
    package var injections: [Injection] = []
    /// Of every user.
    package var presence: [PresenceTruth] = []
    /// Users who were visible to nobody from before anybody looked.
    package var hiddenUsers: Set<Int> = []
    /// Users who chose another status all the time.
    package var choosingUsers: Set<Int> = []
    /// When senders and faults had ended and the audit began.
    package var endedAt: Microseconds = 0

    package init() {}
}

package struct ConversationRecord: Sendable {
    package var number: Int
    package var id: ConversationID
    /// Members from the beginning to the end, by number.
    package var stayers: [Int]
    /// The name of the shard that holds it; nil while it holds no message.
    package var shard: String?
    /// As the databases have it at the end, in the order of `seq`.
    package var stored: [StoredMessage] = []
    /// Rows of `message_ids`, which is what makes C2 hold.
    package var storedIDs: [StoredID] = []
    /// Members at the end, each with the last `seq` before the join.
    package var joinedSeqs: [Int: UInt64] = [:]
    /// Members at the end, each with what is stored of its receipts.
    package var receipts: [Int: Watermarks] = [:]

    package init(number: Int, id: ConversationID, stayers: [Int]) {
        self.number = number
        self.id = id
        self.stayers = stayers
    }
}

package struct StoredMessage: Sendable, Equatable {
    package var seq: UInt64
    package var id: ClientMessageID
    /// Nil for a sender who is none of the run's users.
    package var user: Int?
    /// Whether the body is the one that was sent.
    package var isIntact: Bool

    package init(seq: UInt64, id: ClientMessageID, user: Int?, isIntact: Bool = true) {
        self.seq = seq
        self.id = id
        self.user = user
        self.isIntact = isIntact
    }
}

package struct StoredID: Sendable, Equatable {
    package var seq: UInt64
    package var id: ClientMessageID
    package var user: Int?

    package init(seq: UInt64, id: ClientMessageID, user: Int?) {
        self.seq = seq
        self.id = id
        self.user = user
    }
}

/// One message of a steady sender: tried with the same id until it was acknowledged.
package struct SentMessage: Sendable {
    package var sender: Int
    package var user: Int
    package var conversation: Int
    package var id: ClientMessageID
    package var firstSentAt: Microseconds
    package var refusals: [Refusal] = []
    /// Every acknowledgement that came; more than one where the message was sent again.
    package var acknowledgements: [Acknowledgement] = []

    package init(sender: Int, user: Int, conversation: Int, id: ClientMessageID, firstSentAt: Microseconds) {
        self.sender = sender
        self.user = user
        self.conversation = conversation
        self.id = id
        self.firstSentAt = firstSentAt
    }

    package var acknowledgedAt: Microseconds? { self.acknowledgements.first?.at }
}

package struct Acknowledgement: Sendable, Equatable {
    package var seq: UInt64
    package var at: Microseconds

    package init(seq: UInt64, at: Microseconds) {
        self.seq = seq
        self.at = at
    }
}

/// What a sender was told instead of an acknowledgement.
package struct Refusal: Sendable, Equatable {
    package var code: String
    package var retryAfterMilliseconds: UInt32?
    package var at: Microseconds

    package init(code: String, retryAfterMilliseconds: UInt32?, at: Microseconds) {
        self.code = code
        self.retryAfterMilliseconds = retryAfterMilliseconds
        self.at = at
    }
}

package struct DeviceRecord: Sendable {
    package var number: Int
    package var user: Int
    package var behaviour: DeviceBehaviour
    /// All that arrived, in the order in which it did, again and again where it did.
    package var deliveries: [Delivery] = []
    /// What a person would see at the end, by conversation, in the order shown.
    package var lists: [Int: [Shown]] = [:]
    /// When it had a session, as far as it knew; the last one may have no end.
    package var connections: [Wait] = []
    /// All that it was told of the presence of users, in the order in which it was.
    package var sightings: [PresenceSighting] = []
    /// How it shows users at the end: what it was told last on its last connection.
    package var presence: [Int: PresenceSighting] = [:]
    package var receipts: [ReceiptKey: ReceiptView] = [:]
    /// Whether it was taken away for good when all messages had arrived.
    package var isAway = false
    /// Why the device ended before the run did.
    package var ending: String?

    package init(number: Int, user: Int, behaviour: DeviceBehaviour) {
        self.number = number
        self.user = user
        self.behaviour = behaviour
    }

    var name: String { "device \(self.number) of user \(self.user) (\(self.behaviour.rawValue))" }

    package struct Shown: Sendable, Equatable {
        package var seq: UInt64
        package var id: ClientMessageID

        package init(seq: UInt64, id: ClientMessageID) {
            self.seq = seq
            self.id = id
        }
    }
}

package struct Delivery: Sendable, Equatable {
    package enum Way: String, Sendable {
        case live
        /// In a page that the device asked for.
        case page
        /// The device's own message, known from its acknowledgement.
        case own
    }

    package var conversation: Int
    package var seq: UInt64
    package var id: ClientMessageID
    /// When the cluster may first have decided to send it: a page is judged from when it was asked for, anything else
    /// from when it had certainly arrived.
    package var at: Microseconds
    /// When it was there.
    package var arrivedAt: Microseconds
    package var way: Way
    package var isIntact: Bool

    package init(
        conversation: Int,
        seq: UInt64,
        id: ClientMessageID,
        at: Microseconds,
        arrivedAt: Microseconds? = nil,
        way: Way,
        isIntact: Bool = true
    ) {
        self.conversation = conversation
        self.seq = seq
        self.id = id
        self.at = at
        self.arrivedAt = arrivedAt ?? at
        self.way = way
        self.isIntact = isIntact
    }
}

package struct MembershipChange: Sendable, Equatable {
    package enum Kind: String, Sendable {
        case added, removed
    }

    package var kind: Kind
    package var conversation: Int
    package var user: Int
    /// When it was first asked for.
    package var requestedAt: Microseconds
    /// When the cluster had certainly said that it is done.
    package var acknowledgedAt: Microseconds

    package init(
        _ kind: Kind,
        conversation: Int,
        user: Int,
        requestedAt: Microseconds,
        acknowledgedAt: Microseconds
    ) {
        self.kind = kind
        self.conversation = conversation
        self.user = user
        self.requestedAt = requestedAt
        self.acknowledgedAt = acknowledgedAt
    }
}
