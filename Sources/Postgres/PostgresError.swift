// SPDX-License-Identifier: Apache-2.0

/// Why a connection or a statement failed.
package struct PostgresError: Error, Sendable, Hashable, CustomStringConvertible {
    package enum Code: Sendable, Hashable {
        /// No connection could be made: no host answered, or the server refused it. Nothing was sent.
        case cannotConnect
        /// The connection is closed, or broke while a statement was under way.
        case connectionLost
        /// The deadline passed. The connection was closed, because the answer could still arrive on it.
        case deadlineExceeded
        /// The server refused the statement; the connection can still be used.
        case server(sqlState: String)
        /// The server's answer has not the shape that was asked for, or an argument cannot be sent.
        case unexpectedAnswer
    }

    package var code: Code
    /// One sentence for a log. Holds no values of parameters.
    package var message: String
    /// Whether the statement may have taken effect although this error was thrown.
    ///
    /// False is certain. True says only that the outcome is unknown: the statement was on its way when the
    /// connection broke. It speaks of one statement; within an explicit transaction nothing lasts before `COMMIT`.
    package var mayHaveBeenApplied: Bool
    /// The table that a violated constraint belongs to (`PG_DIAG_TABLE_NAME`); of a partitioned table the partition.
    package var table: String?

    package init(_ code: Code, _ message: String, mayHaveBeenApplied: Bool = false, table: String? = nil) {
        self.code = code
        self.message = message
        self.mayHaveBeenApplied = mayHaveBeenApplied
        self.table = table
    }

    package var description: String {
        let outcome = self.mayHaveBeenApplied ? " (the statement may have been applied)" : ""
        return "\(self.code): \(self.message)\(outcome)"
    }
}
