// SPDX-License-Identifier: Apache-2.0

/// What a client names a command with, and what the answer repeats as it came: a string or a number.
package enum CommandID: Hashable, Sendable {
    /// Bytes of UTF-8 in ``text(_:)``, at least one.
    package static let textBytesMax = 64

    /// 1…64 bytes of UTF-8.
    case text(String)
    /// Not negative.
    case number(UInt64)
}

extension CommandID: Codable {
    package init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        guard !container.decodeNil() else {
            let context = DecodingError.Context(codingPath: decoder.codingPath, debugDescription: "null")
            throw DecodingError.valueNotFound(Self.self, context)
        }
        if let number = try? container.decode(UInt64.self) {
            self = .number(number)
        } else if let text = try? container.decode(String.self), (1...Self.textBytesMax).contains(text.utf8.count) {
            self = .text(text)
        } else {
            let rule = "must be a string of 1 to \(Self.textBytesMax) bytes or an integer that is not negative"
            throw FieldRule(rule).violated(at: decoder.codingPath)
        }
    }

    package func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        switch self {
        case .text(let text): try container.encode(text)
        case .number(let number): try container.encode(number)
        }
    }
}

extension CommandID: ExpressibleByStringLiteral, ExpressibleByIntegerLiteral {
    package init(stringLiteral text: String) {
        self = .text(text)
    }

    package init(integerLiteral number: UInt64) {
        self = .number(number)
    }
}
