// SPDX-License-Identifier: Apache-2.0

import Messaging
import Placement
import Postgres
import Storage
import TestSupport
import Testing

@Suite("Slots that go from one database to another")
struct SlotMoveTests {
    /// Two shards of one cluster; the first holds every slot.
    struct Pair {
        let catalog: ShardCatalog
        let one: TestShard
        let two: TestShard
        let source: OperatorSession
        let target: OperatorSession
        let writer: ShardSession
        let move = MoveID.generate()

        init() throws {
            let map = try #require(ShardMap(dealing: ["one"]))
            self.catalog = try #require(ShardCatalog(map: map).adding(ShardCatalog.Shard(name: "two")))
            self.one = try TestShard(named: "one", catalog: self.catalog)
            self.two = try TestShard(named: "two", catalog: self.catalog)
            self.source = self.one.operatorSession()
            self.target = self.two.operatorSession()
            self.writer = self.one.session()
            try self.source.lock()
            try self.target.lock()
        }

        func append(_ messages: [Message]) throws {
            let epoch = try self.writer.readView().epoch
            let outcome = try self.writer.appendMessages(MessageBatch(messages), epoch: epoch)
            #expect(outcome == .stored(stale: []))
        }

        func begin(_ slots: [Slot]) throws -> SlotCopy {
            try self.source.prepareMoving()
            try self.target.prepareMoving()
            try self.target.beginReceiving(slots, from: "one", move: self.move)
            try self.source.beginSending(slots, to: "two", move: self.move)
            return try SlotCopy(from: self.source, to: self.target, slots: slots)
        }

        func next(_ slots: [Slot]) throws -> ShardCatalog {
            try #require(self.catalog.assigning(slots, to: "two"))
        }
    }

    private func table(_ name: String, of shard: TestShard, _ slots: [Slot]) throws -> [String] {
        let list = slots.map { "\($0.number)" }.joined(separator: ",")
        let columns = name == "outbox" ? "(slot, target_slot, kind, payload)" : "r"
        let result = try shard.console().execute(
            "SELECT \(columns)::text FROM \(name) r WHERE slot IN (\(list)) ORDER BY 1",
            deadline: .now + .seconds(20)
        )
        return try result.rows.map { row in
            var row = row
            return try row.text()
        }
    }

    private static let tables = [
        "conversations", "members", "messages", "message_ids", "users", "usernames", "devices", "refresh_tokens",
        "user_conversations", "outbox",
    ]

