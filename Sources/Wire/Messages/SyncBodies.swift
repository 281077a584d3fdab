// SPDX-License-Identifier: Apache-2.0

import Fields
import Messaging
import NIOCore
import Placement

/// Edge → each router: what changed for a user. Answered at once from memory, by any router, whatever it owns.
///
/// It is also a barrier: it travels behind the announcement that the user came to the edge, so whatever the router sends
/// out after its answer goes to this edge too.
package struct SyncChanges: WireMessage, Equatable {
    package var user: UserID
    /// The life of the router that ``since`` is a position of. Nil asks for nothing but the present position.
    package var life: Incarnation?
    package var since: UInt64

    package init(user: UserID, life: Incarnation?, since: UInt64) {
        self.user = user
        self.life = life
        self.since = since
    }

    package func encode(into writer: inout FieldWriter) {
        writer.identifier(1, self.user)
        if let life = self.life { writer.identifier(2, life) }
        writer.integer(3, self.since)
    }

    package init(from reader: inout FieldReader) throws(FieldError) {
        var user: UserID?
        var life: Incarnation?
        var since: UInt64 = 0
        while let field = try reader.next() {
            switch field.number {
            case 1: user = try field.identifier()
            case 2: life = try field.identifier()
            case 3: since = try field.integer()
            default: break
            }
        }
        guard let user else { throw .missing(field: 1) }
        self.init(user: user, life: life, since: since)
    }
}

/// The answer to ``SyncChanges``.
package struct ChangesSince: WireMessage, Equatable {
    /// Conversations in one answer; a router with more to tell says that it does not know them all.
    package static let conversationsMax = 8192

    package var life: Incarnation
    /// Everything that was recorded up to here is told, or in a slot that is not in ``complete``.
    package var position: UInt64
    /// Stands for the shard map and views that the router goes by: routers that agree have the same.
    package var routing: UInt64
    /// Own slots of which every change after the asked position is in ``changed``.
    package var complete: SlotSet
    /// Some changes after the asked position were forgotten, in whatever slot: nothing can be concluded.
    package var hasForgotten: Bool
    package var changed: [ConversationChanged]

    package init(
        life: Incarnation,
        position: UInt64,
        routing: UInt64,
        complete: SlotSet,
        hasForgotten: Bool,
        changed: [ConversationChanged]
    ) {
        self.life = life
        self.position = position
        self.routing = routing
        self.complete = complete
        self.hasForgotten = hasForgotten
        self.changed = changed
    }

    package func encode(into writer: inout FieldWriter) {
        writer.identifier(1, self.life)
        writer.integer(2, self.position)
        writer.integer(3, self.routing)
        if !self.complete.isEmpty { writer.bytes(4, self.complete.bytes) }
        writer.flag(5, self.hasForgotten)
        writer.messages(6, self.changed)
    }

    package init(from reader: inout FieldReader) throws(FieldError) {
        var life: Incarnation?
        var position: UInt64 = 0
        var routing: UInt64 = 0
        var complete = SlotSet()
        var hasForgotten = false
        var changed: [ConversationChanged] = []
        while let field = try reader.next() {
            switch field.number {
            case 1: life = try field.identifier()
            case 2: position = try field.integer()
            case 3: routing = try field.integer()
            case 4:
                guard let slots = SlotSet(bytes: try field.buffer().readableBytesView) else {
                    throw .invalidValue(field: 4)
                }
                complete = slots
            case 5: hasForgotten = try field.flag()
            case 6: try changed.append(field, atMost: Self.conversationsMax)
            default: break
            }
        }
        guard let life else { throw .missing(field: 1) }
        self.init(
            life: life,
            position: position,
            routing: routing,
            complete: complete,
            hasForgotten: hasForgotten,
            changed: changed
        )
    }
}

