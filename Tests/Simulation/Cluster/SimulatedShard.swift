// SPDX-License-Identifier: Apache-2.0

import Messaging
import Placement
import Storage

/// What a shard's database holds, and what its transactions do to it, in memory. Each call is one transaction, carried
/// out at one instant; being away, losing connections and committing late is the business of ``ShardConnection``.
///
/// It keeps the two defences of the real schema apart: the fence (the epoch of the view) and the compare-and-swap of a
/// conversation's head, with the unique key over client message ids.
package final class SimulatedShard: ShardStore {
    package struct Commit {
        package var time: UInt64
        /// That the writer acted under, and that of the view at this moment.
        package var epoch: UInt64
        package var viewEpoch: UInt64
        package var messages: [Message]
    }

    package struct Row {
        package var state: ConversationState
        package var isDeleted = false
    }

    package let name: String
    private let world: World
    package private(set) var view: View
    package private(set) var rows: [ConversationID: Row] = [:]
    package private(set) var messages: [ConversationID: [Message]] = [:]
    private var ids: [MessageKey: StoredMessage] = [:]
    package private(set) var commits: [Commit] = []
    /// Who was a member when a message was stored, by its number.
    package private(set) var audiences: [ConversationID: [UInt64: Set<UserID>]] = [:]

    init(name: String, world: World) {
        self.name = name
        self.world = world
        self.view = View(shard: name, epoch: 0, members: [])
    }

    /// Puts a conversation there before the run.
    func insert(_ state: ConversationState) {
        self.rows[state.conversation.id] = Row(state: state)
    }

    // MARK: - The view

    package func readView() throws(StorageError) -> View { self.view }

    /// Compare-and-swap, as ``ShardSession/proposeView(replacing:routers:by:)``.
    func proposeView(replacing epoch: UInt64, members: [RouterLife]) -> View? {
        guard self.view.epoch == epoch else { return nil }
        self.view = View(shard: self.name, epoch: epoch + 1, members: members)
        self.world.note("\(self.name) view \(epoch + 1): \(members.map(\.description).joined(separator: ", "))")
        return self.view
    }

    private func fence(_ epoch: UInt64) throws(StorageError) {
        guard epoch == self.view.epoch || self.world.defect == .skipEpochCheck else {
            throw StorageError(.staleEpoch, "epoch \(epoch) is not \(self.view.epoch)")
        }
    }

    // MARK: - Messages

    package func loadConversations(
        _ ids: [ConversationID]
    ) throws(StorageError) -> [ConversationID: ConversationState] {
        var found: [ConversationID: ConversationState] = [:]
        for id in ids {
            guard let row = self.rows[id], !row.isDeleted else { continue }
            found[id] = row.state
        }
        return found
    }

    package func appendMessages(_ batch: MessageBatch, epoch: UInt64) throws(StorageError) -> AppendOutcome {
        try self.fence(epoch)
        var stale: Set<ConversationID> = []
        for move in batch.headMoves {
            guard let row = self.rows[move.conversation], !row.isDeleted,
                row.state.conversation.headSeq == move.expected
            else {
                stale.insert(move.conversation)
                continue
            }
        }
        let stored = batch.messages.filter { !stale.contains($0.conversation) }
        var keys: Set<MessageKey> = []
        for message in stored where self.world.defect != .forgetDeduplication {
            guard self.ids[MessageKey(message)] == nil, keys.insert(MessageKey(message)).inserted else {
                return .duplicateClientMessageID
            }
        }
        for message in stored {
            self.rows[message.conversation]?.state.conversation.headSeq = message.seq
            self.messages[message.conversation, default: []].append(message)
            let members = self.rows[message.conversation]?.state.members.map(\.user) ?? []
            self.audiences[message.conversation, default: [:]][message.seq] = Set(members)
            self.ids[MessageKey(message)] = StoredMessage(seq: message.seq, createdAt: message.createdAt)
        }
        self.commits.append(
            Commit(time: self.world.now, epoch: epoch, viewEpoch: self.view.epoch, messages: stored)
        )
        self.world.note("\(self.name) commits \(stored.map { "\($0.body)=\($0.seq)" }.joined(separator: ", "))")
        return .stored(stale: stale)
    }

    package func storeReceipts(
        _ batch: ReceiptBatch,
        epoch: UInt64
    ) throws(StorageError) -> [MemberKey: Watermarks] {
        try self.fence(epoch)
        var stored: [MemberKey: Watermarks] = [:]
        var grown: Set<ConversationID> = []
        for (key, watermarks) in batch.rows {
            guard let row = self.rows[key.conversation], !row.isDeleted,
                let place = row.state.members.firstIndex(where: { $0.user == key.user })
            else { continue }
            let after = row.state.members[place].watermarks.union(watermarks)
            if after != row.state.members[place].watermarks {
                self.rows[key.conversation]?.state.members[place].watermarks = after
                grown.insert(key.conversation)
            }
            stored[key] = after
        }
        for conversation in grown { self.rows[conversation]?.state.stateVersion += 1 }
        return stored
    }

    package func findStored(_ keys: [MessageKey]) throws(StorageError) -> [MessageKey: StoredMessage] {
        guard self.world.defect != .forgetDeduplication else { return [:] }
        var found: [MessageKey: StoredMessage] = [:]
        for key in keys { found[key] = self.ids[key] }
        return found
    }

    package func readMessages(
        _ conversation: ConversationID,
        after: UInt64?,
        before: UInt64?,
        limit: Int,
        notBefore joinedSeq: UInt64
    ) throws(StorageError) -> [Message] {
        let floor = max(after ?? 0, joinedSeq)
        let page = (self.messages[conversation] ?? []).filter { $0.seq > floor && $0.seq < before ?? .max }
        return after == nil ? page.suffix(limit) : Array(page.prefix(limit))
    }

    // MARK: - Conversations

    package func createConversation(
        _ conversation: Conversation,
        members: [Member],
        epoch: UInt64,
        outbox: OutboxBuilder
    ) throws(StorageError) -> ConversationCreation {
        try self.fence(epoch)
        if let row = self.rows[conversation.id] { return row.isDeleted ? .deleted : .existed(row.state) }
        let state = ConversationState(conversation: conversation, members: members, membersVersion: 1)
        self.rows[conversation.id] = Row(state: state)
        return .created(state, outbox: [])
    }

    package func updateTitle(
        _ id: ConversationID,
        title: String,
        epoch: UInt64
    ) throws(StorageError) -> ConversationChange {
        try self.change(id, epoch) { state in
            state.conversation.title = title
            return []
        }
    }

    package func deleteConversation(
        _ id: ConversationID,
        now: UnixMilliseconds,
        epoch: UInt64,
        outbox: OutboxBuilder
    ) throws(StorageError) -> ConversationChange {
        let change = try self.change(id, epoch) { state in
            defer { state.members = [] }
            return state.members.map(\.user)
        }
        self.rows[id]?.isDeleted = true
        return change
    }

    package func addMembers(
        _ id: ConversationID,
        _ users: [UserID: MemberRole],
        membersMax: Int,
        now: UnixMilliseconds,
        epoch: UInt64,
        outbox: OutboxBuilder
    ) throws(StorageError) -> ConversationChange {
        try self.change(id, epoch) { state in
            let known = Set(state.members.map(\.user))
            let added = users.filter { !known.contains($0.key) }.sorted { $0.key < $1.key }
            state.members += added.map {
                Member(
                    user: $0.key,
                    role: $0.value,
                    joinedSeq: state.conversation.headSeq,
                    readSeq: state.conversation.headSeq
                )
            }
            return added.map(\.key)
        }
    }

    package func setRole(
        _ id: ConversationID,
        user: UserID,
        role: MemberRole,
        now: UnixMilliseconds,
        epoch: UInt64,
        outbox: OutboxBuilder
    ) throws(StorageError) -> ConversationChange {
        try self.change(id, epoch) { state in
            guard let index = state.members.firstIndex(where: { $0.user == user }), state.members[index].role != role
            else { return [] }
            state.members[index].role = role
            return [user]
        }
    }

    package func removeMember(
        _ id: ConversationID,
        user: UserID,
        now: UnixMilliseconds,
        epoch: UInt64,
        outbox: OutboxBuilder
    ) throws(StorageError) -> ConversationChange {
        try self.change(id, epoch) { state in
            let before = state.members.count
            state.members.removeAll { $0.user == user }
            return state.members.count < before ? [user] : []
        }
    }

    /// - Parameter change: Returns the users whom it concerns; none means that nothing was changed.
    private func change(
        _ id: ConversationID,
        _ epoch: UInt64,
        _ change: (inout ConversationState) -> [UserID]
    ) throws(StorageError) -> ConversationChange {
        try self.fence(epoch)
        guard var row = self.rows[id], !row.isDeleted else { return .noSuchConversation }
        let users = change(&row.state)
        guard !users.isEmpty else { return .unchanged(row.state) }
        row.state.membersVersion += 1
        row.state.stateVersion += 1
        self.rows[id] = row
        return .changed(row.state, users: users, outbox: [])
    }
}