    @Test("what is written before, during and after the first copy arrives, row by row; nothing else does")
    func copiesWhatIsWritten() throws {
        let pair = try Pair()
        let writer = pair.writer
        let user = UserID.generate()
        let moving = try (0..<3).map { _ in try writer.makeConversation(members: 3) }
        let staying = try writer.makeConversation()
        let user2 = UserID.generate()
        for (name, user) in [("anna", user), ("bertold", user2)] {
            _ = try writer.registerName(name, for: user, outbox: [], now: 1, epoch: 1)
            _ = try writer.insertUser(
                UserProfile(id: user, username: name, displayName: name, createdAt: 1),
                passwordHash: "x",
                epoch: 1
            )
            try writer.putDevice(
                user: user,
                device: .generate(),
                name: "phone",
                type: "phone",
                token: RefreshToken(hash: [1, 2, 3], expiresAt: 2),
                now: 1,
                epoch: 1
            )
        }
        let slots = Set(
            moving.map { Slot(of: $0.conversation.id.value) }
                + [Slot(of: user.value), Slot(of: user2.value), Slot(ofName: "anna")]
        ).subtracting([Slot(of: staying.conversation.id.value)]).sorted()
        try pair.append(moving.flatMap { state in (1...50).map { Message.test(state.conversation.id, $0) } })
        try pair.append([Message.test(staying.conversation.id, 1)])

        let copy = try pair.begin(slots)
        #expect(try copy.copyAll().rows > 150)
        #expect(try copy.copyChanges(isLast: false).rows == 0)
        // Rows that are new, changed and gone.
        try pair.append(moving.map { Message.test($0.conversation.id, 51) })
        try pair.append([Message.test(staying.conversation.id, 2)])
        _ = try writer.updateTitle(moving[0].conversation.id, title: "\"Ä, \\ new", epoch: 1)
        let leaver = try #require(moving[1].members.first { $0.role == .member }).user
        _ = try writer.removeMember(moving[1].conversation.id, user: leaver, now: 7, epoch: 1) { _ in
            [OutboxEntry(targetSlot: Slot(of: leaver.value), kind: 1, payload: [1, 2])]
        }
        _ = try writer.addMembers(
            moving[2].conversation.id,
            [user: .member],
            membersMax: 100,
            now: 8,
            epoch: 1
        ) { _ in [] }
        #expect(try copy.copyChanges(isLast: false).rows > 6)
        try pair.append(moving.map { Message.test($0.conversation.id, 52) })

        try pair.source.hold(slots)
        #expect(throws: StorageError.self) {
            try writer.appendMessages(MessageBatch([Message.test(moving[0].conversation.id, 53)]), epoch: 1)
        }
        #expect(try copy.copyChanges(isLast: true).rows >= 6)
        for name in Self.tables {
            let (there, here) = try (self.table(name, of: pair.one, slots), self.table(name, of: pair.two, slots))
            #expect(there == here, "\(name)")
            #expect(try pair.two.count(name) == here.count, "\(name): only these")
        }
        #expect(try pair.one.count("outbox", where: "slot = \(Slot(of: moving[1].conversation.id.value).number)") == 1)

        try pair.source.give(slots)
        try pair.target.take(slots, under: pair.next(slots))
        try pair.source.keepOldCopy(slots)
        let view = try pair.target.readView()
        #expect(view.slots?.slots == slots)
        #expect(view.epoch == 2)
        let source = try pair.source.readView()
        #expect(source.slots?.count == Slot.count - slots.count)
        let state = try pair.two.session().loadConversations([moving[0].conversation.id])
        #expect(state[moving[0].conversation.id]?.conversation.headSeq == 52)
        #expect(try pair.two.session().readCatalog()?.map.slots(of: "two").slots == slots)

