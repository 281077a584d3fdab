// SPDX-License-Identifier: Apache-2.0

import Messaging
import Placement
import Postgres
import Storage
import TestSupport
import Testing

@Suite("Migration")
struct MigratorTests {
    @Test("a second migration changes nothing")
    func twice() throws {
        let shard = try TestShard()
        let report = try shard.migrator().migrate(now: WallClock.now())
        #expect(report.changedNothing)
        #expect(report.schemaVersion == 4)
        #expect(try shard.count("schema_migrations") == 4)
    }

    @Test("a new database: schema, identity, map, view and partitions")
    func first() throws {
        let server = try PostgresServer.shared()
        try server.createDatabase("migrate_first")
        let descriptor = ShardDescriptor(
            name: "two",
            connectionString: server.connectionString(database: "migrate_first")
        )
        let report = try Migrator(cluster: "test", shard: descriptor, shards: ["one", "two"])
            .migrate(now: WallClock.now())
        #expect(report.appliedMigrations == ["1 initial schema", "2 receipts", "3 presence", "4 slot moves"])
        #expect(report.wroteIdentity)
        #expect(report.wroteShardMap)
        #expect(report.createdPartitions.count == 2 * 10, "one week back, this one, eight ahead; two tables")
        let session = ShardSession(
            .init(cluster: "test", shard: descriptor, applicationName: "test", logger: TestShard.silentLogger)
        )
        let slots = ShardMap(dealing: ["one", "two"])?.slots(of: "two")
        #expect(try session.readView() == View(shard: "two", epoch: 0, routers: [], slots: slots))
        #expect(try session.readShardMap() == ShardMap(dealing: ["one", "two"]))
    }

    @Test("several nodes migrate at once: one does it, the others find it done")
    func concurrent() throws {
        let server = try PostgresServer.shared()
        try server.createDatabase("migrate_concurrent")
        let descriptor = ShardDescriptor(
            name: "one",
            connectionString: server.connectionString(database: "migrate_concurrent")
        )
        let reports = try Background.all(4) { _ in
            try Migrator(cluster: "test", shard: descriptor, shards: ["one"]).migrate(now: WallClock.now())
        }
        #expect(reports.filter { $0.changedNothing }.count == 3)
        #expect(reports.filter { !$0.appliedMigrations.isEmpty && $0.wroteIdentity }.count == 1)
    }

