// SPDX-License-Identifier: Apache-2.0

/// Base64 without padding (RFC 4648 §4 and §5), strict: what decodes, encodes to the same text again.
///
/// So no two texts stand for the same token, and none is accepted that the cluster would not have written.
enum Base64 {
    enum Alphabet {
        case standard
        case url
    }

    static func encode(_ bytes: some Sequence<UInt8>, _ alphabet: Alphabet) -> String {
        let symbols = alphabet == .url ? Self.urlSymbols : Self.standardSymbols
        var text: [UInt8] = []
        var bits: UInt32 = 0
        var count = 0
        for byte in bytes {
            bits = bits << 8 | UInt32(byte)
            count += 8
            while count >= 6 {
                count -= 6
                text.append(symbols[Int(bits >> UInt32(count) & 0x3F)])
            }
        }
        if count > 0 {
            text.append(symbols[Int(bits << UInt32(6 - count) & 0x3F)])
        }
        return String(decoding: text, as: UTF8.self)
    }

    /// Returns nil for a symbol of another alphabet, padding, an impossible length or set bits past the end.
    static func decode(_ text: some Sequence<UInt8>, _ alphabet: Alphabet) -> [UInt8]? {
        var bytes: [UInt8] = []
        var bits: UInt32 = 0
        var count = 0
        for symbol in text {
            guard let value = Self.value(of: symbol, alphabet) else { return nil }
            bits = (bits << 6 | UInt32(value)) & 0x3FFF
            count += 6
            if count >= 8 {
                count -= 8
                bytes.append(UInt8(truncatingIfNeeded: bits >> UInt32(count)))
            }
        }
        guard count < 6, bits & (1 << UInt32(count) - 1) == 0 else { return nil }
        return bytes
    }

    private static let standardSymbols = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)
    private static let urlSymbols = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_".utf8)

    private static func value(of symbol: UInt8, _ alphabet: Alphabet) -> UInt8? {
        switch symbol {
        case UInt8(ascii: "A")...UInt8(ascii: "Z"): symbol - UInt8(ascii: "A")
        case UInt8(ascii: "a")...UInt8(ascii: "z"): symbol - UInt8(ascii: "a") + 26
        case UInt8(ascii: "0")...UInt8(ascii: "9"): symbol - UInt8(ascii: "0") + 52
        case UInt8(ascii: "+") where alphabet == .standard: 62
        case UInt8(ascii: "/") where alphabet == .standard: 63
        case UInt8(ascii: "-") where alphabet == .url: 62
        case UInt8(ascii: "_") where alphabet == .url: 63
        default: nil
        }
    }
}
