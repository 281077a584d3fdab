// SPDX-License-Identifier: Apache-2.0

/// Why Redis gave no answer. An answer that is itself an error is a ``RedisValue/error(_:)``.
package struct RedisError: Error, Hashable, Sendable, CustomStringConvertible {
    /// The numbers are stable; never renumber.
    package enum Code: UInt8, Sendable, CaseIterable {
        /// There is no connection at this moment; nothing was sent.
        case unavailable = 1
        /// The queue is at its bound; nothing was sent.
        case overloaded = 2
        /// The request alone is larger than the queue may be; nothing was sent.
        case requestTooLarge = 3
        /// No answer came in time. The command may have been carried out.
        case timedOut = 4
        /// The connection ended before the answer came. The command may have been carried out.
        case connectionLost = 5
        /// The server answered something that is not Redis, or larger than the bounds.
        /// The command may have been carried out.
        case protocolViolation = 6
        /// The server refused the password, the user or the database; nothing was sent.
        case authenticationRefused = 7
        /// The connection was shut down by its owner; nothing was sent.
        case shutDown = 8
        // 9 was a malformed URL, which the configuration refuses now.
        /// The server is a replica, or became one: it takes no writes. Nothing was sent on this connection that is not answered.
        case notPrimary = 10
    }

    package var code: Code
    /// One sentence for the person who reads a log. Holds no password and no value of a command.
    package var message: String

    package init(_ code: Code, _ message: String) {
        self.code = code
        self.message = message
    }

    /// Whether the commands may have been carried out although no answer came.
    package var isOutcomeUnknown: Bool {
        switch self.code {
        case .timedOut, .connectionLost, .protocolViolation: true
        case .unavailable, .overloaded, .requestTooLarge, .authenticationRefused, .shutDown, .notPrimary: false
        }
    }

    package var description: String {
        "\(self.code): \(self.message)"
    }
}

extension RedisError {
    /// Why a whole round of attempts has failed: one error of all.
    ///
    /// A refused password is told apart from servers that are away, because it does not mend itself.
    static func ofRound(_ failures: [RedisError]) -> RedisError {
        guard let last = failures.last else { return RedisError(.unavailable, "There is no address of Redis to try.") }
        let code = failures.contains { $0.code == .authenticationRefused } ? Code.authenticationRefused : last.code
        var messages: [String] = []
        for message in failures.map(\.message) where !messages.contains(message) {
            messages.append(message)
        }
        return RedisError(code, messages.joined(separator: " "))
    }
}
