// SPDX-License-Identifier: Apache-2.0

import Messaging
import Placement
import Postgres
import Storage
import TestSupport
import Testing

@Suite("Views and the fence")
struct FenceTests {
    typealias Write = @Sendable (ShardSession, ConversationState, UInt64) throws -> Void

    /// Every function that writes, each with arguments that would change something.
    static let writes: [(name: String, write: Write)] = [
        (
            "appendMessages",
            { session, state, epoch in
                _ = try session.appendMessages(MessageBatch([.test(state.conversation.id, 1)]), epoch: epoch)
            }
        ),
        (
            "createConversation",
            { session, state, epoch in
                _ = try session.createConversation(.test(), members: state.members, epoch: epoch) { _ in [.test] }
            }
        ),
        (
            "updateTitle",
            { session, state, epoch in
                _ = try session.updateTitle(state.conversation.id, title: "new", epoch: epoch)
            }
        ),
        (
            "deleteConversation",
            { session, state, epoch in
                _ = try session.deleteConversation(state.conversation.id, now: 1, epoch: epoch) { _ in [.test] }
            }
        ),
        (
            "addMembers",
            { session, state, epoch in
                _ = try session.addMembers(
                    state.conversation.id,
                    [.generate(): .member],
                    membersMax: 100,
                    now: 1,
                    epoch: epoch
                ) { _ in [.test] }
            }
        ),
        (
            "setRole",
            { session, state, epoch in
                _ = try session.setRole(
                    state.conversation.id,
                    user: state.members[0].user,
                    role: .admin,
                    now: 1,
                    epoch: epoch
                ) { _ in [.test] }
            }
        ),
        (
            "removeMember",
            { session, state, epoch in
                _ = try session.removeMember(
                    state.conversation.id,
                    user: state.members[0].user,
                    now: 1,
                    epoch: epoch
                ) { _ in [.test] }
            }
        ),
        (
            "registerName",
            { session, _, epoch in
                _ = try session.registerName("name", for: .generate(), outbox: [.test], now: 1, epoch: epoch)
            }
        ),
        (
            "insertUser",
            { session, _, epoch in
                try session.insertUser(
                    UserProfile(id: .generate(), username: "a", displayName: "A", createdAt: 1),
                    passwordHash: "x",
                    epoch: epoch
                )
            }
        ),
        (
            "putDevice",
            { session, _, epoch in
                try session.putDevice(
                    user: .generate(),
                    device: .generate(),
                    name: "phone",
                    type: "mobile",
                    token: RefreshToken(hash: [1], expiresAt: 9),
                    now: 1,
                    epoch: epoch
                )
            }
        ),
        (
            "rotateRefreshToken",
            { session, _, epoch in
                _ = try session.rotateRefreshToken(
                    user: .generate(),
                    device: .generate(),
                    presentedHash: [1],
                    next: RefreshToken(hash: [2], expiresAt: 9),
                    now: 1,
                    epoch: epoch
                )
            }
        ),
        (
            "revokeDevice",
            { session, _, epoch in
                try session.revokeDevice(user: .generate(), device: .generate(), now: 1, epoch: epoch)
            }
        ),
        (
            "applyMembership",
            { session, state, epoch in
                try session.applyMembership(
                    Membership(
                        user: .generate(),
                        conversation: state.conversation.id,
                        kind: .group,
                        version: 1,
                        removed: false,
                        joinedAt: 1
                    ),
                    epoch: epoch
                )
            }
        ),
        (
            "deleteOutbox",
            { session, _, epoch in
                try session.deleteOutbox([1], epoch: epoch)
            }
        ),
    ]

    private static let tables = [
        "users", "usernames", "devices", "refresh_tokens", "conversations", "members", "messages", "message_ids",
        "user_conversations", "outbox",
    ]

