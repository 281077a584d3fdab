// SPDX-License-Identifier: Apache-2.0

import Glibc
import Messaging
import Placement
import Postgres
import Storage
import TestSupport
import Testing

@Suite("Storage when things fail")
struct FailureTests {
    @Test("the server is killed and comes back: calls fail as unavailable, then go on, and nothing is lost")
    func restart() throws {
        let server = try PostgresServer()
        let shard = try TestShard(on: server)
        let session = shard.session()
        let id = try session.makeConversation().conversation.id
        var next: UInt64 = 1
        for mode in [PostgresServer.StopMode.immediate, .fast, .immediate] {
            #expect(try session.appendMessages(MessageBatch([.test(id, next)]), epoch: 1) == .stored(stale: []))
            next += 1
            try server.stop(mode)
            #expect {
                try session.appendMessages(MessageBatch([.test(id, next)]), epoch: 1)
            } throws: { isStorageError($0, .unavailable) }
            try server.start()
            try waitUntil {
                do throws(StorageError) {
                    return try session.loadConversations([id])[id]?.conversation.headSeq == next - 1
                } catch {
                    guard error.code == .unavailable else { throw error }
                    return false
                }
            }
        }
        #expect(try session.readMessages(id, after: 0, before: nil, limit: 9, notBefore: 0).map(\.seq) == [1, 2, 3])
    }

    @Test("while the back-off lasts, calls fail at once without another attempt")
    func backoff() throws {
        let server = try PostgresServer()
        let shard = try TestShard(on: server)
        let session = shard.session(reconnectWaitMin: .seconds(600))
        try session.connect()
        try server.stop(.immediate)
        #expect { try session.readView() } throws: { isStorageError($0, .unavailable) }
        try server.start()
        #expect {
            try session.readView()
        } throws: { isStorageError($0, .unavailable) && "\($0)".contains("next attempt in") }
        #expect(try shard.session().readView().epoch == 1)
    }

    @Test("a write that waits too long for a lock is given up by the server: certainly not stored")
    func lockTimeout() throws {
        let shard = try TestShard()
        let session = shard.session(statementTimeout: .milliseconds(800))
        let id = try session.makeConversation().conversation.id
        let blocker = try shard.console()
        try blocker.execute("BEGIN", deadline: .soon)
        try blocker.execute("SELECT 1 FROM conversations FOR UPDATE", deadline: .soon)
        #expect {
            try session.appendMessages(MessageBatch([.test(id, 1)]), epoch: 1)
        } throws: { isStorageError($0, .unavailable) }
        #expect {
            try session.updateTitle(id, title: "new", epoch: 1)
        } throws: { isStorageError($0, .unavailable) }
        try blocker.execute("ROLLBACK", deadline: .soon)
        #expect(try session.appendMessages(MessageBatch([.test(id, 1)]), epoch: 1) == .stored(stale: []))
    }

    @Test("the server process freezes in the middle of a write: outcome unknown, and a new connection settles it")
    func frozenServer() throws {
        let shard = try TestShard()
        let id = try shard.session().makeConversation().conversation.id
        let message = Message.test(id, 1)
        let blocker = try shard.console()
        try blocker.execute("BEGIN", deadline: .soon)
        try blocker.execute("SELECT 1 FROM conversations FOR UPDATE", deadline: .soon)
        let writing = try Background {
            let session = shard.session(applicationName: "frozen writer", statementTimeout: .seconds(3))
            let first = Result { try session.appendMessages(MessageBatch([message]), epoch: 1) }
            // The session goes on with a new connection.
            return (first, try session.findStored([MessageKey(message)]))
        }
        let watcher = try shard.console()
        try waitUntil { try shard.isWaitingForLock("frozen writer", using: watcher) }
        let process = try #require(try shard.serverProcess(of: "frozen writer", using: watcher))
        #expect(kill(process, SIGSTOP) == 0)
        defer { kill(process, SIGCONT) }
        let (first, found) = try writing.get()
        #expect { try first.get() } throws: { isStorageError($0, .outcomeUnknown) }
        #expect(found.isEmpty)
        try blocker.execute("ROLLBACK", deadline: .soon)
        kill(process, SIGCONT)
        try waitUntil { try shard.serverProcess(of: "frozen writer", using: watcher) == nil }
        // Whatever became of the first one, the number is given once.
        _ = try shard.session().appendMessages(MessageBatch([message]), epoch: 1)
        #expect(try shard.count("messages") == 1)
        #expect(try shard.session().findStored([MessageKey(message)])[MessageKey(message)]?.seq == 1)
    }

    @Test("the commit happens and its answer does not come: outcome unknown, and the message is there")
    func committedWithoutAnswer() throws {
        // A commit that waits for a replica that does not exist has happened, but is neither answered nor visible.
        let server = try PostgresServer()
        let shard = try TestShard(on: server)
        let session = shard.session(statementTimeout: .milliseconds(500))
        let id = try session.makeConversation().conversation.id
        let message = Message.test(id, 1)
        try Self.waitForReplica("nobody", in: shard)
        #expect {
            try session.appendMessages(MessageBatch([message]), epoch: 1)
        } throws: { isStorageError($0, .outcomeUnknown) }
        #expect {
            try session.insertUser(
                UserProfile(id: .generate(), username: "a", displayName: "A", createdAt: 1),
                passwordHash: "x",
                epoch: 1
            )
        } throws: { isStorageError($0, .outcomeUnknown) }
        #expect {
            _ = try session.createConversation(.test(), members: [], epoch: 1) { _ in [] }
        } throws: { isStorageError($0, .outcomeUnknown) }
        #expect(try session.findStored([MessageKey(message)]).isEmpty, "not yet")
        try Self.waitForReplica("", in: shard)
        try waitUntil { try !session.findStored([MessageKey(message)]).isEmpty }
        var again = message
        again.seq = 2
        #expect(try session.appendMessages(MessageBatch([again]), epoch: 1) == .duplicateClientMessageID)
        #expect(try session.appendMessages(MessageBatch([message]), epoch: 1) == .stored(stale: [id]))
    }

    private static func waitForReplica(_ name: String, in shard: TestShard) throws {
        let console = try shard.console()
        try console.execute("ALTER SYSTEM SET synchronous_standby_names = '\(name)'", deadline: .soon)
        try console.execute("SELECT pg_reload_conf()", deadline: .soon)
        try waitUntil {
            let probe = try shard.console()
            var row = try probe.execute("SELECT current_setting('synchronous_standby_names')", deadline: .soon).row(0)
            return try row.text() == name
        }
    }

    @Test("the server process is killed in the middle of a transaction: certainly not applied")
    func killedInTransaction() throws {
        let shard = try TestShard()
        let state = try shard.session().makeConversation()
        let id = state.conversation.id
        let blocker = try shard.console()
        try blocker.execute("BEGIN", deadline: .soon)
        try blocker.execute("SELECT 1 FROM conversations FOR UPDATE", deadline: .soon)
        let changing = try Background {
            try shard.session(applicationName: "victim").updateTitle(id, title: "new", epoch: 1)
        }
        let watcher = try shard.console()
        try waitUntil { try shard.isWaitingForLock("victim", using: watcher) }
        let process = try #require(try shard.serverProcess(of: "victim", using: watcher))
        try watcher.execute("SELECT pg_terminate_backend($1)", [.int4(process)], deadline: .soon)
        #expect { try changing.get() } throws: { isStorageError($0, .unavailable) }
        try blocker.execute("ROLLBACK", deadline: .soon)
        #expect(try shard.session().loadConversations([id])[id] == state)
    }

    @Test("a server that became read-only is left, so that the next call can find the new primary")
    func readOnly() throws {
        let shard = try TestShard()
        let session = shard.session(applicationName: "demoted")
        let id = try session.makeConversation().conversation.id
        let console = try shard.console()
        try console.execute(
            "ALTER DATABASE \(shard.database) SET default_transaction_read_only = on",
            deadline: .soon
        )
        session.close()
        #expect {
            try session.appendMessages(MessageBatch([.test(id, 1)]), epoch: 1)
        } throws: { isStorageError($0, .unavailable) }
        #expect {
            try session.updateTitle(id, title: "new", epoch: 1)
        } throws: { isStorageError($0, .unavailable) }
        try console.execute("SET default_transaction_read_only = off", deadline: .soon)
        try console.execute("ALTER DATABASE \(shard.database) RESET default_transaction_read_only", deadline: .soon)
        #expect(try session.appendMessages(MessageBatch([.test(id, 1)]), epoch: 1) == .stored(stale: []))
    }
}