// MARK: - Users

/// Users, names and devices are not part of the simulation: what nobody asks for fails loudly if somebody does.
extension SimulatedShard {
    private static let notSimulated = StorageError(.internal, "users are not simulated")

    package func registerName(
        _ username: String,
        for user: UserID,
        outbox: [OutboxEntry],
        now: UnixMilliseconds,
        epoch: UInt64
    ) throws(StorageError) -> NameRegistration {
        throw Self.notSimulated
    }

    package func insertUser(
        _ profile: UserProfile,
        passwordHash: String,
        epoch: UInt64
    ) throws(StorageError) -> Bool {
        throw Self.notSimulated
    }

    package func applyMembership(_ membership: Membership, epoch: UInt64) throws(StorageError) -> Bool {
        throw Self.notSimulated
    }

    package func putDevice(
        user: UserID,
        device: DeviceID,
        name: String,
        type: String,
        token: RefreshToken,
        now: UnixMilliseconds,
        epoch: UInt64
    ) throws(StorageError) {
        throw Self.notSimulated
    }

    package func rotateRefreshToken(
        user: UserID,
        device: DeviceID,
        presentedHash: [UInt8],
        next: RefreshToken,
        now: UnixMilliseconds,
        epoch: UInt64
    ) throws(StorageError) -> TokenRotation {
        throw Self.notSimulated
    }

    package func revokeDevice(
        user: UserID,
        device: DeviceID,
        now: UnixMilliseconds,
        epoch: UInt64
    ) throws(StorageError) -> Bool {
        throw Self.notSimulated
    }

    package func setPresence(
        _ user: UserID,
        status: ChosenStatus?,
        visibility: PresenceVisibility?,
        now: UnixMilliseconds,
        epoch: UInt64
    ) throws(StorageError) -> PresenceProfile? {
        throw Self.notSimulated
    }

    package func writeLastSeen(
        _ times: [(user: UserID, at: UnixMilliseconds)],
        epoch: UInt64
    ) throws(StorageError) {
        throw Self.notSimulated
    }
}
