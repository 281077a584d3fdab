// SPDX-License-Identifier: Apache-2.0

extension ConnectionString {
    /// `keyword = value` pairs; a value may stand in single quotes, and a backslash takes the next character as it is.
    static func parseKeywords(_ text: String) throws(ValueError) -> [Parameter] {
        let remedy = "write keyword=value pairs with spaces between, or a postgresql:// URI"
        var parameters: [Parameter] = []
        var rest = text[...]
        while true {
            rest = rest.drop(while: \.isWhitespace)
            if rest.isEmpty { return parameters }
            let keyword = rest.prefix { $0 != "=" && !$0.isWhitespace }
            rest = rest.dropFirst(keyword.count).drop(while: \.isWhitespace)
            guard rest.first == "=", !keyword.isEmpty else {
                throw ValueError("a keyword in it has no \"=\" behind it", remedy: remedy)
            }
            rest = rest.dropFirst().drop(while: \.isWhitespace)
            let isQuoted = rest.first == "'"
            if isQuoted { rest = rest.dropFirst() }
            var value = ""
            var isClosed = !isQuoted
            while let character = rest.first, isQuoted || !character.isWhitespace {
                rest = rest.dropFirst()
                if isQuoted, character == "'" {
                    isClosed = true
                    break
                }
                if character == "\\" {
                    guard let escaped = rest.first else { break }
                    rest = rest.dropFirst()
                    value.append(escaped)
                } else {
                    value.append(character)
                }
            }
            guard isClosed else {
                throw ValueError("a quoted value in it has no closing quote", remedy: remedy)
            }
            parameters.append(Parameter(keyword: String(keyword), value: value))
        }
    }

    /// `postgresql://[USER[:PASSWORD]@][HOST[:PORT],…][/DATABASE][?KEYWORD=VALUE&…]`
    static func parseURI(_ text: String) throws(ValueError) -> [Parameter] {
        var parameters: [Parameter] = []
        let afterScheme = text.dropFirst(text.hasPrefix("postgresql://") ? 13 : 11)
        let parts = afterScheme.split(separator: "?", maxSplits: 1, omittingEmptySubsequences: false)
        var authority = parts[0]
        var database: Substring?
        // A user or password may hold a "/" only percent-encoded, so the first one ends the hosts.
        if let slash = authority.firstIndex(of: "/") {
            database = authority[authority.index(after: slash)...]
            authority = authority[..<slash]
        }
        if let at = authority.lastIndex(of: "@") {
            let credentials = authority[..<at].split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
            parameters.append(Parameter(keyword: "user", value: try Self.decode(credentials[0])))
            if credentials.count == 2 {
                parameters.append(Parameter(keyword: "password", value: try Self.decode(credentials[1])))
            }
            authority = authority[authority.index(after: at)...]
        }
        let (hosts, ports) = try Self.parseHosts(authority)
        if !hosts.isEmpty { parameters.append(Parameter(keyword: "host", value: hosts)) }
        if !ports.isEmpty { parameters.append(Parameter(keyword: "port", value: ports)) }
        if let database, !database.isEmpty {
            parameters.append(Parameter(keyword: "dbname", value: try Self.decode(database)))
        }
        guard parts.count == 2 else { return parameters }
        for pair in parts[1].split(separator: "&") {
            let sides = pair.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            guard sides.count == 2 else {
                throw ValueError("a parameter of the URI has no \"=\"", remedy: "write ?keyword=value&keyword=value")
            }
            parameters.append(Parameter(keyword: try Self.decode(sides[0]), value: try Self.decode(sides[1])))
        }
        return parameters
    }

    /// Hosts and ports as libpq's keywords hold them: two lists with commas, of the same length.
    private static func parseHosts(_ authority: Substring) throws(ValueError) -> (hosts: String, ports: String) {
        var hosts: [String] = []
        var ports: [String] = []
        for entry in authority.split(separator: ",", omittingEmptySubsequences: false) {
            var host = entry
            var port: Substring = ""
            if let colon = entry.lastIndex(of: ":"), !entry.hasSuffix("]") {
                host = entry[..<colon]
                port = entry[entry.index(after: colon)...]
                guard port.isEmpty || (1...65_535).contains(Int(port) ?? 0) else {
                    throw ValueError("a port in the URI is not a number from 1 to 65535", remedy: "write HOST:PORT")
                }
            }
            if host.hasPrefix("["), host.hasSuffix("]") { host = host.dropFirst().dropLast() }
            hosts.append(try Self.decode(host))
            ports.append(String(port))
        }
        let isEmpty = hosts.allSatisfy(\.isEmpty)
        let hasPorts = ports.contains { !$0.isEmpty }
        return (isEmpty ? "" : hosts.joined(separator: ","), hasPorts ? ports.joined(separator: ",") : "")
    }

    private static func decode(_ text: Substring) throws(ValueError) -> String {
        var bytes: [UInt8] = []
        var rest = Array(text.utf8)[...]
        while let byte = rest.popFirst() {
            guard byte == UInt8(ascii: "%") else {
                bytes.append(byte)
                continue
            }
            guard let value = UInt8(String(decoding: rest.prefix(2), as: UTF8.self), radix: 16), rest.count >= 2 else {
                throw ValueError("a % in the URI is not followed by two hexadecimal digits", remedy: "write % as %25")
            }
            bytes.append(value)
            rest = rest.dropFirst(2)
        }
        return String(decoding: bytes, as: UTF8.self)
    }
}
