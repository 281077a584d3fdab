// SPDX-License-Identifier: Apache-2.0

import Messaging
import Postgres
import Storage
import TestSupport
import Testing

@Suite("Receipts in a shard")
struct ReceiptTests {
    private func batch(_ rows: [(ConversationID, UserID, UInt64, UInt64)]) -> ReceiptBatch {
        var batch = ReceiptBatch()
        for (conversation, user, delivered, read) in rows {
            batch.merge(
                Watermarks(delivered: delivered, read: read),
                of: MemberKey(conversation: conversation, user: user)
            )
        }
        return batch
    }

    @Test("many members of many conversations in one statement; the larger number wins, whatever comes in what order")
    func merge() throws {
        let seed: UInt64 = 0x5EC1
        var random = SeededRandom(seed: seed)
        let shard = try TestShard()
        let session = shard.session()
        let states = try (0..<6).map { _ in try session.makeConversation(members: 5) }
        for state in states {
            _ = try session.appendMessages(MessageBatch((1...20).map { .test(state.conversation.id, $0) }), epoch: 1)
        }
        var model: [MemberKey: Watermarks] = [:]
        for round in 0..<60 {
            var batch = ReceiptBatch()
            for _ in 0..<Int.random(in: 1...12, using: &random) {
                let state = states[Int.random(in: 0..<states.count, using: &random)]
                let key = MemberKey(
                    conversation: state.conversation.id,
                    user: state.members[Int.random(in: 0..<5, using: &random)].user
                )
                let watermarks = Watermarks(
                    delivered: UInt64.random(in: 0...20, using: &random),
                    read: UInt64.random(in: 0...20, using: &random)
                )
                batch.merge(watermarks, of: key)
                model[key, default: .zero].formUnion(watermarks)
            }
            let stored = try session.storeReceipts(batch, epoch: 1)
            #expect(Set(stored.keys) == Set(batch.rows.keys), "seed \(seed), round \(round)")
            for (key, watermarks) in stored {
                #expect(watermarks == model[key], "seed \(seed), round \(round)")
            }
        }
        let loaded = try session.loadConversations(states.map(\.conversation.id))
        for (id, state) in loaded {
            for member in state.members {
                #expect(member.watermarks == model[MemberKey(conversation: id, user: member.user)] ?? .zero)
            }
        }
    }

    @Test("a receipt alone is found by the version of the state, and what it says is read with that version")
    func foundBySync() throws {
        let session = try TestShard().session()
        let states = try (0..<3).map { _ in try session.makeConversation(members: 3) }
        let ids = states.map(\.conversation.id)
        let (reader, user) = (states[0].members[0].user, states[0].members[1].user)
        let cursors = [ids[0]: 5 as UInt64]
        _ = try session.appendMessages(MessageBatch((1...5).map { .test(ids[0], $0) }), epoch: 1)
        func found(_ version: UInt64?) throws -> [Bool] {
            try session.changedHeads(user: user, cursors: cursors, states: version.map { [ids[0]: $0] })
                .map(\.hasReceipts)
        }
        let before = try #require(session.receipts(of: [ids[0]], for: user, membersMax: 3).first)
        #expect(before.entries.allSatisfy { $0.watermarks == .zero } && before.entries.count == 3)
        #expect(try found(before.stateVersion).isEmpty)
        _ = try session.storeReceipts(self.batch([(ids[0], reader, 4, 3)]), epoch: 1)
        #expect(try found(before.stateVersion) == [true])
        #expect(try found(nil).isEmpty, "whoever does not ask is not told")
        let after = try #require(session.receipts(of: [ids[0]], for: user, membersMax: 3).first)
        #expect(after.entries.first { $0.user == reader }?.watermarks == Watermarks(delivered: 4, read: 3))
        #expect(after.entries == after.entries.sorted { $0.user < $1.user })
        #expect(try found(after.stateVersion).isEmpty)
        // In a conversation that is too large for it, only the own ones; of one that the user is not in, nothing.
        let own = try session.receipts(of: ids, for: reader, membersMax: 2)
        #expect(own.map(\.conversation) == [ids[0]])
        #expect(own.first?.entries == after.entries.filter { $0.user == reader })
        #expect(try session.receipts(of: ids, for: .generate(), membersMax: 3).isEmpty)
        #expect(try session.receipts(of: [], for: user, membersMax: 3).isEmpty)
    }

