// SPDX-License-Identifier: Apache-2.0

import Logging
import Messaging
import Placement
import Postgres
import Storage

/// A database that is made for one measurement and removed after it, with the schema of a shard under a view of one router.
struct ScratchDatabase {
    static let cluster = "micro"
    static let shard = "micro"
    static let router = RouterLife(name: "router-1", incarnation: "")
    private static let connectSeconds = 20

    let connectionString: String
    let view: View
    private let server: String
    private let name: String

    /// Makes it, hands it to `body`, and removes it whatever happens.
    static func with<Value>(
        _ server: String,
        _ body: (ScratchDatabase) throws(StorageBenchmarkError) -> Value
    ) throws(StorageBenchmarkError) -> Value {
        let name = "trunkline_micro_" + String(UInt64.random(in: 0...UInt64.max), radix: 36)
        try Self.run("CREATE DATABASE \(name) TEMPLATE template0", on: server)
        let result: Result<Value, StorageBenchmarkError>
        do throws(StorageBenchmarkError) {
            result = .success(try body(try ScratchDatabase(server, name)))
        } catch {
            result = .failure(error)
        }
        try Self.run("DROP DATABASE \(name) WITH (FORCE)", on: server)
        return try result.get()
    }

    private init(_ server: String, _ name: String) throws(StorageBenchmarkError) {
        self.server = server
        self.name = name
        self.connectionString = Self.connectionString(server, database: name)
        let descriptor = ShardDescriptor(name: Self.shard, connectionString: self.connectionString)
        do throws(StorageError) {
            _ = try Migrator(cluster: Self.cluster, shard: descriptor, shards: [Self.shard]).migrate(
                now: WallClock.now()
            )
            let session = ShardSession(Self.configuration(descriptor))
            defer { session.close() }
            let proposed = try session.proposeView(replacing: 0, routers: [Self.router.name], by: "trunkline-micro")
            self.view = if let proposed { proposed } else { try session.readView() }
        } catch {
            throw StorageBenchmarkError("the schema could not be made: \(error)")
        }
    }

    /// Of keywords and of URIs the last one that names a database counts (PostgreSQL's manual, "Connection Strings").
    private static func connectionString(_ server: String, database: String) -> String {
        guard server.hasPrefix("postgres://") || server.hasPrefix("postgresql://") else {
            return server + " dbname=\(database)"
        }
        return server + (server.contains("?") ? "&" : "?") + "dbname=\(database)"
    }

    private static func run(_ statement: String, on server: String) throws(StorageBenchmarkError) {
        let connection = PostgresConnection(
            PostgresConnection.Configuration(
                connectionString: server,
                applicationName: "trunkline-micro",
                statementTimeout: .seconds(60)
            )
        )
        defer { connection.close() }
        let deadline = ContinuousClock.now + .seconds(Self.connectSeconds)
        do throws(PostgresError) {
            try connection.connect(deadline: deadline)
            try connection.run(script: statement, deadline: deadline)
        } catch {
            throw StorageBenchmarkError(
                "\(error.message); give --postgres a server whose user may make databases, and PGPASSFILE if it wants "
                    + "a password"
            )
        }
    }

    private static func configuration(_ descriptor: ShardDescriptor) -> ShardSession.Configuration {
        ShardSession.Configuration(
            cluster: Self.cluster,
            shard: descriptor,
            applicationName: "trunkline-micro",
            statementTimeout: .seconds(30),
            logger: Logger(label: "trunkline-micro", factory: { _ in SwiftLogNoOpLogHandler() })
        )
    }

    var configuration: ShardSession.Configuration {
        Self.configuration(ShardDescriptor(name: Self.shard, connectionString: self.connectionString))
    }

    /// New conversations of two, whose first member sends.
    func makeConversations(_ count: Int) throws(StorageBenchmarkError) -> [Conversation] {
        let session = ShardSession(self.configuration)
        defer { session.close() }
        do throws(StorageError) {
            var conversations: [Conversation] = []
            for _ in 0..<count {
                let sender = UserID.generate()
                let conversation = Conversation(
                    id: .generate(),
                    kind: .group,
                    title: "",
                    createdBy: sender,
                    createdAt: WallClock.now(),
                    headSeq: 0
                )
                let members = [Member(user: sender, role: .owner), Member(user: .generate(), role: .member)]
                _ = try session.createConversation(conversation, members: members, epoch: self.view.epoch) { _ in [] }
                conversations.append(conversation)
            }
            return conversations
        } catch {
            throw StorageBenchmarkError("a conversation could not be made: \(error)")
        }
    }
}