/// A conversation as it stands for one user.
package struct ConversationChanged: WireMessage, Equatable {
    package var conversation: ConversationID
    /// The `seq` of its newest message.
    package var headSeq: UInt64
    /// Where the user came in: nothing up to here is shown.
    package var joinedSeq: UInt64
    /// Grows with every change of the members; of two of these the one with the larger version is true.
    package var membersVersion: UInt64
    /// The user is not a member, or there is no such conversation any more.
    package var isRemoved: Bool
    /// Something else than a message came: the title or the members changed.
    package var isUpdated: Bool
    /// Members have come further, the user may be one of them: to be asked for with ``ReadReceipts``.
    package var hasReceipts: Bool

    package init(
        conversation: ConversationID,
        headSeq: UInt64,
        joinedSeq: UInt64,
        membersVersion: UInt64,
        isRemoved: Bool,
        isUpdated: Bool = false,
        hasReceipts: Bool = false
    ) {
        self.conversation = conversation
        self.headSeq = headSeq
        self.joinedSeq = joinedSeq
        self.membersVersion = membersVersion
        self.isRemoved = isRemoved
        self.isUpdated = isUpdated
        self.hasReceipts = hasReceipts
    }

    package func encode(into writer: inout FieldWriter) {
        writer.identifier(1, self.conversation)
        writer.integer(2, self.headSeq)
        writer.integer(3, self.joinedSeq)
        writer.integer(4, self.membersVersion)
        writer.flag(5, self.isRemoved)
        writer.flag(6, self.isUpdated)
        writer.flag(7, self.hasReceipts)
    }

    package init(from reader: inout FieldReader) throws(FieldError) {
        var conversation: ConversationID?
        var headSeq: UInt64 = 0
        var joinedSeq: UInt64 = 0
        var membersVersion: UInt64 = 0
        var isRemoved = false
        var isUpdated = false
        var hasReceipts = false
        while let field = try reader.next() {
            switch field.number {
            case 1: conversation = try field.identifier()
            case 2: headSeq = try field.integer()
            case 3: joinedSeq = try field.integer()
            case 4: membersVersion = try field.integer()
            case 5: isRemoved = try field.flag()
            case 6: isUpdated = try field.flag()
            case 7: hasReceipts = try field.flag()
            default: break
            }
        }
        guard let conversation else { throw .missing(field: 1) }
        self.init(
            conversation: conversation,
            headSeq: headSeq,
            joinedSeq: joinedSeq,
            membersVersion: membersVersion,
            isRemoved: isRemoved,
            isUpdated: isUpdated,
            hasReceipts: hasReceipts
        )
    }
}

/// Edge → owner of several slots: which of these conversations have something that a user's device has not?
package struct CompareHeads: WireMessage, Equatable {
    /// Conversations of one request.
    package static let conversationsMax = 1000

    package var user: UserID
    package var conversations: [ConversationID]
    /// For each conversation the last `seq` that the device has, 0 for none.
    package var cursors: [UInt64]
    /// For each conversation the version of its state that the device has, 0 for none. Empty: only messages are asked for.
    package var states: [UInt64]

    package init(user: UserID, conversations: [ConversationID], cursors: [UInt64], states: [UInt64] = []) {
        self.user = user
        self.conversations = conversations
        self.cursors = cursors
        self.states = states
    }

    package func encode(into writer: inout FieldWriter) {
        writer.identifier(1, self.user)
        writer.identifiers(2, self.conversations)
        writer.bytes(3, Self.bytes(self.cursors))
        if !self.states.isEmpty { writer.bytes(4, Self.bytes(self.states)) }
    }

    private static func bytes(_ numbers: [UInt64]) -> [UInt8] {
        numbers.flatMap { number in (0..<8).map { UInt8(truncatingIfNeeded: number >> (56 - 8 * $0)) } }
    }

    package init(from reader: inout FieldReader) throws(FieldError) {
        var user: UserID?
        var conversations: [ConversationID] = []
        var cursors: [UInt64] = []
        var states: [UInt64] = []
        while let field = try reader.next() {
            switch field.number {
            case 1: user = try field.identifier()
            case 2: conversations = try field.identifiers(atMost: Self.conversationsMax)
            case 3: cursors = try Self.numbers(field)
            case 4: states = try Self.numbers(field)
            default: break
            }
        }
        guard let user else { throw .missing(field: 1) }
        guard cursors.count == conversations.count else { throw .invalidValue(field: 3) }
        guard states.isEmpty || states.count == conversations.count else { throw .invalidValue(field: 4) }
        self.init(user: user, conversations: conversations, cursors: cursors, states: states)
    }

    private static func numbers(_ field: FieldReader.Field) throws(FieldError) -> [UInt64] {
        var buffer = try field.buffer()
        guard buffer.readableBytes % 8 == 0, buffer.readableBytes / 8 <= Self.conversationsMax else {
            throw .invalidValue(field: field.number)
        }
        var numbers: [UInt64] = []
        numbers.reserveCapacity(buffer.readableBytes / 8)
        while let number = buffer.readInteger(as: UInt64.self) { numbers.append(number) }
        return numbers
    }
}

