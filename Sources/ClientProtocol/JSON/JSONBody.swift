// SPDX-License-Identifier: Apache-2.0

package import Messaging

#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

/// Reading and writing whole JSON values, with errors that a client can act on.
package enum JSONBody {
    private static let decoder = JSONDecoder()
    private static let encoder = {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.withoutEscapingSlashes]
        return encoder
    }()

    /// Reads one JSON value.
    ///
    /// - Throws: `malformed` when it is not JSON or not an object, `missing_field` or `invalid_field` with the name of
    ///   the field. The message never repeats what was sent.
    package static func decode<Value: Decodable>(
        _ type: Value.Type,
        from bytes: some Collection<UInt8>
    ) throws(Failure) -> Value {
        do {
            return try Self.decoder.decode(type, from: Data(bytes))
        } catch {
            throw Failure(decoding: error)
        }
    }

    package static func encode(_ value: some Encodable) throws -> [UInt8] {
        Array(try Self.encoder.encode(value))
    }
}

extension Failure {
    /// What a client is told about JSON that could not be read.
    package init(decoding error: any Error) {
        guard let error = error as? DecodingError else {
            self.init(.malformed, "This is not valid JSON.")
            return
        }
        switch error {
        case .keyNotFound(let key, let context):
            let field = Self.name(context.codingPath + [key])
            self.init(.missingField, "The field `\(field)` is missing.")
        case .valueNotFound(_, let context) where !context.codingPath.isEmpty:
            self.init(.missingField, "The field `\(Self.name(context.codingPath))` is missing: it is null.")
        case .typeMismatch(let type, let context) where !context.codingPath.isEmpty:
            self.init(.invalidField, "The field `\(Self.name(context.codingPath))` must be \(Self.name(of: type)).")
        case .dataCorrupted(let context) where !context.codingPath.isEmpty:
            self.init(.invalidField, "The field `\(Self.name(context.codingPath))` \(Self.rule(context)).")
        case .typeMismatch, .valueNotFound:
            self.init(.malformed, "A JSON object is expected here.")
        case .dataCorrupted:
            self.init(.malformed, "This is not valid JSON.")
        @unknown default:
            self.init(.malformed, "This is not valid JSON.")
        }
    }

    private static func name(_ path: [any CodingKey]) -> String {
        path.reduce(into: "") { name, key in
            if let index = key.intValue {
                name += "[\(index)]"
            } else {
                name += name.isEmpty ? key.stringValue : ".\(key.stringValue)"
            }
        }
    }

    private static func name(of type: any Any.Type) -> String {
        switch type {
        case is String.Type: "a string"
        case is Bool.Type: "true or false"
        case is any FixedWidthInteger.Type: "an integer"
        case is any BinaryFloatingPoint.Type: "a number"
        case is any Sequence.Type where "\(type)".hasPrefix("Array"): "an array"
        default: "an object"
        }
    }

    private static func rule(_ context: DecodingError.Context) -> String {
        if let rule = context.underlyingError as? FieldRule { return rule.text }
        // The text of the one check that is made below this module.
        return context.debugDescription == "not a UUID" ? "must be a UUID" : "has a value that it cannot have"
    }
}
