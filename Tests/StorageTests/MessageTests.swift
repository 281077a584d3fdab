// SPDX-License-Identifier: Apache-2.0

import Messaging
import Postgres
import Storage
import TestSupport
import Testing

@Suite("Messages")
struct MessageTests {
    @Test("batches of 64 for several conversations: every message under its number, once, in order")
    func batches() throws {
        let shard = try TestShard()
        let session = shard.session()
        let conversations = try (0..<5).map { _ in try session.makeConversation().conversation.id }
        var seed = SeededGenerator(seed: 20_26)
        var heads: [ConversationID: UInt64] = [:]
        var expected: [ConversationID: [Message]] = [:]
        for _ in 0..<12 {
            var batch = MessageBatch()
            for _ in 0..<64 {
                let conversation = conversations[Int.random(in: 0..<5, using: &seed)]
                let seq = heads[conversation, default: 0] + 1
                heads[conversation] = seq
                let message = Message.test(
                    conversation,
                    seq,
                    body: String(repeating: "ä", count: Int.random(in: 0..<300, using: &seed))
                )
                batch.append(message)
                expected[conversation, default: []].append(message)
            }
            #expect(batch.rowCount == 64)
            #expect(try session.appendMessages(batch, epoch: 1) == .stored(stale: []))
        }
        let states = try session.loadConversations(conversations)
        for conversation in conversations {
            #expect(states[conversation]?.conversation.headSeq == heads[conversation])
            var found: [Message] = []
            while true {
                let page = try session.readMessages(
                    conversation,
                    after: found.last?.seq ?? 0,
                    before: nil,
                    limit: 50,
                    notBefore: 0
                )
                if page.isEmpty { break }
                found += page
            }
            #expect(found == expected[conversation])
            #expect(found.map(\.seq) == Array(1...UInt64(found.count)))
        }
        let all = expected.values.joined()
        let stored = try session.findStored(all.map { MessageKey($0) })
        #expect(stored.count == 12 * 64)
        for message in all {
            #expect(stored[MessageKey(message)] == StoredMessage(seq: message.seq, createdAt: message.createdAt))
        }
        #expect(try shard.count("messages_default") == 0)
        #expect(try shard.count("message_ids_default") == 0)
    }

    @Test("every kind of value of a message comes back")
    func everyKind() throws {
        let session = try TestShard().session()
        let id = try session.makeConversation().conversation.id
        let messages = MessageKind.allCases.enumerated().map { index, kind in
            var message = Message.test(id, UInt64(index + 1), body: index == 0 ? "" : "Grüße {\"\\\"} 🌍\n\(kind)")
            message.kind = kind
            return message
        }
        #expect(try session.appendMessages(MessageBatch(messages), epoch: 1) == .stored(stale: []))
        #expect(try session.readMessages(id, after: 0, before: nil, limit: 100, notBefore: 0) == messages)
    }

    @Test("pages go both ways and begin where the member joined")
    func pages() throws {
        let session = try TestShard().session()
        let id = try session.makeConversation().conversation.id
        let messages = (1...10).map { Message.test(id, $0) }
        _ = try session.appendMessages(MessageBatch(messages), epoch: 1)
        func seqs(after: UInt64?, before: UInt64?, limit: Int = 3, joined: UInt64 = 0) throws -> [UInt64] {
            try session.readMessages(id, after: after, before: before, limit: limit, notBefore: joined).map(\.seq)
        }
        #expect(try seqs(after: nil, before: nil) == [8, 9, 10])
        #expect(try seqs(after: nil, before: 8) == [5, 6, 7])
        #expect(try seqs(after: nil, before: 3) == [1, 2])
        #expect(try seqs(after: 0, before: nil) == [1, 2, 3])
        #expect(try seqs(after: 9, before: nil) == [10])
        #expect(try seqs(after: 10, before: nil) == [])
        #expect(try seqs(after: 2, before: 5, limit: 10) == [3, 4])
        #expect(try seqs(after: 0, before: nil, joined: 6) == [7, 8, 9])
        #expect(try seqs(after: nil, before: 9, limit: 10, joined: 6) == [7, 8])
        #expect(try seqs(after: UInt64.max, before: nil) == [])
        #expect(try seqs(after: 0, before: nil, limit: -5) == [1])
        #expect(try seqs(after: 0, before: nil, limit: 1_000_000).count == 10)
    }

