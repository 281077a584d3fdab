// SPDX-License-Identifier: Apache-2.0

import Foundation
import Yams

/// A JSON value, or the part of YAML that JSON can hold.
package enum JSONValue: Hashable, Sendable {
    case null
    case bool(Bool)
    case integer(Int64)
    case number(Double)
    case string(String)
    case array([JSONValue])
    case object([String: JSONValue])

    package init(json: some Collection<UInt8>) throws {
        self = try JSONDecoder().decode(JSONValue.self, from: Data(json))
    }

    package init(json: String) throws {
        try self.init(json: Array(json.utf8))
    }

    package init(yaml: String) throws {
        self = try Self.converted(try Yams.load(yaml: yaml), at: "")
    }

    /// A member of an object; nil where there is none.
    package subscript(key: String) -> JSONValue? {
        guard case .object(let members) = self else { return nil }
        return members[key]
    }

    package var object: [String: JSONValue]? {
        guard case .object(let members) = self else { return nil }
        return members
    }

    package var array: [JSONValue]? {
        guard case .array(let elements) = self else { return nil }
        return elements
    }

    package var string: String? {
        guard case .string(let text) = self else { return nil }
        return text
    }

    package var integer: Int64? {
        guard case .integer(let value) = self else { return nil }
        return value
    }

    package var bool: Bool? {
        guard case .bool(let value) = self else { return nil }
        return value
    }

    package var double: Double? {
        switch self {
        case .integer(let value): Double(value)
        case .number(let value): value
        default: nil
        }
    }

    private static func converted(_ value: Any?, at path: String) throws -> JSONValue {
        switch value {
        case nil, is NSNull: .null
        case let value as Bool: .bool(value)
        case let value as Int: .integer(Int64(value))
        case let value as Double: .number(value)
        case let value as String: .string(value)
        case let value as [Any]:
            .array(try value.enumerated().map { try self.converted($1, at: "\(path)/\($0)") })
        case let value as [AnyHashable: Any]:
            .object(
                try value.reduce(into: [:]) { members, member in
                    // A status such as 200 may stand without quotes.
                    let key = (member.key as? String) ?? "\(member.key)"
                    members[key] = try self.converted(member.value, at: "\(path)/\(key)")
                }
            )
        default: throw ContractViolation(problems: ["\(path): \(type(of: value)) is not a value of JSON"])
        }
    }
}

extension JSONValue: Decodable {
    package init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        if container.decodeNil() {
            self = .null
        } else if let value = try? container.decode(Bool.self) {
            self = .bool(value)
        } else if let value = try? container.decode(Int64.self) {
            self = .integer(value)
        } else if let value = try? container.decode(Double.self) {
            self = .number(value)
        } else if let value = try? container.decode(String.self) {
            self = .string(value)
        } else if let value = try? container.decode([JSONValue].self) {
            self = .array(value)
        } else {
            self = .object(try container.decode([String: JSONValue].self))
        }
    }
}
