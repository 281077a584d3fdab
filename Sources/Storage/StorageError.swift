// SPDX-License-Identifier: Apache-2.0

import Postgres

/// Why the storage did not do what it was asked for.
package struct StorageError: Error, Sendable, Hashable, CustomStringConvertible {
    package enum Code: Sendable, Hashable {
        /// The shard cannot be used at this moment. Nothing was applied, that is certain.
        case unavailable
        /// The connection was lost after a write was sent: it may have been applied or not. Read back to find out.
        case outcomeUnknown
        /// The shard's view is no longer the one that the caller acts under. Nothing was applied; read the view again.
        case staleEpoch
        /// The shard has no space left. Nothing was applied.
        case diskFull
        /// The database is not the one that the configuration means, or its schema is too old or too new. Nothing
        /// was applied, and only an operator can help.
        case wrongDatabase
        /// Another operator changes this shard's slots at this moment. Nothing was applied.
        case busy
        /// The server refused a statement that it should have taken, or answered what makes no sense. Nothing was
        /// applied.
        case `internal`
    }

    package var code: Code
    /// One sentence for a log. Holds no values of parameters.
    package var message: String

    package init(_ code: Code, _ message: String) {
        self.code = code
        self.message = message
    }

    /// Whether the same call can succeed later without anything else being done.
    package var isRetryable: Bool {
        switch self.code {
        case .unavailable, .outcomeUnknown, .diskFull: true
        case .staleEpoch, .wrongDatabase, .busy, .internal: false
        }
    }

    package var description: String {
        "\(self.code): \(self.message)"
    }
}

/// What a statement that broke off may have left behind.
enum StatementEffect {
    /// It reads, or its transaction was not yet told to commit: nothing lasts.
    case none
    /// It commits: once it was sent, nobody knows.
    case commits
}

extension StorageError {
    /// What an error of the connection means for the caller.
    init(_ error: PostgresError, effect: StatementEffect) {
        if error.mayHaveBeenApplied, effect == .commits {
            self.init(.outcomeUnknown, error.message)
            return
        }
        switch error.code {
        case .cannotConnect, .connectionLost, .deadlineExceeded: self.init(.unavailable, error.message)
        case .unexpectedAnswer: self.init(.internal, error.message)
        case .server(let sqlState): self.init(Self.code(ofSQLState: sqlState), error.message)
        }
    }

    /// Source of the states: Appendix A of the Postgres manual. An error that the server reports undoes the statement,
    /// so none of these leaves anything behind.
    static func code(ofSQLState sqlState: String) -> Code {
        switch sqlState {
        case "53100": .diskFull
        // Cancelled by statement_timeout, deadlock, serialization failure, lock not available.
        case "57014", "40P01", "40001", "55P03": .unavailable
        // A server that only reads: a replica, or a primary that was demoted.
        case "25006": .unavailable
        // The disk or the file system failed.
        case "58030": .unavailable
        case "42P01", "42703", "42883": .wrongDatabase
        default:
            // Classes: connection exception, insufficient resources, operator intervention.
            ["08", "53", "57"].contains(sqlState.prefix(2)) ? .unavailable : .internal
        }
    }
}
