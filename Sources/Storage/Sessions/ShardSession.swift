// SPDX-License-Identifier: Apache-2.0

import Logging
import Postgres

/// All that a node does in one shard's database, over one connection.
///
/// It belongs to one thread, which waits in it; no event loop and no thread of Swift's pool may call it. It connects
/// when it is first used and again after the connection was lost. While the shard cannot be reached, attempts are made with
/// growing waits in between, by one session for all that share a configuration, and every other call fails at once with
/// ``StorageError/Code/unavailable``. A new connection is used only after the database named
/// the same cluster and shard as the configuration.
///
/// Every call ends within ``Configuration/statementTimeout`` (plus, when it has to connect,
/// ``Configuration/connectTimeout``). Every write takes the epoch of the view that the caller acts under and fails with
/// ``StorageError/Code/staleEpoch`` when the shard's view has another one.
package final class ShardSession {
    package struct Configuration: Sendable {
        /// The name of the cluster, which the database must hold too.
        package var cluster: String
        package var shard: ShardDescriptor
        /// What `pg_stat_activity` shows.
        package var applicationName: String
        package var connectTimeout: Duration
        /// For one call, of however many statements. The server gives up a statement at nine tenths of it.
        package var statementTimeout: Duration
        /// How long a transaction of this session may stand still before the server ends it. A router that freezes
        /// in the middle of one holds up the next view for at most this long.
        package var idleInTransactionTimeout: Duration
        package var logger: Logger
        /// Shared by all copies.
        let reachability: ShardReachability

        /// - Parameters:
        ///   - reconnectWaitMin: between the first attempts to reach a shard that is away.
        ///   - reconnectWaitMax: the longest wait; what a fail-over takes longer than the promotion.
        package init(
            cluster: String,
            shard: ShardDescriptor,
            applicationName: String,
            connectTimeout: Duration = .seconds(5),
            statementTimeout: Duration = .seconds(5),
            idleInTransactionTimeout: Duration = .seconds(1),
            reconnectWaitMin: Duration = .milliseconds(50),
            reconnectWaitMax: Duration = .milliseconds(500),
            logger: Logger
        ) {
            self.cluster = cluster
            self.shard = shard
            self.applicationName = applicationName
            self.connectTimeout = connectTimeout
            self.statementTimeout = statementTimeout
            self.idleInTransactionTimeout = idleInTransactionTimeout
            self.logger = logger
            self.reachability = ShardReachability(waitMin: reconnectWaitMin, waitMax: reconnectWaitMax)
        }
    }

    package let configuration: Configuration
    private let connection: PostgresConnection

    package init(_ configuration: Configuration) {
        self.configuration = configuration
        self.connection = PostgresConnection(
            PostgresConnection.Configuration(
                connectionString: configuration.shard.connectionString,
                applicationName: configuration.applicationName,
                statementTimeout: configuration.statementTimeout * 9 / 10,
                idleInTransactionTimeout: configuration.idleInTransactionTimeout
            )
        )
    }

    package var shardName: String {
        self.configuration.shard.name
    }

    /// Connects if there is no connection; what every other call does first.
    package func connect() throws(StorageError) {
        self.connection.checkIdle()
        guard !self.connection.isConnected else { return }
        let reachability = self.configuration.reachability
        let attempt: ReconnectBackoff.Attempt
        switch reachability.begin(limit: self.configuration.connectTimeout) {
        case .attempt(let granted):
            attempt = granted
        case .wait(let time, let reason):
            throw StorageError(reason.code, "shard \(self.shardName): \(reason.message); next attempt in \(time)")
        }
        do throws(StorageError) {
            try self.establish(firstHost: attempt.host)
        } catch {
            self.connection.close()
            if reachability.attemptFailed(attempt, error) {
                self.configuration.logger.warning(
                    "shard cannot be used",
                    metadata: ["shard": "\(self.shardName)", "reason": "\(error)"]
                )
            }
            throw StorageError(error.code, "shard \(self.shardName): \(error.message)")
        }
        reachability.attemptSucceeded()
        self.configuration.logger.debug("shard connected", metadata: ["shard": "\(self.shardName)"])
    }

    package func close() {
        self.connection.close()
    }

    private func establish(firstHost: Int) throws(StorageError) {
        let deadline = ContinuousClock.now + self.configuration.connectTimeout
        do throws(PostgresError) {
            try self.connection.connect(firstHost: firstHost, deadline: deadline)
        } catch {
            throw StorageError(error, effect: .none)
        }
        try DatabaseIdentity.check(
            self.connection,
            cluster: self.configuration.cluster,
            shard: self.shardName,
            deadline: deadline
        )
    }

    // MARK: - What the calls are made of

    /// Runs a statement that changes nothing and hands its answer to `body`.
    func read<Value>(
        _ text: String,
        _ values: [PostgresValue],
        _ body: (PostgresResult) throws(PostgresError) -> Value
    ) throws(StorageError) -> Value {
        try self.connect()
        do throws(PostgresError) {
            return try body(self.connection.execute(text, values, deadline: self.deadline()))
        } catch {
            throw self.failed(error, effect: .none)
        }
    }

    /// Runs one writing statement as its own transaction. `$1` of it is the epoch, its parts join the fence, and the
    /// first column of its one row is ``Fence/column``, which `body` does not see.
    func write<Value>(
        _ text: String,
        epoch: UInt64,
        _ values: [PostgresValue],
        _ body: (inout PostgresRow) throws(PostgresError) -> Value
    ) throws(StorageError) -> Value {
        try self.connect()
        do throws(WriteFailure) {
            return try self.attemptWrite(text, epoch: epoch, values, body)
        } catch {
            throw error.storageError
        }
    }

    /// What ``write(_:epoch:_:_:)`` is made of, for callers to whom a violated key is an answer. Needs a connection.
    func attemptWrite<Value>(
        _ text: String,
        epoch: UInt64,
        _ values: [PostgresValue],
        _ body: (inout PostgresRow) throws(PostgresError) -> Value
    ) throws(WriteFailure) -> Value {
        let result: PostgresResult
        do throws(PostgresError) {
            let values = [PostgresValue.int8(Int64(clamping: epoch))] + values
            result = try self.connection.execute(text, values, deadline: self.deadline())
        } catch {
            let table = error.code == .server(sqlState: "23505") ? error.table : nil
            throw WriteFailure(storageError: self.failed(error, effect: .commits), uniqueViolationTable: table)
        }
        do throws(PostgresError) {
            guard var row = result.first else {
                throw PostgresError(.unexpectedAnswer, "a write was answered without a row")
            }
            if try row.bool() { return try body(&row) }
        } catch {
            throw WriteFailure(
                storageError: StorageError(.outcomeUnknown, "shard \(self.shardName): \(error.message)")
            )
        }
        throw WriteFailure(storageError: self.staleEpoch(epoch))
    }

    /// Runs `body` in one transaction that begins with the fence. Whatever `body` throws rolls it back.
    func transaction<Value>(
        epoch: UInt64,
        _ body: (ShardTransaction) throws(StorageError) -> Value
    ) throws(StorageError) -> Value {
        try self.transaction { (transaction) throws(StorageError) -> Value in
            let holds = try transaction.query(Fence.check, [.int8(Int64(clamping: epoch))]) {
                (result) throws(PostgresError) -> Bool in
                guard var row = result.first else { return false }
                return try row.bool()
            }
            guard holds else { throw self.staleEpoch(epoch) }
            return try body(transaction)
        }
    }

    /// Without the fence: for what no router owns.
    func transaction<Value>(
        _ body: (ShardTransaction) throws(StorageError) -> Value
    ) throws(StorageError) -> Value {
        try self.connect()
        let transaction = ShardTransaction(connection: self.connection, deadline: self.deadline())
        let value: Value
        do throws(StorageError) {
            try transaction.run("BEGIN")
            value = try body(transaction)
        } catch {
            self.rollBack()
            throw error
        }
        do throws(PostgresError) {
            try self.connection.execute("COMMIT", deadline: transaction.deadline)
        } catch {
            throw self.failed(error, effect: .commits)
        }
        return value
    }

    private func deadline() -> ContinuousClock.Instant {
        ContinuousClock.now + self.configuration.statementTimeout
    }

    private func staleEpoch(_ epoch: UInt64) -> StorageError {
        StorageError(.staleEpoch, "shard \(self.shardName): epoch \(epoch) is not that of the shard's view")
    }

    /// A connection on which even that fails is of no use any more; without it the server rolls back by itself.
    private func rollBack() {
        guard self.connection.isInTransaction else { return }
        do throws(PostgresError) {
            try self.connection.execute("ROLLBACK", deadline: self.deadline())
        } catch {
            self.connection.close()
        }
    }

    private func failed(_ error: PostgresError, effect: StatementEffect) -> StorageError {
        self.connection.closeIfReadOnly(error)
        var failure = StorageError(error, effect: effect)
        failure.message = "shard \(self.shardName): \(failure.message)"
        return failure
    }
}

