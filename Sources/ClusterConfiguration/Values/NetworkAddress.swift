// SPDX-License-Identifier: Apache-2.0

#if canImport(Glibc)
    import Glibc
#endif

/// A TCP address as it is written in `cluster.yaml`: `127.0.0.1:8201`, `edge-1.example.org:443`, `[::1]:8201`.
package struct NetworkAddress: Hashable, Sendable, CustomStringConvertible {
    /// A name, or an IPv4 or IPv6 address without brackets.
    package let host: String
    /// 1 to 65,535.
    package let port: Int

    /// What a required key holds until it is read. A missing key is a problem, so it is never used.
    static let unset = NetworkAddress()

    private init() {
        self.host = ""
        self.port = 0
    }

    /// Returns nil unless the host is a name or an address and the port is 1 to 65,535.
    package init?(host: String, port: Int) {
        guard (1...65_535).contains(port), Self.isVersion6(host) || Self.isNameOrVersion4(host) else { return nil }
        self.host = host
        self.port = port
    }

    /// Reads `HOST:PORT`; an IPv6 address stands in brackets. Returns nil for anything else.
    package init?(_ text: String) {
        guard let colon = text.lastIndex(of: ":") else { return nil }
        let host = text[..<colon]
        let digits = text[text.index(after: colon)...]
        guard digits.count <= 5, digits.allSatisfy({ $0.isASCII && $0.isNumber }), let port = Int(digits) else {
            return nil
        }
        if host.hasPrefix("["), host.hasSuffix("]") {
            let inner = String(host.dropFirst().dropLast())
            guard Self.isVersion6(inner) else { return nil }
            self.init(host: inner, port: port)
        } else {
            guard !host.contains(":") else { return nil }
            self.init(host: String(host), port: port)
        }
    }

    package var description: String {
        self.host.contains(":") ? "[\(self.host)]:\(self.port)" : "\(self.host):\(self.port)"
    }

    /// Whether it stands for all addresses of a machine: right for listening, useless for dialling.
    package var isWildcard: Bool {
        self.host == "0.0.0.0" || self.host == "::"
    }

    /// Equal for two spellings of the same loopback address.
    var normalized: String {
        self.host == "localhost" ? "127.0.0.1:\(self.port)" : self.description.lowercased()
    }

    private static func isVersion6(_ text: String) -> Bool {
        var address = in6_addr()
        return inet_pton(AF_INET6, text, &address) == 1
    }

    private static func isNameOrVersion4(_ text: String) -> Bool {
        let labels = text.split(separator: ".", omittingEmptySubsequences: false)
        guard text.utf8.count <= 253, labels.allSatisfy(Self.isLabel) else { return false }
        // Only an IPv4 address may end in a label of digits (RFC 1123 §2.1).
        guard let last = labels.last, last.allSatisfy(\.isNumber) else { return true }
        var address = in_addr()
        return inet_pton(AF_INET, text, &address) == 1
    }

    private static func isLabel(_ label: Substring) -> Bool {
        (1...63).contains(label.utf8.count) && !label.hasPrefix("-") && !label.hasSuffix("-")
            && label.utf8.allSatisfy { byte in
                switch byte {
                case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                    UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "_"):
                    true
                default: false
                }
            }
    }
}
