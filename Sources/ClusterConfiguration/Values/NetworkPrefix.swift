// SPDX-License-Identifier: Apache-2.0

#if canImport(Glibc)
    import Glibc
#endif

/// An IPv4 or IPv6 address. An IPv4 address is held as its IPv4-mapped IPv6 address (RFC 4291 §2.5.5.2), so the two
/// spellings of one host are one value.
package struct IPAddress: Hashable, Sendable {
    /// The 128 bits in the order of the network, in two halves.
    package let high: UInt64
    package let low: UInt64

    package init(high: UInt64, low: UInt64) {
        self.high = high
        self.low = low
    }

    /// - Parameter bits: As a number: 127.0.0.1 is 0x7F000001.
    package init(version4 bits: UInt32) {
        self.init(high: 0, low: 0xFFFF_0000_0000 | UInt64(bits))
    }

    /// Reads an address without brackets, port or zone. Returns nil for anything else.
    package init?(_ text: String) {
        var version4 = in_addr()
        var version6 = in6_addr()
        if inet_pton(AF_INET, text, &version4) == 1 {
            self.init(version4: UInt32(bigEndian: version4.s_addr))
        } else if inet_pton(AF_INET6, text, &version6) == 1 {
            self = withUnsafeBytes(of: version6) { Self(networkBytes: $0) }
        } else {
            return nil
        }
    }

    /// - Parameter bytes: 16 bytes in the order of the network.
    package init(networkBytes bytes: UnsafeRawBufferPointer) {
        self.init(
            high: UInt64(bigEndian: bytes.loadUnaligned(fromByteOffset: 0, as: UInt64.self)),
            low: UInt64(bigEndian: bytes.loadUnaligned(fromByteOffset: 8, as: UInt64.self))
        )
    }

    package var isVersion4: Bool { self.high == 0 && self.low >> 32 == 0xFFFF }
}

/// A network, or one address, as it is written in `cluster.yaml`: `10.0.0.0/8`, `192.0.2.7`, `2001:db8::/32`.
package struct NetworkPrefix: Hashable, Sendable {
    private let address: IPAddress
    /// Leading bits of the 128 that count.
    private let bits: Int

    /// Reads an address, with `/BITS` for a network. Returns nil for anything else.
    package init?(_ text: Substring) {
        let parts = text.split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false)
        guard let address = IPAddress(String(parts[0])) else { return nil }
        let width = address.isVersion4 && !parts[0].contains(":") ? 32 : 128
        var bits = width
        if parts.count == 2 {
            guard parts[1].allSatisfy({ $0.isASCII && $0.isNumber }), let number = Int(parts[1]), number <= width
            else { return nil }
            bits = number
        }
        self.address = address
        self.bits = bits + 128 - width
    }

    package func contains(_ other: IPAddress) -> Bool {
        let highBits = min(self.bits, 64)
        let lowBits = self.bits - highBits
        return Self.agree(self.address.high, other.high, bits: highBits)
            && Self.agree(self.address.low, other.low, bits: lowBits)
    }

    /// A shift by 64 gives 0, so no bits always agree.
    private static func agree(_ one: UInt64, _ other: UInt64, bits: Int) -> Bool {
        (one ^ other) >> UInt64(64 - bits) == 0
    }

    /// What stands for an empty list.
    static let noneWord = "none"

    /// Reads a list separated by spaces or commas, or `none`.
    static func parseList(_ text: String) throws(ValueError) -> [NetworkPrefix] {
        if text == Self.noneWord { return [] }
        let words = text.split { $0 == " " || $0 == "," }
        var prefixes: [NetworkPrefix] = []
        for word in words {
            guard let prefix = NetworkPrefix(word) else {
                throw ValueError(
                    "\(quoted(String(word))) is not an address or a network",
                    remedy: "write for example 10.0.0.0/8 2001:db8::7, or none"
                )
            }
            prefixes.append(prefix)
        }
        guard !prefixes.isEmpty else {
            throw ValueError("the list is empty", remedy: "write addresses or networks, or none")
        }
        return prefixes
    }
}
