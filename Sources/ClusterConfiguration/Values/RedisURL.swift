// SPDX-License-Identifier: Apache-2.0

/// Where Redis is: `redis://[USER@]HOST[:PORT][/DATABASE]`. It never holds the password.
package struct RedisURL: Hashable, Sendable, CustomStringConvertible {
    package let address: NetworkAddress
    /// The user of Redis' access lists, or nil for the default one.
    package let user: String?
    /// The number of the database, 0 unless given.
    package let database: Int

    /// What a required key holds until it is read. A missing key is a problem, so it is never used.
    static let unset = RedisURL()

    private init() {
        self.address = .unset
        self.user = nil
        self.database = 0
    }

    package var description: String {
        let user = self.user.map { "\($0)@" } ?? ""
        return "redis://\(user)\(self.address)" + (self.database == 0 ? "" : "/\(self.database)")
    }

    private static let remedy = "write redis://HOST:PORT or redis://USER@HOST:PORT/DATABASE"

    /// No message repeats the text, for it may hold a password.
    init(_ text: String) throws(ValueError) {
        if text.hasPrefix("rediss://") {
            throw ValueError(
                "TLS to Redis is not offered",
                remedy: "write redis:// and keep the link on a private network"
            )
        }
        guard text.hasPrefix("redis://") else {
            throw ValueError("it is not a redis:// URL", remedy: Self.remedy)
        }
        var rest = text.dropFirst("redis://".count)
        var user: String?
        if let at = rest.lastIndex(of: "@") {
            let credentials = rest[..<at]
            guard !credentials.contains(":") else {
                throw ValueError(
                    "it holds a password",
                    remedy: "take it out and name its source: password: {env: NAME} or {file: PATH}"
                )
            }
            user = credentials.isEmpty ? nil : String(credentials)
            rest = rest[rest.index(after: at)...]
        }
        var database = 0
        if let slash = rest.firstIndex(of: "/") {
            let digits = rest[rest.index(after: slash)...]
            if !digits.isEmpty {
                guard digits.allSatisfy({ $0.isASCII && $0.isNumber }), let number = Int(digits), number <= 65_535
                else {
                    throw ValueError("the part after the address is not the number of a database", remedy: Self.remedy)
                }
                database = number
            }
            rest = rest[..<slash]
        }
        let hasPort = rest.hasSuffix("]") ? false : rest.contains(":")
        guard let address = NetworkAddress(hasPort ? String(rest) : "\(rest):6379") else {
            throw ValueError("its address is not HOST:PORT", remedy: Self.remedy)
        }
        self.address = address
        self.user = user
        self.database = database
    }
}
