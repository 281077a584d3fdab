// SPDX-License-Identifier: Apache-2.0

/// A type of the server, by its object id in `pg_type.dat`; these ids are the same in every Postgres.
package enum PostgresType: UInt32, Sendable {
    case bool = 16
    case bytea = 17
    case int8 = 20
    case int2 = 21
    case int4 = 23
    case text = 25
    case uuid = 2950
    case byteaArray = 1001
    case int2Array = 1005
    case textArray = 1009
    case int8Array = 1016
    case uuidArray = 2951
}

/// A parameter of a statement, sent in binary with its type, so that the server neither parses nor guesses.
///
/// Text must not hold U+0000: Postgres cannot store it and refuses the whole statement.
package enum PostgresValue: Sendable, Hashable {
    case null(PostgresType)
    case bool(Bool)
    case int2(Int16)
    case int4(Int32)
    case int8(Int64)
    case text(String)
    case bytea([UInt8])
    case uuid(UInt128)
    case int2Array([Int16])
    case int8Array([Int64])
    case textArray([String])
    case byteaArray([[UInt8]])
    case uuidArray([UInt128])

    package var type: PostgresType {
        switch self {
        case .null(let type): type
        case .bool: .bool
        case .int2: .int2
        case .int4: .int4
        case .int8: .int8
        case .text: .text
        case .bytea: .bytea
        case .uuid: .uuid
        case .int2Array: .int2Array
        case .int8Array: .int8Array
        case .textArray: .textArray
        case .byteaArray: .byteaArray
        case .uuidArray: .uuidArray
        }
    }
}

extension PostgresValue {
    package static func optional(_ value: Int64?) -> PostgresValue {
        value.map { .int8($0) } ?? .null(.int8)
    }

    package static func optional(_ value: UInt128?) -> PostgresValue {
        value.map { .uuid($0) } ?? .null(.uuid)
    }

    package static func optional(_ value: [Int16]?) -> PostgresValue {
        value.map { .int2Array($0) } ?? .null(.int2Array)
    }
}
