// SPDX-License-Identifier: Apache-2.0

import Glibc
import Logging
import Messaging
import Placement
import Postgres
import Storage
import Synchronization
import TestSupport
import Threads

/// A migrated database of its own for one test, under a view with the epoch 1.
struct TestShard {
    static let cluster = "test"
    static let epoch: UInt64 = 1
    private static let databases = Atomic(0)

    static var silentLogger: Logger {
        Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
    }

    let server: PostgresServer
    let database: String
    let descriptor: ShardDescriptor

    /// Copying a migrated database is several times faster than migrating each.
    private static let template = Result {
        try TestShard(migrating: "storage_template", on: PostgresServer.shared()).database
    }

    /// A database on the server that all tests share.
    init() throws {
        self.server = try PostgresServer.shared()
        let number = Self.databases.add(1, ordering: .relaxed).newValue
        self.database = "storage_\(number)"
        try self.server.createDatabase(self.database, template: Self.template.get())
        self.descriptor = ShardDescriptor(
            name: "one",
            connectionString: self.server.connectionString(database: self.database)
        )
    }

    /// A database on a server of its own, which the test may stop.
    init(on server: PostgresServer) throws {
        try self.init(migrating: "storage", on: server)
    }

    /// A database of another name, under the view of epoch 1 and the map of a cluster that was there before.
    init(named name: String, catalog: ShardCatalog) throws {
        self.server = try PostgresServer.shared()
        self.database = "storage_\(Self.databases.add(1, ordering: .relaxed).newValue)"
        try self.server.createDatabase(self.database)
        self.descriptor = ShardDescriptor(
            name: name,
            connectionString: self.server.connectionString(database: self.database)
        )
        _ = try self.migrator().migrate(now: WallClock.now(), firstMap: .catalog(catalog))
        _ = try self.session().proposeView(replacing: 0, routers: ["router-a"], by: "test")
    }

    func operatorSession(_ name: String = "test") -> OperatorSession {
        OperatorSession(cluster: Self.cluster, shard: self.descriptor, operatorName: name)
    }

    private init(migrating database: String, on server: PostgresServer) throws {
        self.server = server
        self.database = database
        try server.createDatabase(database)
        self.descriptor = ShardDescriptor(
            name: "one",
            connectionString: server.connectionString(database: database)
        )
        _ = try self.migrator().migrate(now: WallClock.now())
        guard try self.session().proposeView(replacing: 0, routers: ["router-a"], by: "test") != nil else {
            throw PostgresServer.Failure("a new database has no view of epoch 0")
        }
    }

    func migrator(cluster: String = TestShard.cluster) -> Migrator {
        Migrator(cluster: cluster, shard: self.descriptor, shards: ["one", "two"])
    }

    func session(
        cluster: String = TestShard.cluster,
        shard: String? = nil,
        applicationName: String = "trunkline test",
        statementTimeout: Duration = .seconds(20),
        reconnectWaitMin: Duration = .milliseconds(1)
    ) -> ShardSession {
        ShardSession(
            self.configuration(
                cluster: cluster,
                shard: shard,
                applicationName: applicationName,
                statementTimeout: statementTimeout,
                reconnectWaitMin: reconnectWaitMin
            )
        )
    }

    func configuration(
        cluster: String = TestShard.cluster,
        shard: String? = nil,
        applicationName: String = "trunkline test",
        statementTimeout: Duration = .seconds(20),
        reconnectWaitMin: Duration = .milliseconds(1)
    ) -> ShardSession.Configuration {
        ShardSession.Configuration(
            cluster: cluster,
            shard: ShardDescriptor(
                name: shard ?? self.descriptor.name,
                connectionString: self.descriptor.connectionString
            ),
            applicationName: applicationName,
            connectTimeout: .seconds(20),
            statementTimeout: statementTimeout,
            idleInTransactionTimeout: .seconds(20),
            reconnectWaitMin: reconnectWaitMin,
            reconnectWaitMax: max(reconnectWaitMin, .milliseconds(20)),
            logger: Self.silentLogger
        )
    }

    /// A connection beside the sessions, to look and to disturb.
    func console() throws -> PostgresConnection {
        let connection = PostgresConnection(
            PostgresConnection.Configuration(
                connectionString: self.descriptor.connectionString,
                applicationName: "test console",
                statementTimeout: .seconds(20),
                idleInTransactionTimeout: .seconds(60)
            )
        )
        try connection.connect(deadline: .soon)
        return connection
    }

