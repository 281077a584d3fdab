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
        let tag = try self.varint()
        guard tag >> 3 > 0, tag >> 3 <= 0x1FFF_FFFF else { throw .malformedTag }
        let number = Int(tag >> 3)
        switch tag & 7 {
        case 0:
            return Field(number: number, content: .integer(try self.varint()))
        case 1:
            guard self.buffer.readSlice(length: 8) != nil else { throw .truncated }
            return Field(number: number, content: .fixed)
        case 2:
            guard let slice = try self.prefixed() else { throw .truncated }
            return Field(number: number, content: .bytes(slice))
        case 5:
            guard self.buffer.readSlice(length: 4) != nil else { throw .truncated }
            return Field(number: number, content: .fixed)
        default:
            throw .malformedTag
        }
    }

    /// What ``FieldWriter/prefixed(_:)`` wrote, without its length; nil at the end. Not to be mixed with ``next()``.
    package mutating func prefixed() throws(FieldError) -> ByteBuffer? {
        guard self.buffer.readableBytes > 0 else { return nil }
        let count = try self.varint()
        guard count <= UInt64(self.buffer.readableBytes), let slice = self.buffer.readSlice(length: Int(count))
        else { throw .truncated }
        return slice
    }

    private mutating func varint() throws(FieldError) -> UInt64 {
        var value: UInt64 = 0
        for shift in stride(from: UInt64(0), to: 70, by: 7) {
            guard let byte = self.buffer.readInteger(as: UInt8.self) else { throw .truncated }
            value |= UInt64(byte & 0x7F) << shift
            if byte & 0x80 == 0 { return value }
        }
        throw .varintTooLong
    }
}

extension FieldReader.Field {
    package func integer<Value: FixedWidthInteger>(as: Value.Type = Value.self) throws(FieldError) -> Value {
        guard case .integer(let value) = self.content else { throw .wrongType(field: self.number) }
        guard let exact = Value(exactly: value) else { throw .invalidValue(field: self.number) }
        return exact
    }

    package func flag() throws(FieldError) -> Bool {
        try self.integer(as: UInt64.self) != 0
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
        var slice = try self.buffer()
        guard slice.readableBytes == 16, let value = slice.readInteger(as: UInt128.self) else {
            throw .invalidValue(field: self.number)
        }
        return Identifier(value: value)
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
