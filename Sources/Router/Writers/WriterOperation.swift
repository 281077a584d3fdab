// SPDX-License-Identifier: Apache-2.0

import Messaging
import Placement
import Storage

/// A change to one slot that is not a message: carried out on the writer's thread, one transaction each.
package struct WriterOperation: Sendable {
    package let call: Call
    /// May be run more than once, when the first run was refused; so it decides from the scope alone.
    package let run: @Sendable (inout WriterScope) throws(StorageError) -> OperationOutcome

    package init(
        _ call: Call,
        run: @escaping @Sendable (inout WriterScope) throws(StorageError) -> OperationOutcome
    ) {
        self.call = call
        self.run = run
    }
}

/// Users to whom nothing of a conversation may be delivered any more, and the members that are left.
package struct Departure: Sendable {
    package var conversation: ConversationID
    package var users: [UserID]
    package var members: MemberList
    /// The conversation's head when they left.
    package var through: UInt64

    package init(_ users: [UserID], from conversation: Conversation, members: MemberList) {
        self.conversation = conversation.id
        self.users = users
        self.members = members
        self.through = conversation.headSeq
    }

    /// The first so many users and the others; nil when there are no others.
    func split(atMost count: Int) -> (part: Departure, rest: Departure)? {
        guard self.users.count > count else { return nil }
        var (part, rest) = (self, self)
        part.users = Array(self.users.prefix(count))
        rest.users = Array(self.users.dropFirst(count))
        return (part, rest)
    }
}

/// What an operation came to, after its transaction committed.
package struct OperationOutcome: Sendable {
    package var reply: Reply
    /// What the members are told.
    package var parcels: [Parcel] = []
    /// Outbox entries of the transaction; the answer waits a moment for them to be applied, so that a client which
    /// reads right after its write finds it.
    package var outbox: [Int64] = []
    /// Whom it put out; the answer waits until what was sent before cannot reach them any more (contract C8).
    package var departure: Departure?

    package init(_ reply: Reply, parcels: [Parcel] = [], outbox: [Int64] = [], departure: Departure? = nil) {
        self.reply = reply
        self.parcels = parcels
        self.outbox = outbox
        self.departure = departure
    }

    package static func failed(_ failure: Failure) -> OperationOutcome {
        OperationOutcome(.failed(failure))
    }
}

/// What an operation may use: the shard's database, the epoch it acts under and the conversations in memory.
package struct WriterScope {
    package let store: any ShardStore
    package let epoch: UInt64
    package let slot: Slot
    package let now: UnixMilliseconds
    package internal(set) var sequencer: Sequencer

    /// The conversation as it stands, loaded if need be; nil when there is none.
    package mutating func conversation(_ id: ConversationID) throws(StorageError) -> Sequencer.Entry? {
        if let entry = self.sequencer[id] { return entry }
        try self.sequencer.load([id], from: self.store)
        return self.sequencer[id]
    }

    /// What a transaction left behind.
    package mutating func changed(_ state: Storage.ConversationState) -> MemberList {
        let members = MemberList(state.members, version: state.membersVersion)
        self.changed(state.conversation, members: members)
        return members
    }

    /// What a transaction left behind.
    package mutating func changed(_ conversation: Conversation, members: MemberList) {
        self.sequencer.loaded(slot: self.slot, conversation: conversation, members: members)
    }

    package mutating func deleted(_ conversation: ConversationID) {
        self.sequencer.forget(CollectionOfOne(conversation))
    }
}

extension Sequencer {
    /// Reads conversations into memory; those that do not exist stay unknown.
    mutating func load(_ ids: [ConversationID], from store: any ShardStore) throws(StorageError) {
        self.loaded(try store.loadConversations(ids).values)
    }

    /// Takes conversations as they stand in the database. Room for them is made among those that are not needed.
    mutating func loaded(
        _ states: some Sequence<Storage.ConversationState>,
        needed: Set<ConversationID> = []
    ) {
        for state in states {
            self.loaded(
                slot: Slot(of: state.conversation.id.value),
                conversation: state.conversation,
                members: MemberList(state.members, version: state.membersVersion),
                needed: needed
            )
        }
    }
}
