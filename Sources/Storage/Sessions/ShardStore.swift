// SPDX-License-Identifier: Apache-2.0

import Messaging
import Placement

/// What a router's writer does in a shard: the boundary between what it decides and the database.
///
/// ``ShardSession`` is the real one. Every call may throw each ``StorageError``, and a write that throws
/// ``StorageError/Code/outcomeUnknown`` may have been applied.
package protocol ShardStore: MessageStore, ConversationStore, ReceiptStore, UserStore, PresenceStore {}

/// Messages and the view that fences them.
package protocol MessageStore: AnyObject {
    func loadConversations(_ ids: [ConversationID]) throws(StorageError) -> [ConversationID: ConversationState]
    func appendMessages(_ batch: MessageBatch, epoch: UInt64) throws(StorageError) -> AppendOutcome
    func findStored(_ keys: [MessageKey]) throws(StorageError) -> [MessageKey: StoredMessage]
    func readMessages(
        _ conversation: ConversationID,
        after: UInt64?,
        before: UInt64?,
        limit: Int,
        notBefore joinedSeq: UInt64
    ) throws(StorageError) -> [Message]
    func readView() throws(StorageError) -> View
}

/// Conversations and their members.
package protocol ConversationStore: AnyObject {
    func createConversation(
        _ conversation: Conversation,
        members: [Member],
        epoch: UInt64,
        outbox: OutboxBuilder
    ) throws(StorageError) -> ConversationCreation
    func updateTitle(
        _ id: ConversationID,
        title: String,
        epoch: UInt64
    ) throws(StorageError) -> ConversationChange
    func deleteConversation(
        _ id: ConversationID,
        now: UnixMilliseconds,
        epoch: UInt64,
        outbox: OutboxBuilder
    ) throws(StorageError) -> ConversationChange
    func addMembers(
        _ id: ConversationID,
        _ users: [UserID: MemberRole],
        membersMax: Int,
        now: UnixMilliseconds,
        epoch: UInt64,
        outbox: OutboxBuilder
    ) throws(StorageError) -> ConversationChange
    func setRole(
        _ id: ConversationID,
        user: UserID,
        role: MemberRole,
        now: UnixMilliseconds,
        epoch: UInt64,
        outbox: OutboxBuilder
    ) throws(StorageError) -> ConversationChange
    func removeMember(
        _ id: ConversationID,
        user: UserID,
        now: UnixMilliseconds,
        epoch: UInt64,
        outbox: OutboxBuilder
    ) throws(StorageError) -> ConversationChange
}

/// How far members have come.
package protocol ReceiptStore: AnyObject {
    func storeReceipts(_ batch: ReceiptBatch, epoch: UInt64) throws(StorageError) -> [MemberKey: Watermarks]
}

/// Users, their devices, names and lists of conversations.
package protocol UserStore: AnyObject {
    func registerName(
        _ username: String,
        for user: UserID,
        outbox: [OutboxEntry],
        now: UnixMilliseconds,
        epoch: UInt64
    ) throws(StorageError) -> NameRegistration
    @discardableResult
    func insertUser(_ profile: UserProfile, passwordHash: String, epoch: UInt64) throws(StorageError) -> Bool
    @discardableResult
    func applyMembership(_ membership: Membership, epoch: UInt64) throws(StorageError) -> Bool
    func putDevice(
        user: UserID,
        device: DeviceID,
        name: String,
        type: String,
        token: RefreshToken,
        now: UnixMilliseconds,
        epoch: UInt64
    ) throws(StorageError)
    func rotateRefreshToken(
        user: UserID,
        device: DeviceID,
        presentedHash: [UInt8],
        next: RefreshToken,
        now: UnixMilliseconds,
        epoch: UInt64
    ) throws(StorageError) -> TokenRotation
    @discardableResult
    func revokeDevice(
        user: UserID,
        device: DeviceID,
        now: UnixMilliseconds,
        epoch: UInt64
    ) throws(StorageError) -> Bool
}

extension ShardSession: ShardStore {}
