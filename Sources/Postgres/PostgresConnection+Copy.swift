// SPDX-License-Identifier: Apache-2.0

internal import CLibPQ
import Glibc

extension PostgresConnection {
    /// Bytes that may wait in the target's connection before they are sent on.
    private static let unsentBytesMax = 256 << 10

    /// Carries rows from this connection's server to another one's, in the binary format of `COPY`, without looking at them.
    ///
    /// The deadline is for the whole of it. After an error neither connection is in the middle of a copy: each has
    /// answered, or is closed. What the target took in belongs to its transaction, which the error has ended.
    ///
    /// - Parameters:
    ///   - query: What to read.
    ///   - target: Another connection of the same thread.
    ///   - table: Where to, with the columns in the order of the query's.
    package func copy(
        _ query: String,
        to target: PostgresConnection,
        into table: String,
        deadline: ContinuousClock.Instant
    ) throws(PostgresError) {
        let intake = try target.beginCopy("COPY \(table) FROM STDIN (FORMAT binary)", PGRES_COPY_IN, deadline: deadline)
        do throws(PostgresError) {
            let output = try self.beginCopy(
                "COPY (\(query)) TO STDOUT (FORMAT binary)",
                PGRES_COPY_OUT,
                deadline: deadline
            )
            try self.carry(output, to: target, intake, deadline: deadline)
        } catch {
            target.abandonCopy(intake, deadline: deadline)
            throw error
        }
        guard PQputCopyEnd(intake, nil) == 1 else {
            throw target.closing(.connectionLost, target.lastMessage(of: intake), mayHaveBeenApplied: true)
        }
        _ = try target.receive(intake, deadline: deadline, sentStatement: true)
    }

    private func beginCopy(
        _ command: String,
        _ expected: ExecStatusType,
        deadline: ContinuousClock.Instant
    ) throws(PostgresError) -> OpaquePointer {
        let handle = try self.connectedHandle()
        guard PQsendQuery(handle, command) == 1 else {
            throw self.closing(.connectionLost, self.lastMessage(of: handle), mayHaveBeenApplied: false)
        }
        try self.flush(handle, deadline: deadline, sentStatement: false)
        try self.awaitAnswer(handle, deadline: deadline)
        guard let result = PQgetResult(handle) else {
            throw self.closing(.unexpectedAnswer, "the server did not begin the copy", mayHaveBeenApplied: false)
        }
        let owned = PostgresResult(owning: result)
        if PQresultStatus(result) == expected { return handle }
        let failure = Self.failure(of: owned)
        // What follows an error is the end of the statement.
        _ = try self.receive(handle, deadline: deadline, sentStatement: false)
        throw failure
    }

    private func awaitAnswer(_ handle: OpaquePointer, deadline: ContinuousClock.Instant) throws(PostgresError) {
        while PQisBusy(handle) == 1 {
            try self.wait(POLLIN, handle, deadline: deadline, sentStatement: true)
            guard PQconsumeInput(handle) == 1 else {
                throw self.closing(.connectionLost, self.lastMessage(of: handle), mayHaveBeenApplied: true)
            }
        }
    }

    private func carry(
        _ output: OpaquePointer,
        to target: PostgresConnection,
        _ intake: OpaquePointer,
        deadline: ContinuousClock.Instant
    ) throws(PostgresError) {
        var unsent = 0
        while true {
            var row: UnsafeMutablePointer<CChar>?
            let length = PQgetCopyData(output, &row, 1)
            if length > 0, let row {
                defer { PQfreemem(row) }
                guard PQputCopyData(intake, row, length) == 1 else {
                    throw target.closing(.connectionLost, target.lastMessage(of: intake), mayHaveBeenApplied: true)
                }
                unsent += Int(length)
                if unsent >= Self.unsentBytesMax {
                    try target.flush(intake, deadline: deadline, sentStatement: true)
                    unsent = 0
                }
            } else if length == 0 {
                try self.wait(POLLIN, output, deadline: deadline, sentStatement: true)
                guard PQconsumeInput(output) == 1 else {
                    throw self.closing(.connectionLost, self.lastMessage(of: output), mayHaveBeenApplied: true)
                }
            } else {
                // The end, or an error: the result that follows says which.
                _ = try self.receive(output, deadline: deadline, sentStatement: true)
                return
            }
        }
    }

    /// Makes the server give up what it took in. A connection on which even that fails is closed.
    private func abandonCopy(_ handle: OpaquePointer, deadline: ContinuousClock.Instant) {
        guard self.isConnected else { return }
        do throws(PostgresError) {
            guard PQputCopyEnd(handle, "the source failed") == 1 else { return self.close() }
            _ = try self.receive(handle, deadline: deadline, sentStatement: true)
        } catch {
            // The server's answer is an error, as it was asked for.
            if error.code == .connectionLost { self.close() }
        }
    }
}
