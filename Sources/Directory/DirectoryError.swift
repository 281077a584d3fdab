// SPDX-License-Identifier: Apache-2.0

import Redis

/// Why the directory gave no answer.
package struct DirectoryError: Error, Hashable, Sendable, CustomStringConvertible {
    /// The numbers are stable; never renumber.
    package enum Code: UInt8, Sendable, CaseIterable {
        /// Redis cannot be reached; nothing was changed.
        case unavailable = 1
        /// The queue to Redis is full; nothing was changed.
        case overloaded = 2
        /// Redis did not answer; the change may have happened.
        case outcomeUnknown = 3
        /// Redis answered with an error; nothing was changed.
        case refused = 4
        /// Redis answered something that this version does not understand.
        case unexpectedReply = 5
        /// More users, edges or bytes than one call may name.
        case tooLarge = 6
        /// The user has as many registered devices as the bound allows.
        case tooManyDevices = 7
        /// The cluster has as many nodes as the bound allows.
        case tooManyNodes = 8
        /// The device has a newer session.
        case newerSession = 9
    }

    package var code: Code
    /// One sentence for the person who reads a log.
    package var message: String

    package init(_ code: Code, _ message: String) {
        self.code = code
        self.message = message
    }

    init(_ error: RedisError) {
        let code: Code =
            switch error.code {
            case .unavailable, .authenticationRefused, .shutDown, .notPrimary: .unavailable
            case .overloaded: .overloaded
            case .requestTooLarge: .tooLarge
            case .timedOut, .connectionLost, .protocolViolation: .outcomeUnknown
            }
        self.init(code, error.message)
    }

    /// An error that Redis, or one of the scripts, answered.
    init(refusal text: String) {
        let code: Code =
            switch text.prefix(while: { $0 != " " }) {
            case "TOOMANYDEVICES": .tooManyDevices
            case "TOOMANYNODES": .tooManyNodes
            case "NEWERSESSION": .newerSession
            default: .refused
            }
        self.init(code, "Redis refused: \(text.prefix(200))")
    }

    static func unexpected(_ what: String) -> DirectoryError {
        DirectoryError(.unexpectedReply, "Redis answered \(what) with something that is not understood.")
    }

    package var description: String {
        "\(self.code): \(self.message)"
    }
}

extension RedisConnection {
    /// ``send(_:)`` with this module's errors.
    func carryOut(_ commands: [RedisCommand]) async throws(DirectoryError) -> [RedisValue] {
        do throws(RedisError) {
            return try await self.send(commands)
        } catch {
            throw DirectoryError(error)
        }
    }

    /// ``evaluate(_:_:)`` with this module's errors; an error among the answers is thrown too.
    func carryOut(_ script: RedisScript, _ calls: [RedisScript.Call]) async throws(DirectoryError) -> [RedisValue] {
        let replies: [RedisValue]
        do throws(RedisError) {
            replies = try await self.evaluate(script, calls)
        } catch {
            throw DirectoryError(error)
        }
        if let text = replies.lazy.compactMap(\.errorText).first {
            throw DirectoryError(refusal: text)
        }
        return replies
    }

    /// One call of a script.
    func carryOut(
        _ script: RedisScript,
        keys: [String],
        arguments: [String]
    ) async throws(DirectoryError) -> RedisValue {
        try await self.carryOut(script, [RedisScript.Call(keys: keys, arguments: arguments)]).first ?? .null
    }
}

extension Duration {
    /// Whole milliseconds, at least one: Redis refuses a life of zero.
    var redisMilliseconds: String {
        let (seconds, attoseconds) = self.components
        return String(max(1, seconds * 1000 + attoseconds / 1_000_000_000_000_000))
    }
}
