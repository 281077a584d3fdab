// SPDX-License-Identifier: Apache-2.0

/// One answer of Redis (RESP 2), copied out of the C library's memory.
package enum RedisValue: Hashable, Sendable {
    case null
    case integer(Int64)
    case string([UInt8])
    case array([RedisValue])
    /// A short text such as `OK`.
    case status(String)
    /// The command was refused by the server; begins with a word in capitals such as `WRONGTYPE`.
    case error(String)

    /// The bytes of a string, or nil for anything else.
    package var bytes: [UInt8]? {
        if case .string(let bytes) = self { bytes } else { nil }
    }

    /// The text of a string or a status, or nil when it is something else or not UTF-8.
    package var text: String? {
        switch self {
        case .string(let bytes): String(validating: bytes, as: UTF8.self)
        case .status(let text): text
        case .null, .integer, .array, .error: nil
        }
    }

    /// The number of an integer answer, or nil for anything else.
    package var integer: Int64? {
        if case .integer(let number) = self { number } else { nil }
    }

    /// The elements of an array, or nil for anything else.
    package var array: [RedisValue]? {
        if case .array(let elements) = self { elements } else { nil }
    }

    /// The text of an error, or nil for anything else.
    package var errorText: String? {
        if case .error(let text) = self { text } else { nil }
    }
}
