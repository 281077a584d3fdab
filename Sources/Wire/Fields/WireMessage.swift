// SPDX-License-Identifier: Apache-2.0

import NIOCore

/// A message body on the mesh: a set of numbered fields.
///
/// Numbers are never used again for something else; a field that is not known is skipped (contract C9).
package protocol WireMessage: Sendable {
    func encode(into writer: inout FieldWriter)
    init(from reader: inout FieldReader) throws(FieldError)
}

extension WireMessage {
    package init(decoding buffer: ByteBuffer) throws(FieldError) {
        var reader = FieldReader(buffer)
        try self.init(from: &reader)
    }

    package func encoded() -> ByteBuffer {
        var writer = FieldWriter()
        self.encode(into: &writer)
        return writer.buffer
    }
}
