// SPDX-License-Identifier: Apache-2.0

/// The canonical text of 128 bits (RFC 9562 §4): 32 hexadecimal digits in groups of 8, 4, 4, 4 and 12 with hyphens
/// between them. Written in lower case, read in either.
package enum UUIDText {
    /// Characters, and bytes of ASCII.
    package static let count = 36

    private static let hyphen = UInt8(ascii: "-")

    /// Reads ``count`` bytes. Returns nil for other bytes, and for more or fewer.
    package static func read(_ text: UnsafeRawBufferPointer) -> UInt128? {
        guard text.count == Self.count, text[8] == Self.hyphen, text[13] == Self.hyphen, text[18] == Self.hyphen,
            text[23] == Self.hyphen
        else { return nil }
        // The digits are looked at together at the end: a wrong one sets the bits above four.
        var wrong: UInt8 = 0
        func digits(_ range: Range<Int>, after value: UInt64) -> UInt64 {
            var value = value
            for index in range {
                let digit = Self.digit(text[index])
                wrong |= digit
                value = value << 4 | UInt64(digit & 0xF)
            }
            return value
        }
        let high = digits(14..<18, after: digits(9..<13, after: digits(0..<8, after: 0)))
        let low = digits(24..<36, after: digits(19..<23, after: 0))
        guard wrong < 16 else { return nil }
        return UInt128(high) << 64 | UInt128(low)
    }

    /// Writes ``count`` bytes; the buffer has to have room for them.
    package static func write(_ value: UInt128, to text: UnsafeMutableBufferPointer<UInt8>) {
        precondition(text.count >= Self.count)
        func write(_ half: UInt64, _ range: Range<Int>, _ shift: inout UInt64) {
            for index in range {
                shift -= 4
                let digit = UInt8(truncatingIfNeeded: half >> shift) & 0xF
                text[index] = digit < 10 ? UInt8(ascii: "0") + digit : UInt8(ascii: "a") + digit - 10
            }
        }
        let high = UInt64(truncatingIfNeeded: value >> 64)
        let low = UInt64(truncatingIfNeeded: value)
        var shift: UInt64 = 64
        write(high, 0..<8, &shift)
        write(high, 9..<13, &shift)
        write(high, 14..<18, &shift)
        shift = 64
        write(low, 19..<23, &shift)
        write(low, 24..<36, &shift)
        for index in [8, 13, 18, 23] { text[index] = Self.hyphen }
    }

    /// 0 to 15, or more for what is no digit.
    @inline(__always)
    private static func digit(_ byte: UInt8) -> UInt8 {
        switch byte {
        case UInt8(ascii: "0")...UInt8(ascii: "9"): byte - UInt8(ascii: "0")
        case UInt8(ascii: "a")...UInt8(ascii: "f"): byte - UInt8(ascii: "a") + 10
        case UInt8(ascii: "A")...UInt8(ascii: "F"): byte - UInt8(ascii: "A") + 10
        default: .max
        }
    }
}