    func count(_ table: String, where condition: String = "true") throws -> Int {
        var row = try self.console().execute(
            "SELECT count(*) FROM \(table) WHERE \(condition)",
            deadline: .soon
        ).row(0)
        return try Int(row.int8())
    }

    /// The server process of a session, found by its application name.
    func serverProcess(of applicationName: String, using console: PostgresConnection) throws -> pid_t? {
        let result = try console.execute(
            "SELECT pid FROM pg_stat_activity WHERE application_name = $1 AND datname = current_database()",
            [.text(applicationName)],
            deadline: .soon
        )
        guard var row = result.first else { return nil }
        return try row.int4()
    }

    /// Whether a session waits for a lock.
    func isWaitingForLock(_ applicationName: String, using console: PostgresConnection) throws -> Bool {
        try console.execute(
            """
            SELECT 1 FROM pg_stat_activity
            WHERE application_name = $1 AND datname = current_database() AND wait_event_type = 'Lock'
            """,
            [.text(applicationName)],
            deadline: .soon
        ).rowCount > 0
    }
}

extension ContinuousClock.Instant {
    /// Late enough for a busy machine, early enough for a test that hangs.
    static var soon: Self { .now + .seconds(20) }
}

struct ConditionNeverHeld: Error {}

/// Asks again and again until the condition holds.
func waitUntil(_ condition: () throws -> Bool) throws {
    let deadline = ContinuousClock.Instant.soon
    while try !condition() {
        guard ContinuousClock.now < deadline else { throw ConditionNeverHeld() }
        usleep(2_000)
    }
}

/// Blocking work on a thread of its own that starts at once, so that several can wait for each other however few
/// threads Swift's pool has.
final class Background<Value: Sendable>: Sendable {
    private let outcome = Mutex<Result<Value, any Error>?>(nil)

    init(_ body: @escaping @Sendable () throws -> Value) throws {
        let thread = PlainThread(name: "test") {
            let outcome = Result { try body() }
            self.outcome.withLock { $0 = outcome }
        }
        guard thread != nil else { throw PostgresServer.Failure("no thread") }
    }

    /// Waits for the end of the work.
    private func result() -> Result<Value, any Error> {
        while true {
            if let outcome = self.outcome.withLock({ $0 }) { return outcome }
            usleep(2_000)
        }
    }

    func get() throws -> Value {
        try self.result().get()
    }

    /// The answers of several that run at once.
    static func all(_ count: Int, _ body: @escaping @Sendable (Int) throws -> Value) throws -> [Value] {
        try (0..<count).map { index in try Background { try body(index) } }.map { try $0.get() }
    }
}

extension Conversation {
    static func test(_ kind: ConversationKind = .group, id: ConversationID = .generate()) -> Conversation {
        Conversation(
            id: id,
            kind: kind,
            title: "Title",
            createdBy: .generate(),
            createdAt: WallClock.now(),
            headSeq: 0
        )
    }
}

extension Message {
    static func test(
        _ conversation: ConversationID,
        _ seq: UInt64,
        sender: UserID = .generate(),
        clientMessageID: ClientMessageID = .generate(),
        body: String = "hello",
        createdAt: UnixMilliseconds = WallClock.now()
    ) -> Message {
        Message(
            conversation: conversation,
            seq: seq,
            sender: sender,
            senderDevice: .generate(),
            clientMessageID: clientMessageID,
            kind: .text,
            body: body,
            createdAt: createdAt
        )
    }
}

extension ShardSession {
    /// A new conversation with an owner and some members, in the order of their ids.
    func makeConversation(
        _ kind: ConversationKind = .group,
        members: Int = 2
    ) throws -> ConversationState {
        let people = (0..<members).map { index in
            Member(user: .generate(), role: index == 0 ? .owner : .member)
        }
        let creation = try self.createConversation(.test(kind), members: people, epoch: TestShard.epoch) { _ in [] }
        guard case .created(let state, _) = creation else {
            throw PostgresServer.Failure("not created: \(creation)")
        }
        return state
    }
}

/// Whether the error is one of the storage, with the code.
func isStorageError(_ error: any Error, _ code: StorageError.Code) -> Bool {
    (error as? StorageError)?.code == code
}