    @Test("a schema from the future is refused, and left as it is")
    func newer() throws {
        let shard = try TestShard()
        try shard.console().run(script: "INSERT INTO schema_migrations VALUES (99, 'future')", deadline: .soon)
        #expect {
            try shard.migrator().migrate(now: WallClock.now())
        } throws: { error in
            isStorageError(error, .wrongDatabase) && "\(error)".contains("version 99")
        }
        #expect(try shard.session().readView().epoch == 1, "a node one version behind still works (C9)")
    }

    @Test("a database without schema, or with too old a one, is refused")
    func older() throws {
        let server = try PostgresServer.shared()
        try server.createDatabase("migrate_never")
        let descriptor = ShardDescriptor(
            name: "one",
            connectionString: server.connectionString(database: "migrate_never")
        )
        let session = ShardSession(
            .init(cluster: "test", shard: descriptor, applicationName: "test", logger: TestShard.silentLogger)
        )
        #expect {
            try session.readView()
        } throws: { error in
            isStorageError(error, .wrongDatabase) && "\(error)".contains("trunkline migrate")
        }
        let shard = try TestShard()
        try shard.console().run(script: "UPDATE schema_migrations SET version = -version", deadline: .soon)
        #expect {
            try shard.session().readView()
        } throws: { isStorageError($0, .wrongDatabase) }
    }

    @Test("a database from before receipts: the columns come, what is stored stays")
    func receipts() throws {
        let shard = try TestShard()
        let state = try shard.session().makeConversation(members: 2)
        try shard.console().run(
            script: """
                ALTER TABLE members DROP COLUMN delivered_seq;
                ALTER TABLE conversations DROP COLUMN state_version;
                \(Self.undoingPresence)
                \(Self.undoingSlotMoves)
                DELETE FROM schema_migrations WHERE version >= 2;
                UPDATE members SET read_seq = 7
                """,
            deadline: .soon
        )
        let report = try shard.migrator().migrate(now: WallClock.now())
        #expect(report.appliedMigrations == ["2 receipts", "3 presence", "4 slot moves"])
        let loaded = try shard.session().loadConversations([state.conversation.id])[state.conversation.id]
        #expect(
            loaded?.members.map(\.watermarks) == [Watermarks](repeating: Watermarks(delivered: 7, read: 7), count: 2)
        )
        #expect(loaded?.stateVersion == 0)
    }

    /// What the migration to version 3 adds, taken away.
    private static let undoingPresence = """
        ALTER TABLE users DROP COLUMN presence_status, DROP COLUMN presence_visibility, DROP COLUMN last_seen_at;
        ALTER TABLE users RESET (fillfactor);
        """

    /// What the migration to version 4 adds, taken away.
    private static let undoingSlotMoves = """
        ALTER TABLE shard_view DROP COLUMN slots;
        ALTER TABLE shard_map DROP COLUMN connections, DROP COLUMN weights;
        DROP TABLE slot_move, slot_transfers, slot_changes, operator_log;
        DROP FUNCTION record_slot_changes;
        """

    @Test("a database from before slots were moved: it holds what its map says")
    func slotMoves() throws {
        let shard = try TestShard()
        let before = try shard.session().readView()
        try shard.console().run(
            script: Self.undoingSlotMoves + "DELETE FROM schema_migrations WHERE version = 4",
            deadline: .soon
        )
        #expect(try shard.migrator().migrate(now: WallClock.now()).appliedMigrations == ["4 slot moves"])
        #expect(before.slots?.count == Slot.count / 2)
        #expect(try shard.session().readView() == before)
    }

    @Test("a shard that comes to a cluster with a map gets that map, and no slots")
    func later() throws {
        let map = try #require(ShardMap(dealing: ["one"]))
        let server = try PostgresServer.shared()
        try server.createDatabase("migrate_later")
        let descriptor = ShardDescriptor(
            name: "two",
            connectionString: server.connectionString(database: "migrate_later")
        )
        let migrator = Migrator(cluster: "test", shard: descriptor, shards: ["one", "two"])
        #expect(try migrator.migrate(now: WallClock.now(), firstMap: .none).wroteShardMap == false)
        let report = try migrator.migrate(now: WallClock.now(), firstMap: .catalog(ShardCatalog(map: map)))
        #expect(report.wroteShardMap)
        #expect(!report.isInShardMap)
        let session = ShardSession(
            .init(cluster: "test", shard: descriptor, applicationName: "test", logger: TestShard.silentLogger)
        )
        #expect(try session.readView().slots == SlotSet())
        #expect(try session.readShardMap() == map)
    }

    @Test("a database from before presence: users there are online to everyone, and were never seen to leave")
    func presence() throws {
        let shard = try TestShard()
        let ada = UserProfile(id: .generate(), username: "ada", displayName: "Ada", createdAt: 1)
        #expect(try shard.session().insertUser(ada, passwordHash: "hash", epoch: 1))
        try shard.console().run(
            script: Self.undoingPresence + Self.undoingSlotMoves + "DELETE FROM schema_migrations WHERE version >= 3",
            deadline: .soon
        )
        #expect(try shard.migrator().migrate(now: WallClock.now()).appliedMigrations == ["3 presence", "4 slot moves"])
        #expect(try shard.session().presenceProfiles([ada.id]) == [ada.id: PresenceProfile()])
    }

    @Test("the database of another shard or cluster is refused by sessions and by migration")
    func wrongIdentity() throws {
        let shard = try TestShard()
        for session in [shard.session(shard: "two"), shard.session(cluster: "other")] {
            #expect {
                try session.readView()
            } throws: { error in
                isStorageError(error, .wrongDatabase) && "\(error)".contains("shard 'one' of cluster 'test'")
            }
        }
        #expect {
            try shard.migrator(cluster: "other").migrate(now: WallClock.now())
        } throws: { isStorageError($0, .wrongDatabase) }
    }

    @Test("a migration that fails leaves nothing behind")
    func atomic() throws {
        let server = try PostgresServer.shared()
        try server.createDatabase("migrate_atomic")
        try server.run(sql: "CREATE TABLE messages (id int)", database: "migrate_atomic")
        let descriptor = ShardDescriptor(
            name: "one",
            connectionString: server.connectionString(database: "migrate_atomic")
        )
        #expect(throws: StorageError.self) {
            try Migrator(cluster: "test", shard: descriptor, shards: ["one"]).migrate(now: WallClock.now())
        }
        #expect(throws: PostgresServer.Failure.self) {
            try server.run(sql: "SELECT * FROM schema_migrations", database: "migrate_atomic")
        }
    }

    @Test("partitions are made ahead, and only where they are missing")
    func partitions() throws {
        let shard = try TestShard()
        let session = shard.session()
        #expect(try session.ensurePartitions(now: WallClock.now()).isEmpty)
        let nextWeek = WallClock.now() + 7 * 24 * 3600 * 1000
        #expect(try session.ensurePartitions(now: nextWeek).count == 2)
        #expect(try session.ensurePartitions(now: nextWeek).isEmpty)
    }

    @Test("what went to the default partition moves to the right one, and stays known")
    func defaultPartition() throws {
        let shard = try TestShard()
        let session = shard.session()
        let later = WallClock.now() + 20 * 7 * 24 * 3600 * 1000
        let state = try session.makeConversation()
        let message = Message.test(
            state.conversation.id,
            1,
            clientMessageID: ClientMessageID(
                value: ClientMessageID.lowerBound(at: later).value + 5
            ),
            createdAt: later
        )
        #expect(try session.appendMessages(MessageBatch([message]), epoch: 1) == .stored(stale: []))
        #expect(try shard.count("messages_default") == 1)
        #expect(try shard.count("message_ids_default") == 1)
        #expect(try !session.ensurePartitions(now: later).isEmpty)
        #expect(try shard.count("messages_default") == 0)
        #expect(try shard.count("message_ids_default") == 0)
        let page = try session.readMessages(
            state.conversation.id,
            after: 0,
            before: nil,
            limit: 10,
            notBefore: 0
        )
        #expect(page == [message])
        #expect(try session.findStored([MessageKey(message)]).count == 1)
    }

    @Test("only weeks of ids that nobody may send any more are dropped, whatever a node's clock says")
    func dropExpired() throws {
        let week: UnixMilliseconds = 7 * 24 * 3600 * 1000
        let shard = try TestShard()
        let session = shard.session()
        let now = WallClock.now()
        try session.ensurePartitions(now: now - 6 * week)
        #expect(try session.dropExpiredMessageIDs(now: now + 50 * week).count >= 3)
        let oldestAllowed = now - Limits.clientMessageIDAgeMax
        let state = try session.makeConversation()
        let message = Message.test(
            state.conversation.id,
            1,
            clientMessageID: ClientMessageID(value: ClientMessageID.lowerBound(at: oldestAllowed).value + 1)
        )
        #expect(try session.appendMessages(MessageBatch([message]), epoch: 1) == .stored(stale: []))
        #expect(try shard.count("message_ids_default") == 0)
        #expect(try session.dropExpiredMessageIDs(now: now).isEmpty)
        #expect(try session.findStored([MessageKey(message)]).count == 1)
    }
}
