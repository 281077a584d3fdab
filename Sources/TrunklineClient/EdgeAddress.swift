// SPDX-License-Identifier: Apache-2.0

/// Where an edge answers: `http://HOST:PORT`, or `https://` where it speaks TLS.
package struct EdgeAddress: Hashable, Sendable {
    package var host: String
    package var port: Int
    /// Whether it is spoken to over TLS.
    package var isSecure: Bool

    private static let schemes = [("http://", false), ("ws://", false), ("https://", true), ("wss://", true)]

    package init(host: String, port: Int, isSecure: Bool = false) {
        self.host = host
        self.port = port
        self.isSecure = isSecure
    }

    /// Reads `http://HOST:PORT`, with or without a `/` at the end; IPv6 addresses stand in brackets. `https` is TLS, and
    /// `ws` and `wss` mean the same as they. Without a port it is 80, with TLS 443. Returns nil for anything else.
    package init?(_ text: String) {
        let lowered = text.lowercased()
        guard let (scheme, isSecure) = Self.schemes.first(where: { lowered.hasPrefix($0.0) }) else { return nil }
        var rest = text.dropFirst(scheme.count)
        if rest.hasSuffix("/") { rest.removeLast() }
        guard rest.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F }), !rest.contains("/"), !rest.contains("@"),
            !rest.contains("?"), !rest.contains("#")
        else { return nil }
        var host = rest
        var portText: Substring?
        if rest.hasPrefix("[") {
            guard let end = rest.firstIndex(of: "]") else { return nil }
            host = rest[rest.index(after: rest.startIndex)..<end]
            let behind = rest[rest.index(after: end)...]
            guard behind.isEmpty || behind.hasPrefix(":") else { return nil }
            portText = behind.isEmpty ? nil : behind.dropFirst()
        } else if let colon = rest.firstIndex(of: ":") {
            host = rest[..<colon]
            portText = rest[rest.index(after: colon)...]
            guard portText?.contains(":") != true else { return nil }
        }
        var port = isSecure ? 443 : 80
        if let portText {
            guard portText.utf8.allSatisfy({ UInt8(ascii: "0")...UInt8(ascii: "9") ~= $0 }),
                let number = UInt16(portText), number > 0
            else { return nil }
            port = Int(number)
        }
        guard !host.isEmpty else { return nil }
        self.init(host: String(host), port: port, isSecure: isSecure)
    }

    /// The value of the `Host` field.
    package var authority: String {
        self.host.contains(":") ? "[\(self.host)]:\(self.port)" : "\(self.host):\(self.port)"
    }

    package var url: String { "\(self.isSecure ? "https" : "http")://\(self.authority)" }

    /// The same by another host and port, such as an edge tells of its neighbours: what one speaks, all speak.
    func neighbour(_ authority: String) -> EdgeAddress? {
        EdgeAddress("\(self.isSecure ? "https" : "http")://\(authority)")
    }
}

extension EdgeAddress: CustomStringConvertible {
    package var description: String { self.url }
}
