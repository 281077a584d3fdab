// SPDX-License-Identifier: Apache-2.0

import Messaging
import Placement
import Postgres

extension ShardSession {
    package func updateTitle(
        _ id: ConversationID,
        title: String,
        epoch: UInt64
    ) throws(StorageError) -> ConversationChange {
        try self.change(id, epoch: epoch) { (transaction, state) throws(StorageError) -> ConversationChange in
            guard state.conversation.title != title else { return .unchanged(state) }
            try transaction.run(
                "UPDATE conversations SET title = $2, state_version = state_version + 1 WHERE conversation_id = $1",
                [.id(id), .text(title)]
            )
            var changed = state
            changed.conversation.title = title
            changed.stateVersion += 1
            return .changed(changed, users: [], outbox: [])
        }
    }

    /// Deletes a conversation and its members; its messages stay until their time is over, but nobody may read them.
    /// The state in the answer has no members; `users` are those who were.
    package func deleteConversation(
        _ id: ConversationID,
        now: UnixMilliseconds,
        epoch: UInt64,
        outbox: OutboxBuilder
    ) throws(StorageError) -> ConversationChange {
        try self.change(id, epoch: epoch) { (transaction, state) throws(StorageError) -> ConversationChange in
            let users = state.members.map(\.user)
            try transaction.run("DELETE FROM members WHERE conversation_id = $1", [.id(id)])
            try transaction.run(
                """
                UPDATE conversations
                SET deleted_at = $2, member_count = 0, members_version = members_version + 1,
                    state_version = state_version + 1
                WHERE conversation_id = $1
                """,
                [.id(id), .number(now)]
            )
            let version = state.membersVersion + 1
            let change = MembershipChange(membersVersion: version, users: users)
            let ids = try transaction.insert(outbox(change), slot: Slot(of: id.value), now: now)
            let deleted = ConversationState(
                conversation: state.conversation,
                members: [],
                membersVersion: version,
                stateVersion: state.stateVersion + 1
            )
            return .changed(deleted, users: users, outbox: ids)
        }
    }

    /// Adds those of the users who are not members yet; they join at the head, so they see nothing from before (C8).
    ///
    /// - Parameter membersMax: of the conversation, after the change.
    package func addMembers(
        _ id: ConversationID,
        _ users: [UserID: MemberRole],
        membersMax: Int,
        now: UnixMilliseconds,
        epoch: UInt64,
        outbox: OutboxBuilder
    ) throws(StorageError) -> ConversationChange {
        try self.change(id, epoch: epoch) { (transaction, state) throws(StorageError) -> ConversationChange in
            let known = Set(state.members.map(\.user))
            let added = users.filter { !known.contains($0.key) }
                .map { Member(user: $0.key, role: $0.value) }
                .sorted { $0.user < $1.user }
            guard !added.isEmpty else { return .unchanged(state) }
            guard known.count + added.count <= membersMax else { return .tooManyMembers }
            try transaction.insert(added, of: id, now: now)
            return try transaction.finishMembershipChange(
                from: state,
                users: added.map(\.user),
                countChange: added.count,
                now: now,
                outbox: outbox
            )
        }
    }

    /// Unchanged when the user has the role already, or is no member.
    package func setRole(
        _ id: ConversationID,
        user: UserID,
        role: MemberRole,
        now: UnixMilliseconds,
        epoch: UInt64,
        outbox: OutboxBuilder
    ) throws(StorageError) -> ConversationChange {
        try self.change(id, epoch: epoch) { (transaction, state) throws(StorageError) -> ConversationChange in
            guard let member = state.members.first(where: { $0.user == user }), member.role != role else {
                return .unchanged(state)
            }
            try transaction.run(
                "UPDATE members SET role = $3 WHERE conversation_id = $1 AND user_id = $2",
                [.id(id), .id(user), .int2(Int16(role.rawValue))]
            )
            return try transaction.finishMembershipChange(
                from: state,
                users: [user],
                countChange: 0,
                now: now,
                outbox: outbox
            )
        }
    }

    /// Unchanged when the user is no member.
    package func removeMember(
        _ id: ConversationID,
        user: UserID,
        now: UnixMilliseconds,
        epoch: UInt64,
        outbox: OutboxBuilder
    ) throws(StorageError) -> ConversationChange {
        try self.change(id, epoch: epoch) { (transaction, state) throws(StorageError) -> ConversationChange in
            guard state.members.contains(where: { $0.user == user }) else { return .unchanged(state) }
            try transaction.run(
                "DELETE FROM members WHERE conversation_id = $1 AND user_id = $2",
                [.id(id), .id(user)]
            )
            return try transaction.finishMembershipChange(
                from: state,
                users: [user],
                countChange: -1,
                now: now,
                outbox: outbox
            )
        }
    }

    /// Runs `body` in a fenced transaction that holds the conversation's row, with its state under that lock.
    private func change(
        _ id: ConversationID,
        epoch: UInt64,
        _ body: (ShardTransaction, ConversationState) throws(StorageError) -> ConversationChange
    ) throws(StorageError) -> ConversationChange {
        try self.transaction(epoch: epoch) { (transaction) throws(StorageError) -> ConversationChange in
            let exists = try transaction.query(
                "SELECT 1 FROM conversations WHERE conversation_id = $1 AND deleted_at IS NULL FOR UPDATE",
                [.id(id)]
            ) { $0.rowCount == 1 }
            guard exists else { return .noSuchConversation }
            return try body(transaction, transaction.loadConversation(id))
        }
    }
}

extension ShardTransaction {
    /// Counts the change, writes its outbox entries, and reads the new state.
    fileprivate func finishMembershipChange(
        from state: ConversationState,
        users: [UserID],
        countChange: Int,
        now: UnixMilliseconds,
        outbox: OutboxBuilder
    ) throws(StorageError) -> ConversationChange {
        let id = state.conversation.id
        try self.run(
            """
            UPDATE conversations
            SET member_count = member_count + $2, members_version = members_version + 1, state_version = state_version + 1
            WHERE conversation_id = $1
            """,
            [.id(id), .int4(Int32(countChange))]
        )
        let change = MembershipChange(membersVersion: state.membersVersion + 1, users: users)
        let ids = try self.insert(outbox(change), slot: Slot(of: id.value), now: now)
        return try .changed(self.loadConversation(id), users: users, outbox: ids)
    }
}
