// SPDX-License-Identifier: Apache-2.0

/// What a sentinel says to `SENTINEL GET-MASTER-ADDR-BY-NAME`. Pure.
package enum SentinelAnswer {
    package static func question(_ primaryName: String) -> RedisCommand {
        RedisCommand("SENTINEL", "GET-MASTER-ADDR-BY-NAME", primaryName)
    }

    /// - Parameter reply: to the ``question(_:)``.
    /// - Throws: `.unavailable` when the sentinel knows no such primary or refuses to answer; `.protocolViolation` when
    ///   it is no address.
    package static func address(
        in reply: RedisValue?,
        sentinel: RedisAddress,
        primaryName: String
    ) throws(RedisError) -> RedisAddress {
        switch reply {
        case .null:
            throw RedisError(
                .unavailable,
                "The sentinel at \(sentinel) watches no primary named \"\(primaryName)\"; SENTINEL MASTERS lists its names."
            )
        case .error(let text):
            throw RedisError(.unavailable, "The sentinel at \(sentinel) refuses to answer: \(text.prefix(200)).")
        case .array(let parts):
            guard parts.count == 2, let host = parts[0].text, let port = parts[1].text.flatMap({ UInt16($0) }),
                port > 0, !host.isEmpty, host.utf8.count <= Self.hostBytesMax,
                host.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F })
            else { throw Self.garbage(sentinel) }
            return RedisAddress(host: host, port: port)
        case .string, .integer, .status, nil:
            throw Self.garbage(sentinel)
        }
    }

    private static func garbage(_ sentinel: RedisAddress) -> RedisError {
        RedisError(.protocolViolation, "The sentinel at \(sentinel) does not answer with an address.")
    }

    /// Of a host name (RFC 1035 §2.3.4).
    private static let hostBytesMax = 253
}
