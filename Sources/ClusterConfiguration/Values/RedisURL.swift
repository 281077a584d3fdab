// SPDX-License-Identifier: Apache-2.0

/// Where Redis is: one server, a primary and its replicas, or the sentinels that know the primary. It never holds a
/// password.
///
///     redis://[USER@]HOST[:PORT][,HOST[:PORT]…][/DATABASE]
///     redis-sentinel://[USER@]HOST[:PORT][,HOST[:PORT]…][/DATABASE]#PRIMARY
///
/// Several hosts are written as in the connection URIs of libpq and MongoDB; sentinels as Lettuce has it, the client
/// library of that name for Java. Other clients have URLs of their own for sentinels, and there is no standard.
package struct RedisURL: Hashable, Sendable, CustomStringConvertible {
    /// Servers, or sentinels when there is a ``primaryName``. At least one, each once.
    package let addresses: [NetworkAddress]
    /// What the sentinels call the primary; nil where the addresses are those of servers.
    package let primaryName: String?
    /// The user of Redis' access lists, or nil for the default one.
    package let user: String?
    /// The number of the database, 0 unless given.
    package let database: Int

    /// Addresses of one URL.
    static let addressesMax = 16

    /// What a required key holds until it is read. A missing key is a problem, so it is never used.
    static let unset = RedisURL()

    private init() {
        self.addresses = [.unset]
        self.primaryName = nil
        self.user = nil
        self.database = 0
    }

    package var description: String {
        let user = self.user.map { "\($0)@" } ?? ""
        let addresses = self.addresses.map(\.description).joined(separator: ",")
        let database = self.database == 0 ? "" : "/\(self.database)"
        guard let name = self.primaryName else { return "redis://\(user)\(addresses)\(database)" }
        return "redis-sentinel://\(user)\(addresses)\(database)#\(name)"
    }

    private static let serverRemedy = "write redis://HOST:PORT or redis://USER@HOST:PORT,HOST:PORT/DATABASE"
    private static let sentinelRemedy =
        "write redis-sentinel://HOST:PORT,HOST:PORT#NAME, as the sentinels call the primary"

    /// No message repeats the text, for it may hold a password.
    init(_ text: String) throws(ValueError) {
        let isOfSentinels = try Self.scheme(of: text)
        let remedy = isOfSentinels ? Self.sentinelRemedy : Self.serverRemedy
        var rest = text.drop { $0 != ":" }.dropFirst("://".count)
        if let hash = rest.firstIndex(of: "#") {
            guard isOfSentinels else {
                throw ValueError(
                    "a name after # is for sentinels only",
                    remedy: "remove it, or begin with redis-sentinel:// if the addresses are those of sentinels"
                )
            }
            self.primaryName = try Self.primaryName(rest[rest.index(after: hash)...])
            rest = rest[..<hash]
        } else {
            guard !isOfSentinels else { throw ValueError("it does not name the primary", remedy: remedy) }
            self.primaryName = nil
        }
        self.user = try Self.takeUser(&rest)
        var database = 0
        if let slash = rest.firstIndex(of: "/") {
            let digits = rest[rest.index(after: slash)...]
            if !digits.isEmpty {
                guard digits.allSatisfy({ $0.isASCII && $0.isNumber }), let number = Int(digits), number <= 65_535
                else {
                    throw ValueError("the part after the address is not the number of a database", remedy: remedy)
                }
                database = number
            }
            rest = rest[..<slash]
        }
        self.database = database
        self.addresses = try Self.addresses(rest, portDefault: isOfSentinels ? 26_379 : 6379, remedy: remedy)
    }

    // MARK: - Parts

    /// Whether it is that of sentinels.
    private static func scheme(of text: String) throws(ValueError) -> Bool {
        if text.hasPrefix("redis://") { return false }
        if text.hasPrefix("redis-sentinel://") { return true }
        if text.hasPrefix("rediss") {
            throw ValueError(
                "TLS to Redis is not offered",
                remedy: "write redis:// and keep the link on a private network"
            )
        }
        if text.hasPrefix("redis+sentinel://") || text.hasPrefix("sentinel://") {
            throw ValueError("sentinels are named in another way here", remedy: Self.sentinelRemedy)
        }
        throw ValueError("it is not a redis:// URL", remedy: Self.serverRemedy)
    }

    private static func primaryName(_ text: Substring) throws(ValueError) -> String {
        // Redis allows these in the name of a primary that is monitored.
        let isValid = text.utf8.allSatisfy { byte in
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "."), UInt8(ascii: "-"), UInt8(ascii: "_"):
                true
            default: false
            }
        }
        guard isValid, (1...128).contains(text.utf8.count) else {
            throw ValueError(
                "what follows # is not the name of a primary",
                remedy: "write it as in `sentinel monitor NAME …`: letters, digits, dots, - and _"
            )
        }
        return String(text)
    }

    private static func takeUser(_ rest: inout Substring) throws(ValueError) -> String? {
        guard let at = rest.lastIndex(of: "@") else { return nil }
        let credentials = rest[..<at]
        guard !credentials.contains(":") else {
            throw ValueError(
                "it holds a password",
                remedy: "take it out and name its source: password: {env: NAME} or {file: PATH}"
            )
        }
        rest = rest[rest.index(after: at)...]
        return credentials.isEmpty ? nil : String(credentials)
    }

    private static func addresses(
        _ text: Substring,
        portDefault: Int,
        remedy: String
    ) throws(ValueError) -> [NetworkAddress] {
        let parts = text.split(separator: ",", omittingEmptySubsequences: false)
        guard parts.count <= Self.addressesMax else {
            throw ValueError("it has \(parts.count) addresses", remedy: "name at most \(Self.addressesMax)")
        }
        var addresses: [NetworkAddress] = []
        for part in parts {
            let hasPort = part.hasSuffix("]") ? false : part.contains(":")
            guard let address = NetworkAddress(hasPort ? String(part) : "\(part):\(portDefault)") else {
                throw ValueError("its address is not HOST:PORT", remedy: remedy)
            }
            guard !addresses.contains(where: { $0.normalized == address.normalized }) else {
                throw ValueError("\(address) stands in it twice", remedy: "name each address once")
            }
            addresses.append(address)
        }
        return addresses
    }
}
