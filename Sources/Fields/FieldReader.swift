// SPDX-License-Identifier: Apache-2.0

import Messaging
import NIOCore

/// Why a message body could not be read. The sender is at fault; nothing was taken from it.
package enum FieldError: Error, Equatable {
    /// The body ends inside a field, or a length is larger than what follows.
    case truncated
    /// A varint of more than ten bytes.
    case varintTooLong
    /// A wire type that the format does not have, or the field number 0.
    case malformedTag
    /// A field has another wire type than its definition says.
    case wrongType(field: Int)
    /// A value that its field may not hold.
    case invalidValue(field: Int)
    /// More elements or bytes than the bound of the field.
    case tooMany(field: Int)
    /// A field without which the message means nothing.
    case missing(field: Int)
}

/// Reads tagged fields; the counterpart of ``FieldWriter``. Never takes memory for more than the buffer holds.
package struct FieldReader {
    private var buffer: ByteBuffer

    package init(_ buffer: ByteBuffer) {
        self.buffer = buffer
    }

    package var readableBytes: Int { self.buffer.readableBytes }

    /// A field as it stands on the wire, not yet given a meaning.
    package struct Field {
        package let number: Int
        fileprivate let content: Content
    }

    fileprivate enum Content {
        case integer(UInt64)
        case bytes(ByteBuffer)
        case fixed
    }

    /// The next field, or nil at the end. Fields of fixed width are passed over whole.
    package mutating func next() throws(FieldError) -> Field? {
        guard self.buffer.readableBytes > 0 else { return nil }
        // Looked at in one go: each look into a buffer costs more than what is looked at.
        let head = self.buffer.withUnsafeReadableBytes { Head($0) }
        if let error = head.error { throw error }
        self.buffer.moveReaderIndex(forwardBy: head.bytes)
        switch head.kind {
        case .integer: return Field(number: head.number, content: .integer(head.value))
        case .fixed: return Field(number: head.number, content: .fixed)
        case .record:
            guard let slice = self.buffer.readSlice(length: Int(head.value)) else { throw .truncated }
            return Field(number: head.number, content: .bytes(slice))
        }
    }

    /// What ``FieldWriter/prefixed(_:)`` wrote, without its length; nil at the end. Not to be mixed with ``next()``.
    package mutating func prefixed() throws(FieldError) -> ByteBuffer? {
        guard self.buffer.readableBytes > 0 else { return nil }
        let count = self.buffer.withUnsafeReadableBytes { Varint($0, at: 0) }
        if let error = count.error { throw error }
        self.buffer.moveReaderIndex(forwardBy: count.bytes)
        guard count.value <= UInt64(self.buffer.readableBytes),
            let slice = self.buffer.readSlice(length: Int(count.value))
        else { throw .truncated }
        return slice
    }
}

/// A number of seven bits to a byte. Without one ``error`` says why.
private struct Varint {
    private static let bytesMax = 10

    var value: UInt64 = 0
    var bytes = 0
    var error: FieldError?

    init(_ buffer: UnsafeRawBufferPointer, at start: Int) {
        let end = min(buffer.count, start + Self.bytesMax)
        for place in start..<max(start, end) {
            let byte = buffer[place]
            self.value |= UInt64(byte & 0x7F) << UInt64(7 * (place - start))
            if byte & 0x80 == 0 {
                self.bytes = place + 1 - start
                return
            }
        }
        self.error = end - start < Self.bytesMax ? .truncated : .varintTooLong
    }
}

/// What a field begins with: its tag, and its value or the length of its record, which is known to be there.
private struct Head {
    enum Kind {
        case integer
        case record
        case fixed
    }

    var number = 0
    var kind = Kind.integer
    var value: UInt64 = 0
    /// Up to the end of the value, of a record up to its beginning.
    var bytes = 0
    var error: FieldError?