@available(*, unavailable)
extension ShardSession: Sendable {}

/// Why a write of one statement failed.
struct WriteFailure: Error {
    var storageError: StorageError
    /// The table whose unique key was violated, when that is the reason.
    var uniqueViolationTable: String?
}

/// A transaction under way. Valid only inside of the closure that it was given to.
struct ShardTransaction {
    fileprivate let connection: PostgresConnection
    /// For the whole transaction.
    let deadline: ContinuousClock.Instant

    init(connection: PostgresConnection, deadline: ContinuousClock.Instant) {
        self.connection = connection
        self.deadline = deadline
    }

    /// Nothing of a transaction lasts before its commit, so a failure here is never of unknown outcome.
    func query<Value>(
        _ text: String,
        _ values: [PostgresValue] = [],
        _ body: (PostgresResult) throws(PostgresError) -> Value
    ) throws(StorageError) -> Value {
        do throws(PostgresError) {
            return try body(self.connection.execute(text, values, deadline: self.deadline))
        } catch {
            self.connection.closeIfReadOnly(error)
            throw StorageError(error, effect: .none)
        }
    }

    func run(_ text: String, _ values: [PostgresValue] = []) throws(StorageError) {
        try self.query(text, values) { _ in }
    }

    /// Several statements without parameters, not prepared: definitions of tables.
    func run(script: String) throws(StorageError) {
        do throws(PostgresError) {
            try self.connection.run(script: script, deadline: self.deadline)
        } catch {
            throw StorageError(error, effect: .none)
        }
    }
}

extension PostgresConnection {
    /// Closes a connection to what is now a replica, so that the next call asks all hosts of the string again.
    fileprivate func closeIfReadOnly(_ error: PostgresError) {
        if error.code == .server(sqlState: "25006") {
            self.close()
        }
    }
}
