// SPDX-License-Identifier: Apache-2.0

internal import CLibPQ
import Glibc

/// One connection to a Postgres server, through libpq's non-blocking interface and `poll(2)`.
///
/// It belongs to one thread, which waits in it; no event loop and no thread of Swift's pool may call it. Every call has a
/// deadline, and when that passes the connection is closed: an answer that came later would be taken for that of
/// the next statement. It never reconnects by itself, because a transaction would silently go on outside of itself;
/// the owner calls ``connect(deadline:)`` again.
///
/// One exception to the deadlines: libpq resolves host names with a blocking call. Connection strings should
/// name addresses, or hosts that the machine resolves by itself.
package final class PostgresConnection {
    package struct Configuration: Sendable {
        /// A libpq connection string or URI, handed through as it is: several hosts and `target_session_attrs` work,
        /// and what it says goes before the settings below.
        package var connectionString: String
        /// What `pg_stat_activity` shows.
        package var applicationName: String
        /// When the server gives up a statement. Slightly less than the deadline of the caller, so that normally the
        /// server answers that nothing was applied, instead of the connection being cut with an unknown outcome.
        package var statementTimeout: Duration
        /// When the server ends a transaction whose client does nothing: how long a frozen client may hold locks.
        package var idleInTransactionTimeout: Duration
        /// When sent bytes that nobody acknowledges, or a connection attempt that nobody answers, count as broken.
        package var networkTimeout: Duration

        package init(
            connectionString: String,
            applicationName: String,
            statementTimeout: Duration,
            idleInTransactionTimeout: Duration = .seconds(1),
            networkTimeout: Duration = .seconds(2)
        ) {
            self.connectionString = connectionString
            self.applicationName = applicationName
            self.statementTimeout = statementTimeout
            self.idleInTransactionTimeout = idleInTransactionTimeout
            self.networkTimeout = networkTimeout
        }
    }

    /// Statements that a connection prepares; further ones are sent unprepared. All texts are constants of the
    /// program, so this bounds a mistake, not a load.
    package static let preparedStatementsMax = 256

    package let configuration: Configuration
    private let hosts: HostList
    private var handle: OpaquePointer?
    private var preparedStatements: [String: String] = [:]

    package init(_ configuration: Configuration) {
        self.configuration = configuration
        self.hosts = HostList(connectionString: configuration.connectionString)
    }

    deinit {
        self.close()
    }

    package var isConnected: Bool {
        self.handle != nil
    }

    /// Whether a `BEGIN` was answered and neither `COMMIT` nor `ROLLBACK` followed.
    package var isInTransaction: Bool {
        guard let handle = self.handle else { return false }
        let status = PQtransactionStatus(handle)
        return status == PQTRANS_INTRANS || status == PQTRANS_INERROR
    }

    package func close() {
        guard let handle = self.handle else { return }
        self.handle = nil
        self.preparedStatements.removeAll()
        PQfinish(handle)
    }

    // MARK: - Connecting

    /// Connects and sets what every session needs; does nothing when connected.
    ///
    /// - Parameter host: of several in the connection string, which is tried first, counted around. Who tries again after a
    ///   failure does so with the next one.
    package func connect(firstHost host: Int = 0, deadline: ContinuousClock.Instant) throws(PostgresError) {
        guard self.handle == nil else { return }
        let handle = try self.startConnecting(firstHost: host)
        self.handle = handle
        do throws(PostgresError) {
            try self.finishConnecting(handle, deadline: deadline)
            PQsetNoticeProcessor(handle, { _, _ in }, nil)
            guard PQsetnonblocking(handle, 1) == 0 else {
                throw PostgresError(.cannotConnect, self.lastMessage(of: handle))
            }
            try self.run(script: self.sessionSettings, deadline: deadline)
        } catch {
            self.close()
            throw PostgresError(.cannotConnect, error.message)
        }
    }

    /// Notices an end of the stream that arrived while the connection was idle, and closes it then: what is sent next
    /// is better sent on a new connection, where its outcome is known. Costs one `poll(2)`.
    package func checkIdle() {
        guard let handle = self.handle else { return }
        // A server that shuts down first says so, then closes: two reads at most, plus the parameters it reports.
        for _ in 0..<4 where SocketWait.isReadable(PQsocket(handle)) {
            guard PQconsumeInput(handle) == 1, PQstatus(handle) == CONNECTION_OK else {
                self.close()
                return
            }
        }
    }

    private func startConnecting(firstHost: Int) throws(PostgresError) -> OpaquePointer {
        let network = String(self.configuration.networkTimeout.milliseconds)
        // libpq lets a later keyword win, and expands the string where `dbname` stands: what is before it
        // are defaults that the string may override, what comes after is not for the string to say.
        let defaults = [
            ("keepalives", "1"), ("keepalives_idle", "10"), ("keepalives_interval", "3"), ("keepalives_count", "3"),
            ("tcp_user_timeout", network),
        ]
        let settled = [("client_encoding", "UTF8"), ("application_name", self.configuration.applicationName)]
        let parameters =
            defaults + [("dbname", self.configuration.connectionString)]
            + self.hosts.parameters(beginningWith: firstHost) + settled
        let keywords = parameters.map { strdup($0.0) }
        let values = parameters.map { strdup($0.1) }
        defer {
            keywords.forEach { free($0) }
            values.forEach { free($0) }
        }
        let handle = PQconnectStartParams(
            keywords.map { UnsafePointer($0) } + [nil],
            values.map { UnsafePointer($0) } + [nil],
            1
        )
        guard let handle else { throw PostgresError(.cannotConnect, "libpq has no memory for a connection") }
        return handle
    }

    private func finishConnecting(_ handle: OpaquePointer, deadline: ContinuousClock.Instant) throws(PostgresError) {
        guard PQstatus(handle) != CONNECTION_BAD else {
            throw PostgresError(.cannotConnect, self.lastMessage(of: handle))
        }
        var status = PGRES_POLLING_WRITING
        while status != PGRES_POLLING_OK {
            guard status != PGRES_POLLING_FAILED else {
                throw PostgresError(.cannotConnect, self.lastMessage(of: handle))
            }
            // The socket is asked for each time: libpq opens another one for the next address or host.
            let events = status == PGRES_POLLING_READING ? POLLIN : POLLOUT
            switch SocketWait.wait(for: Int16(events), on: PQsocket(handle), until: deadline) {
            case .ready: break
            case .deadlinePassed: throw PostgresError(.cannotConnect, "no server answered in time")
            case .failed(let errno): throw PostgresError(.cannotConnect, "poll failed with errno \(errno)")
            }
            status = PQconnectPoll(handle)
        }
    }

    /// `jit` off: compiling a statement takes longer than any statement here may run. `enable_seqscan` off: every
    /// statement finds its rows by key, but on a table that was small when the statement was planned the planner
    /// prefers to read all of it, and keeps that plan while the table grows, until the next analyze. `plan_cache_mode`:
    /// with arrays as parameters a plan for the very values always looks cheaper than one for all, and to make it anew
    /// each time was a third of what Postgres did for a small batch of messages.
    private var sessionSettings: String {
        let statement = max(1, self.configuration.statementTimeout.milliseconds)
        let idle = max(1, self.configuration.idleInTransactionTimeout.milliseconds)
        return """
            SET synchronous_commit = on;
            SET default_transaction_isolation = 'read committed';
            SET statement_timeout = \(statement);
            SET idle_in_transaction_session_timeout = \(idle);
            SET jit = off;
            SET enable_seqscan = off;
            SET plan_cache_mode = force_generic_plan
            """
    }

    // MARK: - Statements

    /// Runs one statement, prepared on its first use, with binary parameters and results.
    ///
    /// - Parameter text: a constant of the program; the cache of prepared statements is keyed by it.
    @discardableResult
    package func execute(
        _ text: String,
        _ values: [PostgresValue] = [],
        deadline: ContinuousClock.Instant
    ) throws(PostgresError) -> PostgresResult {
        let handle = try self.connectedHandle()
        let parameters = try ParameterEncoder(values)
        let name = try self.prepare(text, parameters.types, handle, deadline: deadline)
        guard self.send(text, preparedAs: name, parameters, handle) else {
            throw self.closing(.connectionLost, self.lastMessage(of: handle), mayHaveBeenApplied: true)
        }
        guard let result = try self.receive(handle, deadline: deadline, sentStatement: true) else {
            throw PostgresError(.unexpectedAnswer, "the server did not answer the statement", mayHaveBeenApplied: true)
        }
        return result
    }

    /// Runs several statements without parameters, separated by semicolons. Outside of a transaction they form one.
    package func run(script: String, deadline: ContinuousClock.Instant) throws(PostgresError) {
        let handle = try self.connectedHandle()
        guard PQsendQuery(handle, script) == 1 else {
            throw self.closing(.connectionLost, self.lastMessage(of: handle), mayHaveBeenApplied: true)
        }
        _ = try self.receive(handle, deadline: deadline, sentStatement: true)
    }

    func connectedHandle() throws(PostgresError) -> OpaquePointer {
        guard let handle = self.handle else {
            throw PostgresError(.connectionLost, "the connection is closed")
        }
        return handle
    }

    /// The name under which the statement is prepared, or nil when it is to be sent unprepared.
    private func prepare(
        _ text: String,
        _ types: [UInt32],
        _ handle: OpaquePointer,
        deadline: ContinuousClock.Instant
    ) throws(PostgresError) -> String? {
        if let name = self.preparedStatements[text] { return name }
        guard self.preparedStatements.count < Self.preparedStatementsMax else { return nil }
        let name = "s\(self.preparedStatements.count)"
        guard PQsendPrepare(handle, name, text, Int32(types.count), types) == 1 else {
            throw self.closing(.connectionLost, self.lastMessage(of: handle), mayHaveBeenApplied: false)
        }
        _ = try self.receive(handle, deadline: deadline, sentStatement: false)
        self.preparedStatements[text] = name
        return name
    }

    private func send(
        _ text: String,
        preparedAs name: String?,
        _ parameters: ParameterEncoder,
        _ handle: OpaquePointer
    ) -> Bool {
        let count = Int32(parameters.types.count)
        let formats = [Int32](repeating: 1, count: parameters.types.count)
        // libpq copies everything into its own buffer before it returns.
        return parameters.bytes.withUnsafeBytes { bytes in
            let base = bytes.baseAddress?.assumingMemoryBound(to: CChar.self)
            let addresses = parameters.offsets.map { offset in offset.flatMap { base?.advanced(by: $0) } }
            guard let name else {
                return PQsendQueryParams(
                    handle,
                    text,
                    count,
                    parameters.types,
                    addresses,
                    parameters.lengths,
                    formats,
                    1
                ) == 1
            }
            return PQsendQueryPrepared(handle, name, count, addresses, parameters.lengths, formats, 1) == 1
        }
    }

    // MARK: - Answers

    /// Sends what libpq holds, then reads until the server is ready for the next statement.
    ///
    /// The server answers a statement before it commits it, so an answer counts only when nothing but "ready" comes
    /// after it; an error that follows it wins.
    func receive(
        _ handle: OpaquePointer,
        deadline: ContinuousClock.Instant,
        sentStatement: Bool
    ) throws(PostgresError) -> PostgresResult? {
        try self.flush(handle, deadline: deadline, sentStatement: sentStatement)
        var answer: PostgresResult?
        var failure: PostgresError?
        while true {
            while PQisBusy(handle) == 1 {
                try self.wait(POLLIN, handle, deadline: deadline, sentStatement: sentStatement)
                guard PQconsumeInput(handle) == 1 else {
                    throw self.closing(
                        .connectionLost,
                        self.lastMessage(of: handle),
                        mayHaveBeenApplied: sentStatement
                    )
                }
            }
            guard let result = PQgetResult(handle) else { break }
            let owned = PostgresResult(owning: result)
            switch PQresultStatus(result) {
            case PGRES_TUPLES_OK, PGRES_COMMAND_OK, PGRES_EMPTY_QUERY: answer = owned
            case PGRES_FATAL_ERROR: failure = failure ?? Self.failure(of: owned)
            default:
                throw self.closing(
                    .unexpectedAnswer,
                    "the server answered in a mode that is not used",
                    mayHaveBeenApplied: true
                )
            }
        }
        guard PQstatus(handle) == CONNECTION_OK else {
            let message = failure?.message ?? self.lastMessage(of: handle)
            throw self.closing(.connectionLost, message, mayHaveBeenApplied: sentStatement)
        }
        if let failure { throw failure }
        return answer
    }

    func flush(
        _ handle: OpaquePointer,
        deadline: ContinuousClock.Instant,
        sentStatement: Bool
    ) throws(PostgresError) {
        while true {
            let state = PQflush(handle)
            if state == 0 { return }
            guard state == 1 else {
                throw self.closing(.connectionLost, self.lastMessage(of: handle), mayHaveBeenApplied: sentStatement)
            }
            // Reading too: a server that waits for its own output to be taken does not take ours.
            try self.wait(POLLIN | POLLOUT, handle, deadline: deadline, sentStatement: sentStatement)
            guard PQconsumeInput(handle) == 1 else {
                throw self.closing(.connectionLost, self.lastMessage(of: handle), mayHaveBeenApplied: sentStatement)
            }
        }
    }

    func wait(
        _ events: Int32,
        _ handle: OpaquePointer,
        deadline: ContinuousClock.Instant,
        sentStatement: Bool
    ) throws(PostgresError) {
        switch SocketWait.wait(for: Int16(events), on: PQsocket(handle), until: deadline) {
        case .ready: return
        case .deadlinePassed:
            throw self.closing(
                .deadlineExceeded,
                "the server did not answer in time",
                mayHaveBeenApplied: sentStatement
            )
        case .failed(let errno):
            throw self.closing(
                .connectionLost,
                "poll failed with errno \(errno)",
                mayHaveBeenApplied: sentStatement
            )
        }
    }

    func closing(
        _ code: PostgresError.Code,
        _ message: String,
        mayHaveBeenApplied: Bool
    ) -> PostgresError {
        self.close()
        return PostgresError(code, message, mayHaveBeenApplied: mayHaveBeenApplied)
    }

    static func failure(of result: PostgresResult) -> PostgresError {
        func field(_ code: Character) -> String? {
            PQresultErrorField(result.handle, Int32(code.asciiValue ?? 0)).map { String(cString: $0) }
        }
        // The codes are PG_DIAG_SQLSTATE, PG_DIAG_MESSAGE_PRIMARY and PG_DIAG_TABLE_NAME of postgres_ext.h, which
        // Swift does not import. Without a state the error comes from libpq: the connection broke.
        guard let sqlState = field("C") else {
            let message = PQresultErrorMessage(result.handle).map { String(cString: $0) } ?? "the connection broke"
            return PostgresError(.connectionLost, message.trimmingNewlines(), mayHaveBeenApplied: true)
        }
        // Class 22, data exception, quotes the value that it complains of.
        let message = sqlState.hasPrefix("22") ? "a value was refused" : field("M") ?? "no message"
        return PostgresError(.server(sqlState: sqlState), "\(message) (\(sqlState))", table: field("t"))
    }

    func lastMessage(of handle: OpaquePointer) -> String {
        PQerrorMessage(handle).map { String(cString: $0).trimmingNewlines() } ?? "no message"
    }
}

@available(*, unavailable)
extension PostgresConnection: Sendable {}

extension Duration {
    fileprivate var milliseconds: Int64 {
        self.components.seconds * 1000 + self.components.attoseconds / 1_000_000_000_000_000
    }
}

extension String {
    /// libpq ends its messages with a line break and may put several lines into one.
    fileprivate func trimmingNewlines() -> String {
        self.split(whereSeparator: \.isNewline).joined(separator: "; ")
    }
}
