// SPDX-License-Identifier: Apache-2.0

internal import Messaging

/// Goes over the bytes of one JSON text (RFC 8259) from left to right: what the readers of single commands are made of.
///
/// It takes no memory for what it passes over. Where the grammar is violated it throws `malformed`; what a value has to
/// be is up to who reads it.
struct JSONScanner {
    let bytes: UnsafeRawBufferPointer
    private(set) var position = 0

    /// The bytes have to stay where they are as long as the scanner is used.
    init(_ bytes: UnsafeRawBufferPointer) {
        self.bytes = bytes
    }

    // MARK: - Values

    /// A quoted UUID, of lower or upper case.
    mutating func identifier<Kind>() -> Identifier<Kind>? {
        let start = self.position + 1
        let end = start + UUIDText.count
        guard end < self.bytes.count, self.current == UInt8(ascii: "\""), self.bytes[end] == UInt8(ascii: "\""),
            let value = UUIDText.read(UnsafeRawBufferPointer(rebasing: self.bytes[start..<end]))
        else { return nil }
        self.position = end + 1
        return Identifier(value: value)
    }

    /// Digits without sign, fraction, exponent and leading zeros.
    mutating func integer() -> UInt64? {
        let start = self.position
        var value: UInt64 = 0
        while let byte = self.current, (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) {
            let (product, isTooLarge) = value.multipliedReportingOverflow(by: 10)
            let (sum, isStillTooLarge) = product.addingReportingOverflow(UInt64(byte - UInt8(ascii: "0")))
            guard !isTooLarge, !isStillTooLarge else { return nil }
            value = sum
            self.position += 1
        }
        let digits = self.position - start
        guard digits > 0, digits == 1 || self.bytes[start] != UInt8(ascii: "0") else { return nil }
        switch self.current {
        case UInt8(ascii: "."), UInt8(ascii: "e"), UInt8(ascii: "E"): return nil
        default: return value
        }
    }

    /// A string. Escapes are left to the general decoder, which reads this one value.
    mutating func string() throws(Failure) -> String {
        guard self.current == UInt8(ascii: "\"") else { throw Self.malformed }
        let start = self.position
        let hasEscapes = try self.skipString()
        guard hasEscapes else {
            let text = UnsafeRawBufferPointer(rebasing: self.bytes[(start + 1)..<(self.position - 1)])
            guard let valid = String(validating: text, as: UTF8.self) else { throw Self.malformed }
            return valid
        }
        let quoted = self.bytes[start..<self.position]
        guard let texts = try? JSONBody.decode([String].self, from: [0x5B] + Array(quoted) + [0x5D]),
            let text = texts.first
        else { throw Self.malformed }
        return text
    }

    /// Returns whether there are escapes in it.
    mutating func skipString() throws(Failure) -> Bool {
        self.position += 1
        var hasEscapes = false
        while let byte = self.current {
            self.position += 1
            switch byte {
            case UInt8(ascii: "\""): return hasEscapes
            case UInt8(ascii: "\\"):
                hasEscapes = true
                self.position += 1
            case 0..<0x20: throw Self.malformed
            default: break
            }
        }
        throw Self.malformed
    }

    private static let depthMax = 32

    /// Passes over a value of a field that is not known.
    mutating func skipValue(depth: Int) throws(Failure) {
        guard depth < Self.depthMax else { throw Self.malformed }
        switch self.current {
        case UInt8(ascii: "\""): _ = try self.skipString()
        case UInt8(ascii: "{"), UInt8(ascii: "["):
            let isObject = self.current == UInt8(ascii: "{")
            self.position += 1
            self.skipBlanks()
            if self.take(isObject ? "}" : "]") { return }
            repeat {
                self.skipBlanks()
                if isObject {
                    guard self.current == UInt8(ascii: "\"") else { throw Self.malformed }
                    _ = try self.skipString()
                    self.skipBlanks()
                    try self.expect(":")
                    self.skipBlanks()
                }
                try self.skipValue(depth: depth + 1)
                self.skipBlanks()
            } while self.take(",")
            try self.expect(isObject ? "}" : "]")
        default:
            if self.takeWord("true") || self.takeWord("false") || self.takeWord("null") { return }
            let start = self.position
            while let byte = self.current, Self.isInNumber(byte) { self.position += 1 }
            guard self.position > start else { throw Self.malformed }
        }
    }

    private static func isInNumber(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "+"), UInt8(ascii: "."),
            UInt8(ascii: "e"), UInt8(ascii: "E"):
            true
        default: false
        }
    }

    // MARK: - Bytes

    var isAtEnd: Bool { self.position == self.bytes.count }

    var current: UInt8? {
        self.position < self.bytes.count ? self.bytes[self.position] : nil
    }

    mutating func skipBlanks() {
        while let byte = self.current, byte == 0x20 || byte == 0x0A || byte == 0x0D || byte == 0x09 {
            self.position += 1
        }
    }

    mutating func take(_ character: Unicode.Scalar) -> Bool {
        guard self.current == UInt8(ascii: character) else { return false }
        self.position += 1
        return true
    }

    mutating func takeWord(_ word: StaticString) -> Bool {
        let count = word.utf8CodeUnitCount
        guard self.bytes.count - self.position >= count else { return false }
        let matches = word.withUTF8Buffer { word in
            (0..<count).allSatisfy { self.bytes[self.position + $0] == word[$0] }
        }
        if matches { self.position += count }
        return matches
    }

    mutating func expect(_ character: Unicode.Scalar) throws(Failure) {
        guard self.take(character) else { throw Self.malformed }
    }

    static var malformed: Failure { Failure(.malformed, "This is not valid JSON.") }
}
