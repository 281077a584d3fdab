// SPDX-License-Identifier: Apache-2.0

import Fields
import NIOCore

/// A message body on the mesh: a set of numbered fields.
///
/// Numbers are never used again for something else; a field that is not known is skipped (contract C9).
package protocol WireMessage: Sendable {
    func encode(into writer: inout FieldWriter)
    init(from reader: inout FieldReader) throws(FieldError)
    /// A guess at its encoded size, for one allocation instead of several.
    var expectedBytes: Int { get }
}

extension WireMessage {
    package init(decoding buffer: ByteBuffer) throws(FieldError) {
        var reader = FieldReader(buffer)
        try self.init(from: &reader)
    }

    package func encoded() -> ByteBuffer {
        var writer = FieldWriter(buffer: ByteBufferAllocator().buffer(capacity: self.expectedBytes))
        self.encode(into: &writer)
        return writer.buffer
    }

    package var expectedBytes: Int { 64 }
}

// The encoding itself is shared with the clients' binary protocol; here it has the names that the mesh uses.
package typealias FieldReader = Fields.FieldReader
package typealias FieldWriter = Fields.FieldWriter
package typealias FieldError = Fields.FieldError

extension FieldWriter {
    package mutating func message(_ number: Int, _ value: some WireMessage) {
        self.nested(number) { value.encode(into: &$0) }
    }

    package mutating func messages(_ number: Int, _ values: [some WireMessage]) {
        for value in values {
            self.message(number, value)
        }
    }
}

extension FieldReader.Field {
    package func message<Value: WireMessage>(as: Value.Type = Value.self) throws(FieldError) -> Value {
        try Value(decoding: try self.buffer())
    }
}

extension Array {
    /// Appends one element of a repeated field, refusing it over the bound.
    package mutating func append(_ field: FieldReader.Field, atMost limit: Int) throws(FieldError)
    where Element: WireMessage {
        guard self.count < limit else { throw .tooMany(field: field.number) }
        self.append(try field.message())
    }
}