    @Test("what would not grow is not written, and the version of the state says so")
    func versions() throws {
        let session = try TestShard().session()
        let state = try session.makeConversation(members: 2)
        let other = try session.makeConversation(members: 2)
        let (id, user) = (state.conversation.id, state.members[0].user)
        _ = try session.appendMessages(MessageBatch((1...5).map { .test(id, $0) }), epoch: 1)
        func version(_ id: ConversationID = id) throws -> UInt64 {
            try #require(try session.loadConversations([id])[id]).stateVersion
        }
        let start = try version()
        _ = try session.storeReceipts(self.batch([(id, user, 3, 0)]), epoch: 1)
        #expect(try version() == start + 1)
        _ = try session.storeReceipts(self.batch([(id, user, 2, 0), (id, .generate(), 2, 0)]), epoch: 1)
        #expect(try version() == start + 1)
        let all = self.batch([(id, user, 4, 0), (id, state.members[1].user, 4, 4)])
        _ = try session.storeReceipts(all, epoch: 1)
        #expect(try version() == start + 2, "one step for one batch")
        #expect(try version(other.conversation.id) == other.stateVersion)
        _ = try session.appendMessages(MessageBatch([.test(id, 6)]), epoch: 1)
        #expect(try version() == start + 2, "messages have their own number")
        _ = try session.updateTitle(id, title: "new", epoch: 1)
        _ = try session.addMembers(id, [.generate(): .member], membersMax: 9, now: 1, epoch: 1) { _ in [] }
        #expect(try version() == start + 4)
        let heads = try session.conversationHeads(user: user, conversations: [id])
        #expect(heads.map(\.stateVersion) == [start + 4])
        #expect(heads.map(\.member.watermarks) == [Watermarks(delivered: 4, read: 0)])
    }

    @Test("who is no member, and whose conversation is deleted, is absent from the answer")
    func absent() throws {
        let session = try TestShard().session()
        let state = try session.makeConversation(members: 2)
        let gone = try session.makeConversation(members: 2)
        _ = try session.deleteConversation(gone.conversation.id, now: 1, epoch: 1) { _ in [] }
        let user = state.members[0].user
        let batch = self.batch([
            (state.conversation.id, user, 0, 0), (state.conversation.id, .generate(), 1, 1),
            (gone.conversation.id, gone.members[0].user, 1, 1), (.generate(), user, 1, 1),
        ])
        let stored = try session.storeReceipts(batch, epoch: 1)
        #expect(stored == [MemberKey(conversation: state.conversation.id, user: user): .zero])
    }

