// SPDX-License-Identifier: Apache-2.0

import Placement
import Postgres

/// An operator's connection to one shard. With an ``OperatorLock``, the right to do what nobody else does meanwhile.
///
/// A lock is a session's advisory lock in the shard itself, and every change goes through the connection that holds it: an
/// operator who lost the connection has lost the lock and cannot change anything either, so two of them cannot work
/// against each other, and one who was killed leaves nothing to be unlocked. It does not pass a pooler that shares
/// connections between transactions.
///
/// It belongs to one thread, which waits in it.
package final class OperatorSession {
    /// How long a statement that copies, counts or deletes a batch of slots may take.
    static let longStatementMax: Duration = .seconds(600)
    /// For everything else.
    static let shortStatementMax: Duration = .seconds(10)

    package let shard: ShardDescriptor
    let cluster: String
    let connection: PostgresConnection
    /// Whoever gives the orders, for the log and for a second operator.
    package let operatorName: String

    package init(cluster: String, shard: ShardDescriptor, operatorName: String) {
        self.cluster = cluster
        self.shard = shard
        self.operatorName = operatorName
        self.connection = PostgresConnection(
            PostgresConnection.Configuration(
                connectionString: shard.connectionString,
                applicationName: "trunkline operator \(operatorName)",
                statementTimeout: Self.longStatementMax * 9 / 10,
                idleInTransactionTimeout: Self.longStatementMax
            )
        )
    }

    package var isConnected: Bool { self.connection.isConnected }

    package func close() {
        self.connection.close()
    }

    /// Connects, and sees that it is the right database. Does nothing when connected.
    package func connect(within limit: Duration = OperatorSession.shortStatementMax) throws(StorageError) {
        self.connection.checkIdle()
        guard !self.connection.isConnected else { return }
        let deadline = ContinuousClock.now + limit
        do throws(PostgresError) {
            try self.connection.connect(deadline: deadline)
            // A server should notice soon when an operator's machine is gone: slots may be held for it.
            try self.connection.run(
                script: """
                    SET tcp_keepalives_idle = 1; SET tcp_keepalives_interval = 1; SET tcp_keepalives_count = 2;
                    SET tcp_user_timeout = 3000; SET bytea_output = 'hex'
                    """,
                deadline: deadline
            )
        } catch {
            throw self.named(StorageError(error, effect: .none))
        }
        do throws(StorageError) {
            try DatabaseIdentity.check(
                self.connection,
                cluster: self.cluster,
                shard: self.shard.name,
                deadline: deadline
            )
        } catch {
            self.close()
            throw self.named(error)
        }
    }

    // MARK: - The lock

    /// Takes a lock, or throws ``StorageError/Code/busy`` with who has it. Whoever has it already gets it again.
    package func lock(_ lock: OperatorLock = .slots) throws(StorageError) {
        let isTaken = try self.query("SELECT pg_try_advisory_lock($1)", [.int8(lock.rawValue)]) {
            (result) throws(PostgresError) -> Bool in
            guard var row = result.first else { return false }
            return try row.bool()
        }
        guard !isTaken else { return }
        throw self.named(StorageError(.busy, "\(try self.holder(of: lock) ?? "another operator") \(lock.work)"))
    }

    /// Who has a lock, as "trunkline operator anna@ops-1 (from 10.0.0.7, since 12:03:11)".
    package func holder(of lock: OperatorLock = .slots) throws(StorageError) -> String? {
        try self.query(
            """
            SELECT format(
                '%s (from %s, since %s)', coalesce(nullif(a.application_name, ''), 'process ' || a.pid),
                coalesce(host(a.client_addr), 'this machine'), to_char(a.backend_start, 'HH24:MI:SS')
            )
            FROM pg_locks l JOIN pg_stat_activity a USING (pid)
            WHERE l.locktype = 'advisory' AND l.granted AND a.pid <> pg_backend_pid()
                AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
                AND (l.classid::int8 << 32 | l.objid::int8) = $1
            """,
            [.int8(lock.rawValue)]
        ) { (result) throws(PostgresError) -> String? in
            guard var row = result.first else { return nil }
            return try row.text()
        }
    }

    // MARK: - What the calls are made of

    func query<Value>(
        _ text: String,
        _ values: [PostgresValue] = [],
        within limit: Duration = OperatorSession.shortStatementMax,
        _ body: (PostgresResult) throws(PostgresError) -> Value
    ) throws(StorageError) -> Value {
        try self.connect()
        do throws(PostgresError) {
            return try body(self.connection.execute(text, values, deadline: .now + limit))
        } catch {
            throw self.named(StorageError(error, effect: .commits))
        }
    }

    func run(script: String, within limit: Duration = OperatorSession.longStatementMax) throws(StorageError) {
        try self.connect()
        do throws(PostgresError) {
            try self.connection.run(script: script, deadline: .now + limit)
        } catch {
            throw self.named(StorageError(error, effect: .commits))
        }
    }

    /// Runs `body` in one transaction. Whatever it throws rolls it back.
    func transaction<Value>(
        _ beginning: String = "BEGIN",
        within limit: Duration = OperatorSession.shortStatementMax,
        _ body: (ShardTransaction) throws(StorageError) -> Value
    ) throws(StorageError) -> Value {
        try self.connect()
        let transaction = ShardTransaction(connection: self.connection, deadline: .now + limit)
        let value: Value
        do throws(StorageError) {
            try transaction.run(beginning)
            value = try body(transaction)
        } catch {
            self.rollBack()
            throw self.named(error)
        }
        do throws(PostgresError) {
            try self.connection.execute("COMMIT", deadline: transaction.deadline)
        } catch {
            throw self.named(StorageError(error, effect: .commits))
        }
        return value
    }

    private func rollBack() {
        guard self.connection.isInTransaction else { return }
        do throws(PostgresError) {
            try self.connection.execute("ROLLBACK", deadline: .now + Self.shortStatementMax)
        } catch {
            self.connection.close()
        }
    }

    func named(_ error: StorageError) -> StorageError {
        let name = "shard \(self.shard.name): "
        return error.message.hasPrefix(name) ? error : StorageError(error.code, name + error.message)
    }
}

@available(*, unavailable)
extension OperatorSession: Sendable {}
