// SPDX-License-Identifier: Apache-2.0

import Messaging
import Placement
import Storage
import TestSupport
import Testing

@Suite("Conversations")
struct ConversationTests {
    /// Writes the version and the number of users into the payloads, so that a test sees what it was called with.
    private static func outbox(_ change: MembershipChange) -> [OutboxEntry] {
        change.users.map { user in
            OutboxEntry(
                targetSlot: Slot(of: user.value),
                kind: 7,
                payload: [UInt8(change.membersVersion), UInt8(change.users.count)]
            )
        }
    }

    @Test("created once, with its members and the entries for their slots")
    func create() throws {
        let shard = try TestShard()
        let session = shard.session()
        let people = (0..<5).map { Member(user: .generate(), role: $0 == 0 ? .owner : .member) }
        let conversation = Conversation.test(.channel)
        let creation = try session.createConversation(conversation, members: people, epoch: 1, outbox: Self.outbox)
        let state = ConversationState(conversation: conversation, members: people, membersVersion: 1)
        guard case .created(let created, let ids) = creation else {
            Issue.record("not created: \(creation)")
            return
        }
        #expect(created == state)
        let rows = try session.readOutbox(slots: nil, after: 0, limit: 100)
        #expect(rows.map(\.id) == ids)
        #expect(rows.map(\.entry) == Self.outbox(MembershipChange(membersVersion: 1, users: people.map(\.user))))
        #expect(rows.allSatisfy { $0.slot == Slot(of: conversation.id.value) })
        var changed = conversation
        changed.title = "another"
        let again = try session.createConversation(changed, members: [], epoch: 1, outbox: Self.outbox)
        #expect(again == .existed(state))
        #expect(try shard.count("outbox") == 5)
        #expect(try session.loadConversations([conversation.id, .generate()]) == [conversation.id: state])
        #expect(try shard.count("conversations", where: "slot = \(Slot(of: conversation.id.value).number)") == 1)
    }

    @Test("two edges create one direct conversation at once: one creates it, the other finds it")
    func createAtOnce() throws {
        let shard = try TestShard()
        let users = [UserID.generate(), UserID.generate()]
        let id = ConversationID.direct(users[0], users[1])
        let creations = try Background.all(4) { _ in
            try shard.session().createConversation(
                .test(.direct, id: id),
                members: users.map { Member(user: $0, role: .member) },
                epoch: 1,
                outbox: Self.outbox
            )
        }
        let created = creations.filter { if case .created = $0 { true } else { false } }
        let existed = creations.filter { if case .existed = $0 { true } else { false } }
        #expect(created.count == 1)
        #expect(existed.count == 3)
        #expect(try shard.count("members") == 2)
        #expect(try shard.count("outbox") == 2)
    }