    @Test("a head that is not the expected one: that conversation is stale, the others are stored")
    func staleHead() throws {
        let shard = try TestShard()
        let session = shard.session()
        let good = try session.makeConversation().conversation.id
        let behind = try session.makeConversation().conversation.id
        let ahead = try session.makeConversation().conversation.id
        let unknown = ConversationID.generate()
        let deleted = try session.makeConversation().conversation.id
        _ = try session.deleteConversation(deleted, now: 1, epoch: 1) { _ in [] }
        #expect(try session.appendMessages(MessageBatch([.test(behind, 1)]), epoch: 1) == .stored(stale: []))
        let batch = MessageBatch([
            .test(good, 1), .test(behind, 1), .test(ahead, 7), .test(unknown, 1), .test(deleted, 1), .test(good, 2),
        ])
        let outcome = try session.appendMessages(batch, epoch: 1)
        #expect(outcome == .stored(stale: [behind, ahead, unknown, deleted]))
        #expect(try shard.count("messages") == 3)
        #expect(try shard.count("message_ids") == 3)
        let states = try session.loadConversations([good, behind, ahead, unknown, deleted])
        #expect(states.mapValues(\.conversation.headSeq) == [good: 2, behind: 1, ahead: 0])
    }

    @Test("a client message id that is stored already: nothing of the batch is stored, and it can be found")
    func duplicates() throws {
        let shard = try TestShard()
        let session = shard.session()
        let one = try session.makeConversation().conversation.id
        let two = try session.makeConversation().conversation.id
        let first = Message.test(one, 1)
        _ = try session.appendMessages(MessageBatch([first]), epoch: 1)
        var again = first
        again.seq = 2
        let bystander = Message.test(two, 1)
        let batch = MessageBatch([bystander, again])
        #expect(try session.appendMessages(batch, epoch: 1) == .duplicateClientMessageID)
        let found = try session.findStored([MessageKey(again), MessageKey(bystander)])
        #expect(found == [MessageKey(first): StoredMessage(seq: 1, createdAt: first.createdAt)])
        #expect(try session.loadConversations([one, two]).mapValues(\.conversation.headSeq) == [one: 1, two: 0])
        // The same id from another sender, or in another conversation, is another message.
        var other = again
        other.sender = .generate()
        var elsewhere = bystander
        elsewhere.clientMessageID = first.clientMessageID
        #expect(try session.appendMessages(MessageBatch([other, elsewhere]), epoch: 1) == .stored(stale: []))
        // Twice within one batch.
        let twice = [Message.test(one, 3, sender: first.sender, clientMessageID: .lowerBound(at: 5))]
        let pair = MessageBatch(twice + [.test(one, 4, sender: first.sender, clientMessageID: .lowerBound(at: 5))])
        #expect(try session.appendMessages(pair, epoch: 1) == .duplicateClientMessageID)
        #expect(try shard.count("messages") == 3)
    }

    @Test("two writers race for the same numbers: each number is given once, without gaps")
    func race() throws {
        let shard = try TestShard()
        let ids = try (0..<3).map { _ in try shard.session().makeConversation().conversation.id }
        let accepted = try Background.all(3) { writer in
            try Self.write(60, to: ids, in: shard, writer: writer)
        }.flatMap { $0 }
        let session = shard.session()
        for id in ids {
            let own = accepted.filter { $0.conversation == id }.sorted { $0.seq < $1.seq }
            #expect(own.map(\.seq) == Array(1...180))
            var found: [Message] = []
            while found.count < own.count {
                let page = try session.readMessages(
                    id,
                    after: found.last?.seq ?? 0,
                    before: nil,
                    limit: 200,
                    notBefore: 0
                )
                if page.isEmpty { break }
                found += page
            }
            #expect(found == own)
        }
    }