        let check = try OldCopyCheck(of: pair.source, against: pair.target).check(slots)
        #expect(check.differences.isEmpty)
        #expect(check.messages == 156)
        try pair.two.console().run(script: "DELETE FROM messages WHERE seq = 17", deadline: .now + .seconds(20))
        let lossy = try OldCopyCheck(of: pair.source, against: pair.target).check(slots)
        #expect(lossy.differences.count == 1)
        try pair.source.removeOldCopies(of: slots)
        try pair.source.endMoving()
        for name in Self.tables {
            #expect(try self.table(name, of: pair.one, slots).isEmpty, "\(name)")
        }
        #expect(try pair.one.count("messages") == 2)
        #expect(try pair.one.count("slot_transfers") == 0)
        #expect(try pair.one.count("slot_changes") == 0)
        #expect(try pair.one.count("pg_trigger", where: "tgname LIKE 'slot_change_%'") == 0)
        #expect(try pair.one.count("pg_class", where: "relname LIKE 'moving_%'") == 0)
    }

    @Test("a move that is given up leaves nothing behind")
    func givenUp() throws {
        let pair = try Pair()
        let state = try pair.writer.makeConversation()
        let slots = [Slot(of: state.conversation.id.value)]
        try pair.append([Message.test(state.conversation.id, 1)])
        let copy = try pair.begin(slots)
        _ = try copy.copyAll()
        try pair.source.hold(slots)
        try pair.source.takeBack(slots)
        try pair.target.stopReceiving(slots)
        try pair.source.stopSending(slots)
        #expect(try pair.source.readTransfers().isEmpty)
        #expect(try pair.target.readTransfers().isEmpty)
        for name in Self.tables {
            #expect(try pair.two.count(name) == 0, "\(name)")
        }
        try pair.append([Message.test(state.conversation.id, 2)])
        #expect(throws: StorageError.self, "what is not on its way cannot be held") { try pair.source.hold(slots) }
        #expect(throws: StorageError.self) { _ = try copy.copyAll() }
    }

    @Test("the second operator is told who the first is")
    func secondOperator() throws {
        let pair = try Pair()
        let second = pair.one.operatorSession("second")
        let error = #expect(throws: StorageError.self) { try second.lock() }
        #expect(error?.code == .busy)
        #expect(error?.message.contains("trunkline operator test (from") == true, "\(error?.message ?? "")")
        pair.source.close()
        try waitUntil {
            do {
                try second.lock()
                return true
            } catch {
                return false
            }
        }
    }

    @Test("who walks over the nodes and who moves slots are in nobody's way, and two who walk are")
    func walk() throws {
        let pair = try Pair()
        let (first, second) = (pair.one.operatorSession("first"), pair.one.operatorSession("second"))
        try first.lock(.walk)
        try first.lock(.walk)
        #expect(try first.holder(of: .slots)?.contains("operator test (from") == true)
        let error = #expect(throws: StorageError.self) { try second.lock(.walk) }
        #expect(error?.code == .busy)
        #expect(error?.message.contains("trunkline operator first (from") == true, "\(error?.message ?? "")")
        #expect(error?.message.contains("starts the nodes again") == true)
        #expect(throws: StorageError.self) { try first.lock(.slots) }
        first.close()
        try waitUntil {
            do {
                try second.lock(.walk)
                return true
            } catch {
                return false
            }
        }
    }

    @Test("routers take held slots back, and take given ones over, when the operator is gone, and not before")
    func abandoned() throws {
        let pair = try Pair()
        let state = try pair.writer.makeConversation()
        let slots = [Slot(of: state.conversation.id.value)]
        let copy = try pair.begin(slots)
        _ = try copy.copyAll()
        try pair.source.hold(slots)
        let (one, two) = (pair.one.session(), pair.two.session())
        #expect(try one.readTransferSigns().hasHeld)
        #expect(try one.takeBackAbandoned(by: "router") == false)
        pair.source.close()
        try waitUntil { try one.takeBackAbandoned(by: "router") }
        #expect(try one.readView().holds(slots[0]))
        #expect(try one.readView().epoch == 3)
        #expect(throws: StorageError.self, "given is what was held") { try pair.source.give(slots) }

        try pair.source.lock()
        try pair.source.hold(slots)
        _ = try copy.copyChanges(isLast: true)
        try pair.source.give(slots)
        #expect(try one.readTransferSigns().given == ["two": slots])
        #expect(try two.takeAbandoned(slots, by: "router") == false)
        pair.target.close()
        try waitUntil { try two.takeAbandoned(slots, by: "router") }
        #expect(try two.readView().holds(slots[0]))
        #expect(try two.readCatalog()?.map.shard(of: slots[0]) == "two")
        #expect(try one.takeBackAbandoned(by: "router") == false)
        #expect(try two.takeAbandoned(slots, by: "router") == false, "it is done")
    }

    @Test("every table with slots is known to the copy")
    func everyTable() throws {
        let shard = try TestShard()
        let result = try shard.console().execute(
            """
            SELECT c.relname::text FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
            WHERE a.attname = 'slot' AND c.relkind IN ('r', 'p') AND NOT c.relispartition
                AND c.relname NOT IN ('slot_transfers', 'slot_changes')
            """,
            deadline: .now + .seconds(20)
        )
        let names = try result.rows.map { row in
            var row = row
            return try row.text()
        }
        #expect(Set(names) == Set(Self.tables))
        #expect(Set(SlotCopy.tables) == Set(Self.tables))
    }
}