    @Test("new members join at the head; those who are there already stay as they are")
    func addMembers() throws {
        let session = try TestShard().session()
        let state = try session.makeConversation(members: 2)
        let id = state.conversation.id
        _ = try session.appendMessages(MessageBatch((1...3).map { .test(id, $0) }), epoch: 1)
        let newcomers = [UserID.generate(), UserID.generate()].sorted()
        let change = try session.addMembers(
            id,
            [newcomers[0]: .member, newcomers[1]: .admin, state.members[0].user: .member],
            membersMax: 4,
            now: 5,
            epoch: 1,
            outbox: Self.outbox
        )
        guard case .changed(let changed, let users, let ids) = change else {
            Issue.record("not changed: \(change)")
            return
        }
        #expect(users == newcomers)
        #expect(ids.count == 2)
        #expect(changed.membersVersion == 2)
        #expect(changed.conversation.headSeq == 3)
        let expected =
            state.members + [
                Member(user: newcomers[0], role: .member, joinedSeq: 3, readSeq: 3),
                Member(user: newcomers[1], role: .admin, joinedSeq: 3, readSeq: 3),
            ]
        #expect(Set(changed.members) == Set(expected))
        #expect(
            try session.readOutbox(slots: nil, after: 0, limit: 9).map(\.entry)
                == Self.outbox(MembershipChange(membersVersion: 2, users: newcomers))
        )
        let again = try session.addMembers(
            id,
            [newcomers[0]: .owner],
            membersMax: 4,
            now: 5,
            epoch: 1,
            outbox: Self.outbox
        )
        #expect(again == .unchanged(changed))
        let more = try session.addMembers(
            id,
            [.generate(): .member],
            membersMax: 4,
            now: 5,
            epoch: 1,
            outbox: Self.outbox
        )
        #expect(more == .tooManyMembers)
        #expect(try session.loadConversations([id])[id] == changed)
    }

    @Test("roles, removal, title: each changes what it names, and nothing when it is so already")
    func changes() throws {
        let shard = try TestShard()
        let session = shard.session()
        let state = try session.makeConversation(members: 3)
        let id = state.conversation.id
        let user = state.members[1].user
        var expected = state
        expected.members[1].role = .admin
        expected.membersVersion = 2
        expected.stateVersion += 1
        let promoted = try session.setRole(id, user: user, role: .admin, now: 1, epoch: 1, outbox: Self.outbox)
        guard case .changed(let afterRole, [user], _) = promoted else {
            Issue.record("not changed: \(promoted)")
            return
        }
        #expect(afterRole == expected)
        #expect(
            try session.setRole(id, user: user, role: .admin, now: 1, epoch: 1, outbox: Self.outbox)
                == .unchanged(expected)
        )
        let removed = try session.removeMember(id, user: user, now: 1, epoch: 1, outbox: Self.outbox)
        expected.members.remove(at: 1)
        expected.membersVersion = 3
        expected.stateVersion += 1
        guard case .changed(let afterRemoval, [user], _) = removed else {
            Issue.record("not changed: \(removed)")
            return
        }
        #expect(afterRemoval == expected)
        #expect(
            try session.removeMember(id, user: user, now: 1, epoch: 1, outbox: Self.outbox) == .unchanged(expected)
        )
        expected.conversation.title = "new"
        expected.stateVersion += 1
        #expect(
            try session.updateTitle(id, title: "new", epoch: 1) == .changed(expected, users: [], outbox: [])
        )
        #expect(try session.updateTitle(id, title: "new", epoch: 1) == .unchanged(expected))
        #expect(try session.loadConversations([id])[id] == expected)
        #expect(try shard.count("conversations", where: "member_count = 2") == 1)
        #expect(try session.updateTitle(.generate(), title: "x", epoch: 1) == .noSuchConversation)
    }

    @Test("a deleted conversation is gone for every call; only a direct one comes back, its numbers going on")
    func delete() throws {
        let shard = try TestShard()
        let session = shard.session()
        let users = [UserID.generate(), UserID.generate()].sorted()
        let direct = Conversation.test(.direct, id: .direct(users[0], users[1]))
        let people = users.map { Member(user: $0, role: .member) }
        _ = try session.createConversation(direct, members: people, epoch: 1) { _ in [] }
        _ = try session.appendMessages(MessageBatch([.test(direct.id, 1), .test(direct.id, 2)]), epoch: 1)
        let deleted = try session.deleteConversation(direct.id, now: 9, epoch: 1, outbox: Self.outbox)
        guard case .changed(let after, users, let ids) = deleted else {
            Issue.record("not deleted: \(deleted)")
            return
        }
        #expect(after.members.isEmpty)
        #expect(after.membersVersion == 2)
        #expect(ids.count == 2)
        #expect(try session.loadConversations([direct.id]).isEmpty)
        #expect(try session.conversationHeads(user: users[0], conversations: [direct.id]).isEmpty)
        #expect(
            try session.deleteConversation(direct.id, now: 9, epoch: 1, outbox: Self.outbox) == .noSuchConversation
        )
        let revived = try session.createConversation(direct, members: people, epoch: 1, outbox: Self.outbox)
        guard case .created(let state, _) = revived else {
            Issue.record("not created: \(revived)")
            return
        }
        #expect(state.conversation.headSeq == 2)
        #expect(state.membersVersion == 3)
        #expect(state.members.map(\.joinedSeq) == [2, 2])
        let group = try session.makeConversation(.group)
        _ = try session.deleteConversation(group.conversation.id, now: 9, epoch: 1) { _ in [] }
        let retried = try session.createConversation(
            group.conversation,
            members: group.members,
            epoch: 1,
            outbox: Self.outbox
        )
        #expect(retried == .deleted)
    }

    @Test("heads for a list: own member, count, and the last message only where the member may see it")
    func heads() throws {
        let session = try TestShard().session()
        let withMessages = try session.makeConversation(members: 3)
        let empty = try session.makeConversation(members: 2)
        let foreign = try session.makeConversation(members: 2)
        let user = withMessages.members[1].user
        _ = try session.addMembers(
            empty.conversation.id,
            [user: .admin],
            membersMax: 9,
            now: 1,
            epoch: 1
        ) { _ in [] }
        let messages = (1...4).map { Message.test(withMessages.conversation.id, $0) }
        _ = try session.appendMessages(MessageBatch(messages), epoch: 1)
        let ids = [withMessages, empty, foreign].map(\.conversation.id)
        let heads = try session.conversationHeads(user: user, conversations: ids + [.generate()])
        let byID = Dictionary(uniqueKeysWithValues: heads.map { ($0.conversation.id, $0) })
        #expect(byID.count == 2)
        let first = try #require(byID[ids[0]])
        #expect(first.conversation.headSeq == 4)
        #expect(first.memberCount == 3)
        #expect(first.lastMessage == messages[3])
        #expect(first.member == withMessages.members[1])
        let second = try #require(byID[ids[1]])
        #expect(second.lastMessage == nil)
        #expect(second.memberCount == 3)
        #expect(second.member.role == .admin)
        let late = UserID.generate()
        _ = try session.addMembers(ids[0], [late: .member], membersMax: 9, now: 1, epoch: 1) { _ in [] }
        #expect(try session.conversationHeads(user: late, conversations: ids).first?.lastMessage == nil)
    }

    @Test("heads compared with cursors: only what has more, and what the user is not in, whatever the reason")
    func changedHeads() throws {
        let session = try TestShard().session()
        let user = UserID.generate()
        let people = [Member(user: .generate(), role: .owner), Member(user: user, role: .member)]
        func make(messages count: UInt64) throws -> ConversationID {
            let conversation = Conversation.test(.group)
            _ = try session.createConversation(conversation, members: people, epoch: 1) { _ in [] }
            guard count > 0 else { return conversation.id }
            let messages = (1...count).map { Message.test(conversation.id, $0) }
            _ = try session.appendMessages(MessageBatch(messages), epoch: 1)
            return conversation.id
        }
        let (behind, current, empty) = (try make(messages: 4), try make(messages: 3), try make(messages: 0))
        let (deleted, left) = (try make(messages: 1), try make(messages: 1))
        _ = try session.deleteConversation(deleted, now: 9, epoch: 1) { _ in [] }
        _ = try session.removeMember(left, user: user, now: 9, epoch: 1) { _ in [] }
        let unknown = ConversationID.generate()
        let late = try make(messages: 2)
        _ = try session.removeMember(late, user: user, now: 9, epoch: 1) { _ in [] }
        _ = try session.addMembers(late, [user: .member], membersMax: 9, now: 10, epoch: 1) { _ in [] }
        let heads = try session.changedHeads(
            user: user,
            cursors: [behind: 2, current: 3, empty: 0, deleted: 1, left: 1, unknown: 0, late: 0]
        )
        let byID = Dictionary(uniqueKeysWithValues: heads.map { ($0.conversation, $0) })
        #expect(Set(byID.keys) == [behind, deleted, left, unknown, late])
        #expect(byID[behind]?.headSeq == 4)
        #expect(byID[behind]?.isRemoved == false)
        #expect([deleted, left, unknown].allSatisfy { byID[$0]?.isRemoved == true })
        #expect(byID[late]?.joinedSeq == 2)
        #expect(try session.changedHeads(user: user, cursors: [:]).isEmpty)
        #expect(heads.allSatisfy { !$0.hasReceipts })
    }

    @Test("a group of a thousand is created and loaded whole")
    func large() throws {
        let session = try TestShard().session()
        let state = try session.makeConversation(members: 1000)
        #expect(state.members.count == 1000)
        #expect(try session.loadConversations([state.conversation.id])[state.conversation.id] == state)
    }
}