/// The answer to ``CompareHeads``: those with a larger head, and those that the user is not in.
package struct ChangedHeads: WireMessage, Equatable {
    package var changed: [ConversationChanged]

    package init(changed: [ConversationChanged]) {
        self.changed = changed
    }

    package func encode(into writer: inout FieldWriter) {
        writer.messages(1, self.changed)
    }

    package init(from reader: inout FieldReader) throws(FieldError) {
        var changed: [ConversationChanged] = []
        while let field = try reader.next() {
            switch field.number {
            case 1: try changed.append(field, atMost: CompareHeads.conversationsMax)
            default: break
            }
        }
        self.init(changed: changed)
    }
}

/// Router → edge, in order with what it delivers there: how far the edge has come.
package struct DeliveryProgress: WireMessage, Equatable {
    package enum Kind: UInt8, Sendable {
        /// Every change up to the position that concerns the edge was sent to it before.
        case reached = 1
        /// The first on a link: what was recorded after the position comes over this link; what was recorded before it,
        /// and did not come over an earlier link, may never come.
        case begins = 2
        /// Something for this edge could not be sent and will not come.
        case gap = 3
        /// The last of this life of the router: everything that it recorded was sent, and nothing more comes.
        case ends = 4
    }

    package var kind: Kind
    package var position: UInt64
    /// With ``Kind/begins``: the position of the last change that was recorded; 0 when nothing ever was. Positions after
    /// it stand for slots that came to the router.
    package var lastChange: UInt64
    /// What came another way: the position holds as soon as the edge has come this far with these routers, which passed
    /// a part of it on. At most ``relaysMax``.
    package var after: [RelayedThrough]

    package static let relaysMax = 1024

    package init(kind: Kind, position: UInt64, lastChange: UInt64 = 0, after: [RelayedThrough] = []) {
        self.kind = kind
        self.position = position
        self.lastChange = lastChange
        self.after = after
    }

    package func encode(into writer: inout FieldWriter) {
        writer.integer(1, self.kind.rawValue)
        writer.integer(2, self.position)
        writer.integer(3, self.lastChange)
        writer.messages(4, self.after)
    }

    package init(from reader: inout FieldReader) throws(FieldError) {
        var kind: Kind?
        var position: UInt64 = 0
        var lastChange: UInt64 = 0
        var after: [RelayedThrough] = []
        while let field = try reader.next() {
            switch field.number {
            case 1: kind = try field.value()
            case 2: position = try field.integer()
            case 3: lastChange = try field.integer()
            case 4: try after.append(field, atMost: Self.relaysMax)
            default: break
            }
        }
        guard let kind else { throw .missing(field: 1) }
        self.init(kind: kind, position: position, lastChange: lastChange, after: after)
    }
}
