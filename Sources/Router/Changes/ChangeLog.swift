// SPDX-License-Identifier: Apache-2.0

import Messaging
import Placement
import Wire

/// What changed lately in the conversations of one router, so that a device that was away for a while is told what it
/// missed without a look at all its conversations. Pure, and only in memory: when it is lost, heads are compared.
///
/// Every change gets the next **position**. A device that has had everything up to a position asks for what came after:
///
///     record ──▶ position 1, 2, 3 …        changes(for: user, since: position) ──▶ conversations, and slots without gap
///
/// Positions and not times: no clock is read, and one number stands for everything that the router ever sent. An index
/// in the database would have to be written with every message, for a question that is rarely asked.
///
/// The log answers for a slot only since it owns it without interruption, and for no slot when what was asked about is
/// forgotten: conversations are kept in the order of their last change, and those unchanged for longest go first.
package struct ChangeLog: Sendable {
    package struct Bounds: Sendable {
        /// Conversations kept.
        package var conversationsMax = 65_536
        /// Members named in the index, over all conversations.
        package var indexedMembersMax = 1_000_000
        /// A conversation with more members is not in the index of its members; every question looks at it.
        package var indexedMembersPerConversationMax = 128
        /// Such conversations.
        package var largeConversationsMax = 1024
        /// Users remembered as removed from a conversation.
        package var removedPerConversationMax = 256

        package init() {}
    }

    /// What changed in a conversation.
    package enum Kind: Sendable {
        case message
        /// The title or the members.
        case update
        /// How far members have come.
        case receipts
    }

    private struct Entry {
        var position: UInt64
        /// That of the last change of the title or the members.
        var updatedAt: UInt64 = 0
        /// That of the last receipts.
        var receiptsAt: UInt64 = 0
        var headSeq: UInt64
        var members: MemberList
        /// Users who went, with the position at which they did.
        var removed: [UserID: UInt64] = [:]
        var isDeleted = false

        mutating func note(_ kind: Kind, at position: UInt64) {
            switch kind {
            case .message: break
            case .update: self.updatedAt = position
            case .receipts: self.receiptsAt = position
            }
        }
    }

    private let bounds: Bounds
    /// The last position given.
    package private(set) var position: UInt64 = 0
    /// The position of the last change; positions after it stand for slots that came.
    package private(set) var lastChange: UInt64 = 0
    /// Changes up to here may be forgotten.
    package private(set) var horizon: UInt64 = 0
    private var entries: [ConversationID: Entry] = [:]
    /// In the order of positions; an element whose entry has a later position is outdated.
    private var order: [(position: UInt64, conversation: ConversationID)] = []
    private var orderStart = 0
    private var conversationsOfUser: [UserID: Set<ConversationID>] = [:]
    private var indexedMembers = 0
    private var large: Set<ConversationID> = []
    /// The slots that are owned, by the position from which on every change in them is recorded here; each slot once.
    private var owned: [(since: UInt64, slots: SlotSet)] = []

    package init(bounds: Bounds = Bounds()) {
        self.bounds = bounds
    }

    package var conversationCount: Int { self.entries.count }

    // MARK: - Changes

    /// A conversation changed. Returns the position of the change.
    ///
    /// - Parameters:
    ///   - headSeq: 0 where it is not known, as with receipts.
    ///   - members: those after the change.
    ///   - removed: users who are not members any more by this change.
    @discardableResult
    package mutating func record(
        _ conversation: ConversationID,
        headSeq: UInt64,
        members: MemberList,
        removed: [UserID] = [],
        isDeleted: Bool = false,
        of kind: Kind = .message
    ) -> UInt64 {
        self.position += 1
        self.lastChange = self.position
        if var entry = self.entries.removeValue(forKey: conversation) {
            self.refresh(&entry, conversation, members: members)
            // A message that is found again after it was delivered has a number below the head.
            entry.headSeq = max(entry.headSeq, headSeq)
            // Receipts that were stored before may come after it.
            entry.isDeleted = isDeleted || entry.isDeleted && kind == .receipts
            self.note(removed, &entry, conversation)
            entry.position = self.position
            entry.note(kind, at: self.position)
            self.entries[conversation] = entry
        } else {
            var entry = Entry(position: self.position, headSeq: headSeq, members: members, isDeleted: isDeleted)
            self.index(members, conversation, isIn: true)
            entry.note(kind, at: self.position)
            self.note(removed, &entry, conversation)
            self.entries[conversation] = entry
        }
        self.order.append((self.position, conversation))
        self.makeRoom()
        return self.position
    }

    /// Something may have changed that cannot be recorded. Returns its position; up to it nothing is answered for.
    package mutating func changeMissed() -> UInt64 {
        self.position += 1
        self.lastChange = self.position
        self.horizon = self.position
        return self.position
    }

    /// Something of another router takes its way through this one. Returns its position; nothing is remembered of it, since
    /// the other one answers for it.
    package mutating func relayed() -> UInt64 {
        self.position += 1
        self.lastChange = self.position
        return self.position
    }

    private mutating func refresh(_ entry: inout Entry, _ conversation: ConversationID, members: MemberList) {
        // An older list can come late only from a message decided under it; what the newer one says stays true.
        guard members.version > entry.members.version else { return }
        self.index(entry.members, conversation, isIn: false)
        if !entry.removed.isEmpty {
            for user in members.users where entry.removed.removeValue(forKey: user) != nil {
                self.unpoint(user, from: conversation)
            }
        }
        entry.members = members
        self.index(members, conversation, isIn: true)
        for user in entry.removed.keys { self.point(user, to: conversation) }
    }

    private mutating func note(_ removed: [UserID], _ entry: inout Entry, _ conversation: ConversationID) {
        for user in removed {
            guard entry.removed.count < self.bounds.removedPerConversationMax else {
                // Who is not noted would not be told: nothing up to here is answered for any more.
                self.horizon = self.position
                break
            }
            entry.removed[user] = self.position
            self.point(user, to: conversation)
        }
    }

    // MARK: - Ownership

    /// The slots that are owned from now on. Those that were owned before, without interruption, keep their history.
    ///
    /// Slots that come take a position of their own: whoever has had everything up to the one before knows nothing of
    /// what other routers did in them. Returns it, or nil when none came.
    ///
    /// - Parameter continued: the slots that cannot have been another router's in between.
    package mutating func ownershipChanged(own: SlotSet, continued: SlotSet) -> UInt64? {
        var kept: [(since: UInt64, slots: SlotSet)] = []
        var comers = own
        for (since, slots) in self.owned {
            // Of those that were owned, what is still owned and was all the time.
            let gone = slots.subtracting(own)
            let interrupted = slots.subtracting(continued)
            let staying = slots.subtracting(gone).subtracting(interrupted)
            guard !staying.isEmpty else { continue }
            comers.subtract(staying)
            kept.append((since, staying))
        }
        self.owned = kept
        guard !comers.isEmpty else { return nil }
        self.position += 1
        self.owned.append((self.position, comers))
        return self.position
    }

    // MARK: - Questions

    package struct Answer: Sendable {
        /// Slots of which every change after the asked position is told.
        package var complete = SlotSet()
        /// What was asked about is forgotten in part.
        package var hasForgotten = false
        package var changed: [ConversationChanged] = []
    }

    /// What changed for a user after a position.
    package func changes(for user: UserID, since position: UInt64) -> Answer {
        var answer = Answer()
        guard position >= self.horizon, position <= self.position else {
            answer.hasForgotten = true
            return answer
        }
        for (since, slots) in self.owned where since <= position { answer.complete.formUnion(slots) }
        for conversation in self.conversationsOfUser[user] ?? [] {
            if let change = self.change(conversation, for: user, since: position) { answer.changed.append(change) }
        }
        for conversation in self.large where self.conversationsOfUser[user]?.contains(conversation) != true {
            if let change = self.change(conversation, for: user, since: position) { answer.changed.append(change) }
        }
        if answer.changed.count > ChangesSince.conversationsMax {
            return Answer(hasForgotten: true)
        }
        return answer
    }

    private func change(
        _ conversation: ConversationID,
        for user: UserID,
        since position: UInt64
    ) -> ConversationChanged? {
        guard let entry = self.entries[conversation], entry.position > position else { return nil }
        if !entry.isDeleted, let member = entry.members[user] {
            return ConversationChanged(
                conversation: conversation,
                headSeq: entry.headSeq,
                joinedSeq: member.joinedSeq,
                membersVersion: entry.members.version,
                isRemoved: false,
                isUpdated: entry.updatedAt > position,
                hasReceipts: entry.receiptsAt > position
            )
        }
        guard entry.isDeleted && entry.members[user] != nil || entry.removed[user].map({ $0 > position }) ?? false
        else {
            return nil
        }
        return ConversationChanged(
            conversation: conversation,
            headSeq: entry.headSeq,
            joinedSeq: 0,
            membersVersion: entry.members.version,
            isRemoved: true
        )
    }

    // MARK: - Keeping

    private mutating func index(_ members: MemberList, _ conversation: ConversationID, isIn: Bool) {
        guard members.users.count <= self.bounds.indexedMembersPerConversationMax else {
            if isIn { self.large.insert(conversation) } else { self.large.remove(conversation) }
            return
        }
        for user in members.users {
            if isIn { self.point(user, to: conversation) } else { self.unpoint(user, from: conversation) }
        }
    }

    private mutating func point(_ user: UserID, to conversation: ConversationID) {
        if self.conversationsOfUser[user, default: []].insert(conversation).inserted { self.indexedMembers += 1 }
    }

    private mutating func unpoint(_ user: UserID, from conversation: ConversationID) {
        guard self.conversationsOfUser[user]?.remove(conversation) != nil else { return }
        self.indexedMembers -= 1
        if self.conversationsOfUser[user]?.isEmpty ?? false { self.conversationsOfUser[user] = nil }
    }

    private mutating func makeRoom() {
        while self.entries.count > self.bounds.conversationsMax
            || self.indexedMembers > self.bounds.indexedMembersMax
            || self.large.count > self.bounds.largeConversationsMax
        {
            guard self.forgetOldest() else { break }
        }
        // Conversations that change often leave many outdated elements behind.
        if self.order.count - self.orderStart > 2 * self.entries.count + 1024 || self.orderStart > self.order.count / 2
        {
            self.order = self.order[self.orderStart...].filter {
                self.entries[$0.conversation]?.position == $0.position
            }
            self.orderStart = 0
        }
    }

    private mutating func forgetOldest() -> Bool {
        while self.orderStart < self.order.count {
            let oldest = self.order[self.orderStart]
            self.orderStart += 1
            guard let entry = self.entries[oldest.conversation], entry.position == oldest.position else { continue }
            self.entries[oldest.conversation] = nil
            self.index(entry.members, oldest.conversation, isIn: false)
            for user in entry.removed.keys { self.unpoint(user, from: oldest.conversation) }
            self.horizon = max(self.horizon, entry.position)
            return true
        }
        return false
    }
}
