// SPDX-License-Identifier: Apache-2.0

/// Where an edge answers: `http://HOST:PORT`.
package struct EdgeAddress: Hashable, Sendable {
    package var host: String
    package var port: Int

    package init(host: String, port: Int) {
        self.host = host
        self.port = port
    }

    /// Reads `http://HOST:PORT`, with or without a `/` at the end; IPv6 addresses stand in brackets. Without a port it
    /// is 80. Returns nil for anything else, `https` included: this client speaks no TLS.
    package init?(_ text: String) {
        let scheme = "http://"
        guard text.lowercased().hasPrefix(scheme) else { return nil }
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
        var port = 80
        if let portText {
            guard portText.utf8.allSatisfy({ UInt8(ascii: "0")...UInt8(ascii: "9") ~= $0 }),
                let number = UInt16(portText), number > 0
            else { return nil }
            port = Int(number)
        }
        guard !host.isEmpty else { return nil }
        self.init(host: String(host), port: port)
    }

    /// The value of the `Host` field.
    package var authority: String {
        self.host.contains(":") ? "[\(self.host)]:\(self.port)" : "\(self.host):\(self.port)"
    }

    package var url: String { "http://\(self.authority)" }
}

extension EdgeAddress: CustomStringConvertible {
    package var description: String { self.url }
}
