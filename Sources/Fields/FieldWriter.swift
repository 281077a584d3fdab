// SPDX-License-Identifier: Apache-2.0

import Messaging
import NIOCore

/// Writes a message body as tagged fields in the Protocol Buffers wire format (varint and length-delimited records).
///
/// The encoding of the mesh and of the clients' binary protocol. Tagged, so that a later version may add a field and this
/// one skips it (contract C9). Fields that hold their default (0, empty) are left out, unless their being there means
/// something. Source: protobuf.dev, "Encoding".
package struct FieldWriter {
    package private(set) var buffer: ByteBuffer

    package init(buffer: ByteBuffer = ByteBuffer()) {
        self.buffer = buffer
    }

    package mutating func integer(_ number: Int, _ value: some BinaryInteger) {
        self.integer(number, UInt64(truncatingIfNeeded: value))
    }

    /// The same without a generic parameter, which other modules pay for.
    package mutating func integer(_ number: Int, _ value: UInt64) {
        guard value != 0 else { return }
        self.varint(UInt64(number) << 3)
        self.varint(value)
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

    package mutating func buffer(_ number: Int, _ value: ByteBuffer) {
        guard value.readableBytes > 0 else { return }
        self.lengthDelimited(number, count: value.readableBytes)
        self.append(value)
    }

    /// Fields that were encoded before: of equal numbers the last counts, and repeated ones are joined.
    package mutating func append(_ fields: ByteBuffer) {
        var fields = fields
        self.buffer.writeBuffer(&fields)
    }

    package mutating func identifier<Kind>(_ number: Int, _ value: Identifier<Kind>) {
        self.sixteenBytes(number, value.value)
    }

    package mutating func sixteenBytes(_ number: Int, _ value: UInt128) {
        self.lengthDelimited(number, count: 16)
        self.buffer.writeInteger(value)
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

    /// A number that is there or not: 0 is written too.
    package mutating func optional(_ number: Int, _ value: (some BinaryInteger)?) {
        guard let value else { return }
        self.varint(UInt64(number) << 3)
        self.varint(UInt64(truncatingIfNeeded: value))
    }

    /// A text that is there or not: the empty one is written too.
    package mutating func optional(_ number: Int, _ value: String?) {
        guard let value else { return }
        self.lengthDelimited(number, count: value.utf8.count)
        self.buffer.writeString(value)
    }

    /// A record of fields.
    package mutating func nested(_ number: Int, _ write: (inout FieldWriter) -> Void) {
        self.varint(UInt64(number) << 3 | 2)
        self.prefixed(write)
    }

    /// One byte that is no field.
    package mutating func byte(_ value: UInt8) {
        self.buffer.writeInteger(value)
    }

    /// Whatever is written, behind its length in bytes as a varint.
    package mutating func prefixed(_ write: (inout FieldWriter) -> Void) {
        let start = self.buffer.writerIndex
        // Room for a length of one byte; where it takes more, what stands behind it is moved, which is cheaper than a
        // buffer of its own.
        self.buffer.writeInteger(UInt8(0))
        write(&self)
        let count = self.buffer.writerIndex - start - 1
        let extra = Self.varintBytes(count) - 1
        if extra > 0 { self.moveBack(count, from: start + 1, by: extra) }
        let end = self.buffer.writerIndex
        self.buffer.moveWriterIndex(to: start)
        self.varint(UInt64(count))
        self.buffer.moveWriterIndex(to: end)
    }

    private mutating func moveBack(_ count: Int, from index: Int, by distance: Int) {
        self.buffer.writeRepeatingByte(0, count: distance)
        let offset = index - self.buffer.readerIndex
        self.buffer.withUnsafeMutableReadableBytes { bytes in
            let source = UnsafeRawBufferPointer(rebasing: bytes[offset..<(offset + count)])
            UnsafeMutableRawBufferPointer(rebasing: bytes[(offset + distance)...]).copyMemory(from: source)
        }
    }

    private static func varintBytes(_ value: Int) -> Int {
        (UInt64.bitWidth - (UInt64(value) | 1).leadingZeroBitCount + 6) / 7
    }

    private mutating func lengthDelimited(_ number: Int, count: Int) {
        // Both are one byte, nearly always.
        if number < 16, count < 0x80 {
            self.buffer.writeInteger(UInt16(truncatingIfNeeded: (number << 3 | 2) << 8 | count))
        } else {
            self.varint(UInt64(number) << 3 | 2)
            self.varint(UInt64(count))
        }
    }

    private mutating func varint(_ value: UInt64) {
        guard value >= 0x80 else {
            self.buffer.writeInteger(UInt8(truncatingIfNeeded: value))
            return
        }
        self.buffer.writeWithUnsafeMutableBytes(minimumWritableBytes: 10) { bytes in
            var rest = value
            var count = 0
            while rest >= 0x80 {
                bytes[count] = UInt8(truncatingIfNeeded: rest) | 0x80
                rest >>= 7
                count += 1
            }
            bytes[count] = UInt8(truncatingIfNeeded: rest)
            return count + 1
        }
    }
}
