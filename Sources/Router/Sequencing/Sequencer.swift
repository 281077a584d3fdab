// SPDX-License-Identifier: Apache-2.0

import Messaging
import Placement
import Wire

/// Gives messages their numbers. Pure: no clock, no log, no I/O.
///
/// One sequencer holds the conversations of one writer, and one writer alone writes them while the view holds. It
/// works in rounds:
///
///     unknownConversations ──▶ load ──▶ loaded
///              plan ──▶ one transaction ──▶ committed    answers and deliveries
///                                    └────▶ found        ids that were stored before: plan again
///                                    └────▶ forget       the head moved or the view changed: load and plan again
///
/// `plan` changes nothing, so a transaction that fails leaves no trace here, and numbers stay without gaps (contract
/// C3). A client message id is known from ``RecentMessages`` or refused by the unique key of the database, never
/// stored twice (contract C2).
package struct Sequencer: Sendable {
    /// A submit that waits for its answer.
    package struct Item: Sendable, Equatable {
        /// The shell's name for it; comes back with the answer.
        package var ticket: UInt64
        package var slot: Slot
        package var submit: Submit

        package init(ticket: UInt64, slot: Slot, submit: Submit) {
            self.ticket = ticket
            self.slot = slot
            self.submit = submit
        }

        var id: SenderMessageID {
            SenderMessageID(sender: self.submit.sender, clientMessageID: self.submit.clientMessageID)
        }

        /// The message that has to have its number before this one gets one.
        var previousID: SenderMessageID? {
            self.submit.previous.map { SenderMessageID(sender: self.submit.sender, clientMessageID: $0) }
        }
    }

    package enum Answer: Sendable, Equatable {
        case accepted(Accepted)
        case failed(Failure)
        /// What the client sent before is not stored, so this is not either: it would overtake.
        case outOfOrder
    }

    /// A message with its number, not yet stored.
    package struct Numbered: Sendable, Equatable {
        package var item: Item
        package var message: Message
    }

    /// The head that a conversation is expected to have, and the one it gets.
    package struct HeadMove: Sendable, Equatable {
        package var slot: Slot
        package var expected: UInt64
        package var new: UInt64
    }

    /// What one round comes to.
    package struct Plan: Sendable {
        /// Those that need no transaction.
        package var answers: [(ticket: UInt64, answer: Answer)] = []
        /// Those that go into the transaction, in the order of their numbers.
        package var numbered: [Numbered] = []
        package var heads: [ConversationID: HeadMove] = [:]
        /// Repeats of a message of this same plan: answered when that one is.
        package var repeats: [Item] = []

        package var items: [Item] {
            self.numbered.map(\.item) + self.repeats
        }
    }

    /// A stored message with those who were members when it was.
    package struct Delivery: Sendable {
        package var message: Message
        package var members: MemberList
    }

    package struct Outcome: Sendable {
        package var answers: [(ticket: UInt64, answer: Answer)] = []
        package var deliveries: [Delivery] = []
        /// Not stored, because the conversation's head was not what was expected: to be planned again.
        package var again: [Item] = []
    }

    package struct Entry: Sendable {
        package var slot: Slot
        package var conversation: Conversation
        package var members: MemberList
        package var receipts = ReceiptBoard()
        var recent = RecentMessages()

        /// The member with its watermarks as they are stored by now.
        package func current(_ member: Member) -> Member {
            var member = member
            member.watermarks = self.receipts.watermarks(of: member)
            return member
        }
    }

    /// Conversations held; over it some are let go and loaded again when they are asked for.
    package let conversationsMax: Int
    private var entries: [ConversationID: Entry] = [:]

    package init(conversationsMax: Int) {
        self.conversationsMax = conversationsMax
    }

    package var count: Int { self.entries.count }

    package subscript(id: ConversationID) -> Entry? {
        self.entries[id]
    }

    /// The conversations that have to be loaded before these items can be planned.
    package func unknownConversations(in items: [Item]) -> [ConversationID] {
        var seen: Set<ConversationID> = []
        return items.map(\.submit.conversation).filter { self.entries[$0] == nil && seen.insert($0).inserted }
    }

    /// Takes a conversation as it stands in the database; replaces what was known but keeps the recent ids and receipts.
    ///
    /// - Parameter needed: conversations that are not let go for it.
    package mutating func loaded(
        slot: Slot,
        conversation: Conversation,
        members: MemberList,
        needed: Set<ConversationID> = []
    ) {
        if self.entries[conversation.id] == nil, self.entries.count >= self.conversationsMax {
            // Arbitrary ones: a dictionary has no order, and a wrong choice costs one read.
            let idle = self.entries.keys.lazy.filter { !needed.contains($0) }
            for id in Array(idle.prefix(max(1, self.conversationsMax / 16))) {
                self.entries[id] = nil
            }
        }
        let before = self.entries[conversation.id]
        self.entries[conversation.id] = Entry(
            slot: slot,
            conversation: conversation,
            members: members,
            receipts: before?.receipts.kept(for: members) ?? ReceiptBoard(),
            recent: before?.recent ?? RecentMessages()
        )
    }

    package mutating func forget(_ conversations: some Sequence<ConversationID>) {
        for id in conversations {
            self.entries[id] = nil
        }
    }

    package mutating func forgetAll() {
        self.entries.removeAll()
    }

    /// Lets go of conversations in slots that are not one's own any more.
    package mutating func keepOnly(where isOwn: (Slot) -> Bool) {
        self.entries = self.entries.filter { isOwn($0.value.slot) }
    }

    /// Numbers what can be stored, in the order of the items. Conversations that are not loaded do not exist.
    package func plan(_ items: [Item], now: UnixMilliseconds) -> Plan {
        var plan = Plan()
        var planned: Set<PlannedKey> = []
        for item in items {
            guard let entry = self.entries[item.submit.conversation] else {
                plan.answers.append((item.ticket, .failed(.noSuchConversation)))
                continue
            }
            if let place = entry.recent[item.id], entry.members[item.submit.sender] != nil {
                plan.answers.append((item.ticket, .accepted(Accepted(place, duplicate: true))))
                continue
            }
            if let refusal = Self.refusal(of: item, entry: entry, now: now) {
                plan.answers.append((item.ticket, .failed(refusal)))
                continue
            }
            if let previous = item.previousID, entry.recent[previous] == nil,
                !planned.contains(PlannedKey(conversation: entry.conversation.id, id: previous))
            {
                plan.answers.append((item.ticket, .outOfOrder))
                continue
            }
            guard planned.insert(PlannedKey(conversation: entry.conversation.id, id: item.id)).inserted else {
                plan.repeats.append(item)
                continue
            }
            let head = entry.conversation.headSeq
            var move = plan.heads[entry.conversation.id] ?? HeadMove(slot: entry.slot, expected: head, new: head)
            move.new += 1
            plan.heads[entry.conversation.id] = move
            plan.numbered.append(Numbered(item: item, message: Message(item.submit, seq: move.new, createdAt: now)))
        }
        return plan
    }

    /// The transaction committed, except for the conversations whose head was not the expected one.
    package mutating func committed(_ plan: Plan, stale: Set<ConversationID>) -> Outcome {
        var outcome = Outcome()
        for numbered in plan.numbered {
            let message = numbered.message
            guard !stale.contains(message.conversation),
                var entry = self.entries.removeValue(forKey: message.conversation)
            else {
                outcome.again.append(numbered.item)
                continue
            }
            let place = StoredPlace(seq: message.seq, createdAt: message.createdAt)
            entry.conversation.headSeq = message.seq
            entry.recent.remember(numbered.item.id, at: place)
            outcome.answers.append((numbered.item.ticket, .accepted(Accepted(place, duplicate: false))))
            outcome.deliveries.append(Delivery(message: message, members: entry.members))
            self.entries[message.conversation] = entry
        }
        for item in plan.repeats {
            if let place = self.entries[item.submit.conversation]?.recent[item.id],
                !stale.contains(item.submit.conversation)
            {
                outcome.answers.append((item.ticket, .accepted(Accepted(place, duplicate: true))))
            } else {
                outcome.again.append(item)
            }
        }
        self.forget(stale)
        return outcome
    }

    /// The database knows this client message id: the next plan answers it as a duplicate.
    package mutating func found(_ id: SenderMessageID, in conversation: ConversationID, at place: StoredPlace) {
        self.entries[conversation]?.recent.remember(id, at: place)
    }

    /// Takes what is stored for a member. Returns what the others have not been told yet.
    mutating func tell(_ stored: Watermarks, of user: UserID, in conversation: ConversationID) -> Watermarks? {
        self.entries[conversation]?.receipts.tell(stored, of: user)
    }

    private static func refusal(of item: Item, entry: Entry, now: UnixMilliseconds) -> Failure? {
        let kind = entry.conversation.kind
        if let refusal = Permissions.refusal(of: .post, by: item.submit.sender, in: kind, members: entry.members) {
            return refusal
        }
        guard let time = item.submit.clientMessageID.timestamp, time <= now + Limits.clientMessageIDAheadMax else {
            return Failure(.invalidField, "client_message_id must be a UUIDv7 made when the message was written.")
        }
        guard time + Limits.clientMessageIDAgeMax >= now else {
            return Failure(
                .clientMessageIDTooOld,
                "client_message_id is older than 7 days, so a repeat can no longer be told: send it with a new id."
            )
        }
        return nil
    }
}

private struct PlannedKey: Hashable {
    var conversation: ConversationID
    var id: SenderMessageID
}

extension Accepted {
    init(_ place: StoredPlace, duplicate: Bool) {
        self.init(seq: place.seq, createdAt: place.createdAt, duplicate: duplicate)
    }
}

extension Message {
    init(_ submit: Submit, seq: UInt64, createdAt: UnixMilliseconds) {
        self.init(
            conversation: submit.conversation,
            seq: seq,
            sender: submit.sender,
            senderDevice: submit.senderDevice,
            clientMessageID: submit.clientMessageID,
            kind: submit.kind,
            body: submit.body,
            createdAt: createdAt
        )
    }
}
