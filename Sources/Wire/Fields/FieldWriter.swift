// SPDX-License-Identifier: Apache-2.0

import Messaging
import NIOCore

/// Writes a message body as tagged fields in the Protocol Buffers wire format (varint and length-delimited records).
///
/// Tagged, so that a node of the next version may add a field and this one skips it (contract C9). Fields that hold
/// their default (0, empty) are left out. Source: protobuf.dev, "Encoding".
package struct FieldWriter {
    package private(set) var buffer: ByteBuffer

    package init(buffer: ByteBuffer = ByteBuffer()) {
        self.buffer = buffer
    }

    package mutating func integer(_ number: Int, _ value: some BinaryInteger) {
        guard value != 0 else { return }
        self.varint(UInt64(number) << 3)
        self.varint(UInt64(truncatingIfNeeded: value))
    }

    package mutating func flag(_ number: Int, _ value: Bool) {
        self.integer(number, value ? 1 : 0)
    }

    package mutating func text(_ number: Int, _ value: String) {
        guard !value.isEmpty else { return }
        self.lengthDelimited(number, count: value.utf8.count)
        self.buffer.writeString(value)
    }

    package mutating func bytes(_ number: Int, _ value: [UInt8]) {
        guard !value.isEmpty else { return }
        self.lengthDelimited(number, count: value.count)
        self.buffer.writeBytes(value)
    }

    package mutating func identifier<Kind>(_ number: Int, _ value: Identifier<Kind>) {
        self.lengthDelimited(number, count: 16)
        self.buffer.writeInteger(value.value)
    }

    /// All identifiers as one record of 16 bytes each.
    package mutating func identifiers<Kind>(_ number: Int, _ values: [Identifier<Kind>]) {
        guard !values.isEmpty else { return }
        self.lengthDelimited(number, count: values.count * 16)
        for value in values {
            self.buffer.writeInteger(value.value)
        }
    }

    package mutating func texts(_ number: Int, _ values: [String]) {
        for value in values {
            self.lengthDelimited(number, count: value.utf8.count)
            self.buffer.writeString(value)
        }
    }

    package mutating func message(_ number: Int, _ value: some WireMessage) {
        var nested = FieldWriter()
        value.encode(into: &nested)
        var body = nested.buffer
        self.lengthDelimited(number, count: body.readableBytes)
        self.buffer.writeBuffer(&body)
    }

    package mutating func messages(_ number: Int, _ values: [some WireMessage]) {
        for value in values {
            self.message(number, value)
        }
    }

    private mutating func lengthDelimited(_ number: Int, count: Int) {
        self.varint(UInt64(number) << 3 | 2)
        self.varint(UInt64(count))
    }

    private mutating func varint(_ value: UInt64) {
        var rest = value
        while rest >= 0x80 {
            self.buffer.writeInteger(UInt8(truncatingIfNeeded: rest) | 0x80)
            rest >>= 7
        }
        self.buffer.writeInteger(UInt8(truncatingIfNeeded: rest))
    }
}