    /// Appends `count` messages to each conversation, against whoever else does, and returns what was stored.
    private static func write(
        _ count: Int,
        to ids: [ConversationID],
        in shard: TestShard,
        writer: Int
    ) throws -> [Message] {
        let session = shard.session()
        var accepted: [Message] = []
        var remaining = Dictionary(uniqueKeysWithValues: ids.map { ($0, count) })
        var heads = Dictionary(uniqueKeysWithValues: ids.map { ($0, UInt64(0)) })
        while !remaining.isEmpty {
            var batch: [Message] = []
            // One order for all, as a writer that owns its conversations has no need of: without it they would
            // wait for each other in a circle, which the server ends by refusing one of them.
            for id in remaining.keys.sorted() {
                batch.append(.test(id, heads[id, default: 0] + 1, body: "from \(writer)"))
            }
            let stale: Set<ConversationID>
            do throws(StorageError) {
                guard case .stored(let ids) = try session.appendMessages(MessageBatch(batch), epoch: 1) else {
                    throw StorageError(.internal, "a new client message id is no duplicate")
                }
                stale = ids
            } catch {
                guard error.code == .unavailable else { throw error }
                continue
            }
            for message in batch where !stale.contains(message.conversation) {
                accepted.append(message)
                heads[message.conversation] = message.seq
                remaining[message.conversation, default: 1] -= 1
            }
            remaining = remaining.filter { $0.value > 0 }
            for (id, state) in try session.loadConversations(Array(stale)) {
                heads[id] = state.conversation.headSeq
            }
        }
        return accepted
    }

    @Test("no space left: certainly not stored, and said so")
    func diskFull() throws {
        let shard = try TestShard()
        let session = shard.session()
        let id = try session.makeConversation().conversation.id
        try shard.console().run(
            script: """
                CREATE FUNCTION no_space() RETURNS trigger LANGUAGE plpgsql AS $$
                BEGIN RAISE EXCEPTION 'could not extend file: No space left on device' USING ERRCODE = '53100'; END $$;
                CREATE TRIGGER no_space BEFORE INSERT ON messages FOR EACH ROW EXECUTE FUNCTION no_space()
                """,
            deadline: .soon
        )
        #expect {
            try session.appendMessages(MessageBatch([.test(id, 1)]), epoch: 1)
        } throws: { isStorageError($0, .diskFull) && ($0 as? StorageError)?.isRetryable == true }
        #expect(try session.loadConversations([id])[id]?.conversation.headSeq == 0)
    }

    @Test("text with U+0000 is known beforehand, and refused without a trace of the others")
    func zeroCharacter() throws {
        let shard = try TestShard()
        let session = shard.session()
        let id = try session.makeConversation().conversation.id
        #expect(StorableText.accepts("a\u{1}b"))
        #expect(!StorableText.accepts("a\u{0}b"))
        #expect {
            try session.appendMessages(MessageBatch([.test(id, 1), .test(id, 2, body: "a\u{0}b")]), epoch: 1)
        } throws: { isStorageError($0, .internal) }
        #expect(try shard.count("messages") == 0)
    }

    @Test("reading and appending use the keys, and no index changes with the head")
    func plans() throws {
        let shard = try TestShard()
        let session = shard.session()
        let id = try session.makeConversation().conversation.id
        for seq in 1...UInt64(60) {
            _ = try session.appendMessages(MessageBatch([.test(id, seq)]), epoch: 1)
        }
        let console = try shard.console()
        try waitUntil {
            try console.execute(
                "SELECT 1 FROM pg_stat_user_tables WHERE relname = 'conversations' AND n_tup_upd >= 60",
                deadline: .soon
            ).rowCount == 1
        }
        var row = try console.execute(
            "SELECT n_tup_hot_upd, seq_scan FROM pg_stat_user_tables WHERE relname = 'conversations'",
            deadline: .soon
        ).row(0)
        #expect(try row.int8() >= 58, "updates of the head stay on their page")
    }
}

/// SplitMix64 (Steele, Lea and Flood 2014): the same numbers in every run.
struct SeededGenerator: RandomNumberGenerator {
    private var state: UInt64

    init(seed: UInt64) {
        self.state = seed
    }

    mutating func next() -> UInt64 {
        self.state &+= 0x9E37_79B9_7F4A_7C15
        var value = self.state
        value = (value ^ (value >> 30)) &* 0xBF58_476D_1CE4_E5B9
        value = (value ^ (value >> 27)) &* 0x94D0_49BB_1331_11EB
        return value ^ (value >> 31)
    }
}