    init(_ buffer: UnsafeRawBufferPointer) {
        let tag = Varint(buffer, at: 0)
        guard tag.error == nil else {
            self.error = tag.error
            return
        }
        guard tag.value >> 3 > 0, tag.value >> 3 <= 0x1FFF_FFFF else {
            self.error = .malformedTag
            return
        }
        self.number = Int(tag.value >> 3)
        self.bytes = tag.bytes
        switch tag.value & 7 {
        case 0: self.readVarint(buffer)
        case 2:
            self.kind = .record
            self.readVarint(buffer)
            if self.error == nil, self.value > UInt64(buffer.count - self.bytes) { self.error = .truncated }
        case 1: self.passOver(8, of: buffer)
        case 5: self.passOver(4, of: buffer)
        default: self.error = .malformedTag
        }
    }

    private mutating func readVarint(_ buffer: UnsafeRawBufferPointer) {
        let varint = Varint(buffer, at: self.bytes)
        self.value = varint.value
        self.bytes += varint.bytes
        self.error = varint.error
    }

    private mutating func passOver(_ count: Int, of buffer: UnsafeRawBufferPointer) {
        self.kind = .fixed
        self.bytes += count
        if self.bytes > buffer.count { self.error = .truncated }
    }
}

extension FieldReader.Field {
    package func integer<Value: FixedWidthInteger>(as: Value.Type = Value.self) throws(FieldError) -> Value {
        guard let exact = Value(exactly: try self.number64()) else { throw .invalidValue(field: self.number) }
        return exact
    }

    /// As ``integer(as:)``, without a generic parameter, which other modules pay for.
    package func number64() throws(FieldError) -> UInt64 {
        guard case .integer(let value) = self.content else { throw .wrongType(field: self.number) }
        return value
    }

    package func flag() throws(FieldError) -> Bool {
        try self.number64() != 0
    }

    package func buffer() throws(FieldError) -> ByteBuffer {
        guard case .bytes(let slice) = self.content else { throw .wrongType(field: self.number) }
        return slice
    }

    package func bytes() throws(FieldError) -> [UInt8] {
        Array(try self.buffer().readableBytesView)
    }

    /// UTF-8 text; anything else is refused, not repaired. So is the character U+0000, which Postgres cannot store.
    package func text() throws(FieldError) -> String {
        let text = try self.anyText()
        guard !text.utf8.contains(0) else { throw .invalidValue(field: self.number) }
        return text
    }

    /// The same, but U+0000 may be in it.
    ///
    /// - Parameter limit: bytes; more are refused before memory is taken for them.
    package func anyText(atMost limit: Int = .max) throws(FieldError) -> String {
        let slice = try self.buffer()
        guard slice.readableBytes <= limit else { throw .tooMany(field: self.number) }
        guard let text = slice.getValidatedText() else { throw .invalidValue(field: self.number) }
        return text
    }

    package func identifier<Kind>() throws(FieldError) -> Identifier<Kind> {
        Identifier(value: try self.sixteenBytes())
    }

    package func sixteenBytes() throws(FieldError) -> UInt128 {
        guard case .bytes(let slice) = self.content else { throw .wrongType(field: self.number) }
        guard slice.readableBytes == 16, let value = slice.getInteger(at: slice.readerIndex, as: UInt128.self) else {
            throw .invalidValue(field: self.number)
        }
        return value
    }

    package func identifiers<Kind>(atMost limit: Int) throws(FieldError) -> [Identifier<Kind>] {
        var slice = try self.buffer()
        let count = slice.readableBytes / 16
        guard slice.readableBytes % 16 == 0 else { throw .invalidValue(field: self.number) }
        guard count <= limit else { throw .tooMany(field: self.number) }
        var values: [Identifier<Kind>] = []
        values.reserveCapacity(count)
        while let value = slice.readInteger(as: UInt128.self) {
            values.append(Identifier(value: value))
        }
        return values
    }

    /// A value of a numbered enumeration; a number that this version does not know is refused.
    package func value<Value: RawRepresentable>(
        as: Value.Type = Value.self
    ) throws(FieldError) -> Value where Value.RawValue: FixedWidthInteger {
        guard let value = Value(rawValue: try self.integer()) else { throw .invalidValue(field: self.number) }
        return value
    }
}

extension ByteBuffer {
    fileprivate func getValidatedText() -> String? {
        self.withUnsafeReadableBytes { String(validating: $0, as: UTF8.self) }
    }
}