    @Test("every write under another epoch is refused and leaves no trace")
    func staleEpoch() throws {
        let shard = try TestShard()
        let session = shard.session()
        let people = [Member(user: .generate(), role: .owner), Member(user: .generate(), role: .member)]
        let creation = try session.createConversation(.test(), members: people, epoch: 1) { _ in [.test] }
        guard case .created(let state, _) = creation else {
            Issue.record("not created: \(creation)")
            return
        }
        let console = try shard.console()
        func contents() throws -> [String] {
            try Self.tables.map { table in
                var row = try console.execute(
                    "SELECT coalesce(string_agg(t::text, E'\\n' ORDER BY t::text), '') FROM \(table) t",
                    deadline: .soon
                ).row(0)
                return try row.text()
            }
        }
        let before = try contents()
        for (name, write) in Self.writes {
            for epoch in [UInt64(0), 2, .max] {
                #expect("\(name) under epoch \(epoch)") {
                    try write(session, state, epoch)
                } throws: { isStorageError($0, .staleEpoch) && ($0 as? StorageError)?.isRetryable == false }
            }
        }
        #expect(try contents() == before)
        for (name, write) in Self.writes {
            #expect(throws: Never.self, "\(name)") { try write(session, state, 1) }
        }
    }

    @Test("views follow each other by compare-and-swap")
    func views() throws {
        let session = try TestShard().session()
        let slots = ShardMap(dealing: ["one", "two"])?.slots(of: "one")
        #expect(try session.readView() == View(shard: "one", epoch: 1, routers: ["router-a"], slots: slots))
        let next = try session.proposeView(replacing: 1, routers: ["router-b", "router-a"], by: "router-b")
        #expect(next == View(shard: "one", epoch: 2, routers: ["router-a", "router-b"], slots: slots))
        #expect(try session.proposeView(replacing: 1, routers: ["router-c"], by: "router-c") == nil)
        #expect(try session.proposeView(replacing: 9, routers: ["router-c"], by: "router-c") == nil)
        #expect(try session.readView() == next)
        #expect {
            try session.updateTitle(.generate(), title: "x", epoch: 1)
        } throws: { isStorageError($0, .staleEpoch) }
    }

    @Test("of many candidates for one epoch exactly one wins")
    func manyCandidates() throws {
        let shard = try TestShard()
        let won = try Background.all(6) { candidate in
            try shard.session().proposeView(
                replacing: 1,
                routers: ["router-\(candidate)"],
                by: "router-\(candidate)"
            ) != nil
        }
        #expect(won.count { $0 } == 1)
        #expect(try shard.session().readView().epoch == 2)
    }

    @Test("a view waits for the writes under way, and a write that waits for a view sees it")
    func order() throws {
        let shard = try TestShard()
        let console = try shard.console()
        // A write under way: it passed the fence and has not committed.
        try console.execute("BEGIN", deadline: .soon)
        try console.execute("SELECT fence_holds(1)", deadline: .soon)
        let proposed = try Background {
            try shard.session(applicationName: "proposer").proposeView(replacing: 1, routers: ["b"], by: "b")
        }
        let watcher = try shard.console()
        try waitUntil { try shard.isWaitingForLock("proposer", using: watcher) }
        let late = try Background {
            try shard.session(applicationName: "late writer").insertUser(
                UserProfile(id: .generate(), username: "a", displayName: "A", createdAt: 1),
                passwordHash: "x",
                epoch: 1
            )
        }
        try waitUntil { try shard.isWaitingForLock("late writer", using: watcher) }
        #expect(try shard.session().readView().epoch == 1, "reading waits for nobody")
        try console.execute("COMMIT", deadline: .soon)
        #expect(try proposed.get()?.epoch == 2)
        #expect { try late.get() } throws: { isStorageError($0, .staleEpoch) }
        #expect(try shard.count("users") == 0)
    }

    @Test("a change of the view by hand waits for the writes under way too")
    func byHand() throws {
        let shard = try TestShard()
        let console = try shard.console()
        try console.execute("BEGIN", deadline: .soon)
        try console.execute("SELECT fence_holds(1)", deadline: .soon)
        let server = shard.server
        let changed = try Background {
            try server.run(sql: "UPDATE shard_view SET epoch = 2", database: shard.database)
        }
        let watcher = try shard.console()
        try waitUntil { try shard.isWaitingForLock("psql", using: watcher) }
        try console.execute("COMMIT", deadline: .soon)
        try changed.get()
        #expect(try shard.session().readView().epoch == 2)
    }

    @Test("a frozen router in the middle of a transaction holds up the next view only for its idle timeout")
    func frozenRouter() throws {
        let shard = try TestShard()
        let frozen = PostgresConnection(
            .init(
                connectionString: shard.descriptor.connectionString,
                applicationName: "frozen",
                statementTimeout: .seconds(20),
                idleInTransactionTimeout: .milliseconds(200)
            )
        )
        try frozen.connect(deadline: .soon)
        try frozen.execute("BEGIN", deadline: .soon)
        try frozen.execute("SELECT fence_holds(1)", deadline: .soon)
        #expect(try shard.session().proposeView(replacing: 1, routers: ["b"], by: "b")?.epoch == 2)
        #expect(throws: PostgresError.self) { try frozen.execute("COMMIT", deadline: .soon) }
    }

    @Test("the shard map is replaced by compare-and-swap and comes back as it was")
    func shardMap() throws {
        let session = try TestShard().session()
        let first = try #require(try session.readShardMap())
        #expect(first == ShardMap(dealing: ["one", "two"]))
        var assignment = first.assignment
        assignment[7] = 40_000
        let names = (0...40_000).map { "s\($0)" }
        let second = try #require(ShardMap(version: 2, shards: names, assignment: assignment))
        #expect(try session.replaceShardMap(second, expectedVersion: 1))
        #expect(try !session.replaceShardMap(second, expectedVersion: 1))
        #expect(try session.readShardMap(newerThan: 1) == second)
        #expect(try session.readShardMap(newerThan: 2) == nil)
    }
}

extension OutboxEntry {
    static var test: OutboxEntry {
        OutboxEntry(targetSlot: Slot(of: 1), kind: 1, payload: [1, 2, 3])
    }
}