    @Test("a router whose view is over stores nothing")
    func fence() throws {
        let shard = try TestShard()
        let session = shard.session()
        let state = try session.makeConversation(members: 2)
        let (id, user) = (state.conversation.id, state.members[0].user)
        _ = try session.appendMessages(MessageBatch((1...5).map { .test(id, $0) }), epoch: 1)
        _ = try shard.session().proposeView(replacing: 1, routers: ["router-b"], by: "test")
        #expect {
            try session.storeReceipts(self.batch([(id, user, 5, 5)]), epoch: 1)
        } throws: { isStorageError($0, .staleEpoch) }
        #expect(try shard.count("members", where: "read_seq > 0 OR delivered_seq > 0") == 0)
        _ = try session.storeReceipts(self.batch([(id, user, 5, 5)]), epoch: 2)
        #expect(try shard.count("members", where: "read_seq = 5 AND delivered_seq = 5") == 1)
    }

    @Test("the status of a message: its recipients are those who had joined, without the sender")
    func status() throws {
        let session = try TestShard().session()
        let state = try session.makeConversation(members: 4)
        let id = state.conversation.id
        let users = state.members.map(\.user)
        let messages = (1...5).map { Message.test(id, $0, sender: users[0]) }
        _ = try session.appendMessages(MessageBatch(messages), epoch: 1)
        let late = UserID.generate()
        _ = try session.addMembers(id, [late: .member], membersMax: 9, now: 1, epoch: 1) { _ in [] }
        _ = try session.appendMessages(MessageBatch([.test(id, 6, sender: users[1])]), epoch: 1)
        let batch = self.batch([(id, users[1], 3, 2), (id, users[2], 5, 5), (id, users[0], 6, 6)])
        _ = try session.storeReceipts(batch, epoch: 1)

        let third = try #require(try session.messageStatus(id, seq: 3, for: users[3], membersMax: 9))
        #expect(third.recipientCount == 3 && third.deliveredCount == 2 && third.readCount == 1)
        let listed = Dictionary(uniqueKeysWithValues: (third.recipients ?? []).map { ($0.user, $0.watermarks) })
        #expect(listed.keys.sorted() == users[1...3].sorted())
        #expect(listed[users[1]]?.status(of: 3) == .delivered)
        #expect(listed[users[2]]?.status(of: 3) == .read)
        #expect(listed[users[3]]?.status(of: 3) == .sent)

        // In a conversation that is too large for a list the same counts come from the database.
        let counted = try #require(try session.messageStatus(id, seq: 3, for: users[3], membersMax: 4))
        #expect(counted.recipients == nil)
        #expect(counted.recipientCount == 3 && counted.deliveredCount == 2 && counted.readCount == 1)
        let sixth = try #require(try session.messageStatus(id, seq: 6, for: late, membersMax: 9))
        #expect(sixth.recipientCount == 4 && sixth.readCount == 1)
        #expect(sixth.recipients?.contains { $0.user == late } == true)

        #expect(try session.messageStatus(id, seq: 3, for: late, membersMax: 9) == nil, "from before the join")
        #expect(try session.messageStatus(id, seq: 7, for: users[0], membersMax: 9) == nil, "there is none")
        #expect(try session.messageStatus(id, seq: 3, for: .generate(), membersMax: 9) == nil)
    }

    @Test("how far the members have come, and in a large conversation only the asking one")
    func receipts() throws {
        let session = try TestShard().session()
        let state = try session.makeConversation(members: 3)
        let id = state.conversation.id
        let users = state.members.map(\.user)
        _ = try session.appendMessages(MessageBatch((1...9).map { .test(id, $0) }), epoch: 1)
        _ = try session.storeReceipts(self.batch([(id, users[0], 9, 4), (id, users[2], 2, 2)]), epoch: 1)
        let own = MemberWatermarks(user: users[0], watermarks: Watermarks(delivered: 9, read: 4))
        let all = try session.receipts(of: id, for: users[1], membersMax: 3)
        #expect(
            all
                == [
                    own, MemberWatermarks(user: users[1], watermarks: .zero),
                    MemberWatermarks(user: users[2], watermarks: Watermarks(delivered: 2, read: 2)),
                ].sorted { $0.user < $1.user }
        )
        #expect(try session.receipts(of: id, for: users[0], membersMax: 2) == [own])
        #expect(try session.receipts(of: id, for: .generate(), membersMax: 3) == nil)
    }

    @Test("rows that a node of the version before wrote: what was read was delivered")
    func versionBefore() throws {
        let shard = try TestShard()
        let session = shard.session()
        let state = try session.makeConversation(members: 2)
        let (id, user) = (state.conversation.id, state.members[0].user)
        _ = try session.appendMessages(MessageBatch((1...9).map { .test(id, $0) }), epoch: 1)
        try shard.console().run(script: "UPDATE members SET read_seq = 6, delivered_seq = 0", deadline: .soon)
        let key = MemberKey(conversation: id, user: user)
        let unchanged = try session.storeReceipts(self.batch([(id, user, 5, 0)]), epoch: 1)
        #expect(unchanged[key] == Watermarks(delivered: 6, read: 6))
        #expect(try shard.count("members", where: "delivered_seq > 0") == 0, "nothing grew")
        #expect(
            try session.storeReceipts(self.batch([(id, user, 8, 0)]), epoch: 1)[key]
                == Watermarks(delivered: 8, read: 6)
        )
    }

    @Test("what an operator is shown of a message: all but its text, and whom it has not reached first")
    func glance() throws {
        let session = try TestShard().session()
        let state = try session.makeConversation(members: 5)
        let id = state.conversation.id
        let sender = state.members[2].user
        let messages = (1...3).map { Message.test(id, $0, sender: sender, body: "Grüße") }
        _ = try session.appendMessages(MessageBatch(messages), epoch: 1)
        let others = state.members.map(\.user).filter { $0 != sender }
        let receipts = self.batch([(id, others[0], 3, 2), (id, others[1], 1, 0), (id, others[2], 3, 3)])
        _ = try session.storeReceipts(receipts, epoch: 1)
        let message = MessageID(conversation: id, seq: 2)
        let glance = try #require(try session.glance(at: message, recipientsMax: 3))
        #expect(glance.kind == .text && glance.sender == sender && glance.senderDevice == messages[1].senderDevice)
        #expect(glance.clientMessageID == messages[1].clientMessageID && glance.createdAt == messages[1].createdAt)
        #expect(glance.bodyBytes == 7 && glance.isIDKept && glance.table.hasPrefix("messages_"))
        #expect(glance.recipients == 4 && glance.delivered == 2 && glance.read == 2)
        #expect(Set(glance.furthestBehind.prefix(2).map(\.user)) == [others[1], others[3]])
        #expect(glance.furthestBehind.count == 3 && glance.furthestBehind[2].watermarks.read >= 2)
        #expect(try session.glance(at: MessageID(conversation: id, seq: 4), recipientsMax: 3) == nil)
        #expect(try session.glance(at: MessageID(conversation: .generate(), seq: 1), recipientsMax: 3) == nil)
    }
}
