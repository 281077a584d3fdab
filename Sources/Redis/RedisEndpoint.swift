// SPDX-License-Identifier: Apache-2.0

/// Where a Redis server listens, and what it wants to be told first.
///
/// Its description holds no password.
package struct RedisEndpoint: Hashable, Sendable {
    package static let portDefault: UInt16 = 6379

    /// A host name or an address; an IPv6 address without brackets.
    package var host: String
    package var port: UInt16
    /// For the access lists of Redis 6; without it `AUTH` names the password alone.
    package var username: String?
    package var password: String?
    package var database: UInt32

    package init(
        host: String,
        port: UInt16 = Self.portDefault,
        username: String? = nil,
        password: String? = nil,
        database: UInt32 = 0
    ) {
        self.host = host
        self.port = port
        self.username = username
        self.password = password
        self.database = database
    }

    /// Reads `redis://[[user]:password@]host[:port][/database]`; user and password may be percent-encoded.
    ///
    /// - Parameter password: The password when it comes from elsewhere; naming it in the URL as well is refused.
    /// - Throws: `.malformedURL` with what is wrong and what would be right, without the password.
    package init(url: String, password: String? = nil) throws(RedisError) {
        guard let schemeEnd = url.firstRange(ofText: "://") else {
            throw Self.malformed("it has no scheme; write redis://host:port/database")
        }
        let scheme = url[..<schemeEnd]
        guard scheme == "redis" else {
            throw Self.malformed("the scheme is \"\(scheme)\" where only redis is known; TLS is not supported")
        }
        var rest = url[url.index(schemeEnd, offsetBy: 3)...]

        var credentials: (username: String?, password: String?) = (nil, nil)
        if let at = rest.lastIndex(of: "@") {
            credentials = try Self.credentials(rest[..<at])
            rest = rest[rest.index(after: at)...]
        }
        if credentials.password != nil, password != nil {
            throw Self.malformed("the password is given twice, in the URL and apart from it")
        }

        var database: UInt32 = 0
        if let slash = rest.firstIndex(of: "/") {
            let text = rest[rest.index(after: slash)...]
            if !text.isEmpty {
                guard let number = Self.number(text, as: UInt32.self) else {
                    throw Self.malformed("the database \"\(text)\" is not a number")
                }
                database = number
            }
            rest = rest[..<slash]
        }

        let (host, port) = try Self.hostAndPort(rest)
        self.init(
            host: host,
            port: port,
            username: credentials.username,
            password: credentials.password ?? password,
            database: database
        )
    }

    // MARK: - Parts of the URL

    private static func credentials(_ text: Substring) throws(RedisError) -> (username: String?, password: String?) {
        guard let colon = text.firstIndex(of: ":") else {
            throw Self.malformed("what stands before @ is neither :password nor user:password")
        }
        guard let username = Self.percentDecoded(text[..<colon]),
            let password = Self.percentDecoded(text[text.index(after: colon)...])
        else { throw Self.malformed("user or password has a percent sign that is not followed by two hex digits") }
        guard !password.isEmpty else { throw Self.malformed("the password before @ is empty") }
        return (username.isEmpty ? nil : username, password)
    }

    private static func hostAndPort(_ text: Substring) throws(RedisError) -> (String, UInt16) {
        var host = text
        var portText: Substring?
        if text.first == "[" {
            guard let bracket = text.firstIndex(of: "]") else {
                throw Self.malformed("the IPv6 address has no closing bracket")
            }
            host = text[text.index(after: text.startIndex)..<bracket]
            let after = text[text.index(after: bracket)...]
            guard after.isEmpty || after.first == ":" else {
                throw Self.malformed("what follows the bracket is not :port")
            }
            portText = after.isEmpty ? nil : after.dropFirst()
        } else if let colon = text.firstIndex(of: ":") {
            host = text[..<colon]
            portText = text[text.index(after: colon)...]
            guard portText?.contains(":") == false else {
                throw Self.malformed("an IPv6 address is written in brackets: redis://[::1]:6379")
            }
        }
        guard !host.isEmpty else { throw Self.malformed("the host is missing") }
        guard host.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F }) else {
            throw Self.malformed("the host holds a character that no host name has")
        }
        guard let portText else { return (String(host), Self.portDefault) }
        guard let port = Self.number(portText, as: UInt16.self), port > 0 else {
            throw Self.malformed("the port \"\(portText)\" is not a number from 1 to 65535")
        }
        return (String(host), port)
    }

    /// Digits only: `Int("+5")` is a number to Swift, not to this.
    private static func number<Number: FixedWidthInteger>(_ text: Substring, as: Number.Type) -> Number? {
        text.utf8.allSatisfy { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) } ? Number(text) : nil
    }

    private static func percentDecoded(_ text: Substring) -> String? {
        var bytes: [UInt8] = []
        var remaining = text.utf8[...]
        while let byte = remaining.popFirst() {
            guard byte == UInt8(ascii: "%") else {
                bytes.append(byte)
                continue
            }
            guard let high = remaining.popFirst(), let low = remaining.popFirst(),
                let value = Self.hexadecimal(high, low)
            else { return nil }
            bytes.append(value)
        }
        return String(validating: bytes, as: UTF8.self)
    }

    private static func hexadecimal(_ high: UInt8, _ low: UInt8) -> UInt8? {
        guard let high = Character(Unicode.Scalar(high)).hexDigitValue,
            let low = Character(Unicode.Scalar(low)).hexDigitValue
        else { return nil }
        return UInt8(high << 4 | low)
    }

    private static func malformed(_ reason: String) -> RedisError {
        RedisError(.malformedURL, "The Redis URL cannot be used: \(reason).")
    }
}

extension RedisEndpoint: CustomStringConvertible {
    package var description: String {
        let host = self.host.contains(":") ? "[\(self.host)]" : self.host
        return "redis://\(self.password == nil ? "" : "***@")\(host):\(self.port)/\(self.database)"
    }
}

extension RedisEndpoint: CustomReflectable {
    /// Keeps the password out of `dump` and of failed expectations.
    package var customMirror: Mirror {
        Mirror(self, children: ["endpoint": self.description])
    }
}

extension String {
    /// Where a text first begins in this one.
    fileprivate func firstRange(ofText text: String) -> String.Index? {
        self.indices.first { self[$0...].hasPrefix(text) }
    }
}
