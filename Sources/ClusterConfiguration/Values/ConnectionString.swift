// SPDX-License-Identifier: Apache-2.0

/// A libpq connection string, in either of its forms (PostgreSQL 15 manual §34.1.1).
///
/// It is taken apart only to check it early and to hide the password; libpq itself reads the original text.
package struct ConnectionString: Hashable, Sendable {
    /// What libpq is given. May hold a password: never log it.
    package let exposedText: String
    /// Keyword and value in the order of the text; a URI's parts stand under their keywords.
    let parameters: [Parameter]
    let isURI: Bool

    struct Parameter: Hashable, Sendable {
        var keyword: String
        var value: String
    }

    /// What a required key holds until it is read. A missing key is a problem, so it is never used.
    static let unset = ConnectionString()

    private init() {
        self.exposedText = ""
        self.parameters = []
        self.isURI = false
    }

    /// No message repeats a value, for it may be a password.
    init(_ text: String) throws(ValueError) {
        self.exposedText = text
        self.isURI = text.hasPrefix("postgresql://") || text.hasPrefix("postgres://")
        self.parameters = self.isURI ? try Self.parseURI(text) : try Self.parseKeywords(text)
        for parameter in self.parameters where !Self.keywords.contains(parameter.keyword) {
            let nearest = Suggestion.nearest(to: parameter.keyword, among: Self.keywords)
            throw ValueError(
                "\(quoted(parameter.keyword)) is not a keyword of libpq",
                remedy: nearest.map { "did you mean \($0)?" }
                    ?? "see \"Parameter Key Words\" in the manual of PostgreSQL"
            )
        }
        guard self["dbname"] != nil || self["service"] != nil else {
            throw ValueError("it names no database", remedy: "add dbname=NAME, or /NAME to a URI")
        }
    }

    /// What is wrong with a connection string that is to be stored in the cluster, and what would be right; nil when
    /// nothing is.
    package static func problem(in text: String) -> (message: String, remedy: String)? {
        do throws(ValueError) {
            guard try ConnectionString(text).holdsPassword else { return nil }
            return (
                "it holds a password, which every shard would store", "leave it out and put it into libpq's PGPASSFILE"
            )
        } catch {
            return (error.message, error.remedy)
        }
    }

    /// The value of a keyword, or nil where it is missing or empty.
    subscript(keyword: String) -> String? {
        let value = self.parameters.last { $0.keyword == keyword }?.value
        return value?.isEmpty == false ? value : nil
    }

    /// Whether the password stands in the text itself.
    package var holdsPassword: Bool { self["password"] != nil }

    /// The text with every secret in it replaced by `***`, always in the form of keywords.
    package var masked: String {
        self.parameters.map { parameter in
            let value = Self.secretKeywords.contains(parameter.keyword) ? "***" : Self.quote(parameter.value)
            return "\(parameter.keyword)=\(value)"
        }.joined(separator: " ")
    }

    /// What libpq is given when the password comes from elsewhere.
    package func adding(password: Secret) -> Secret {
        if self.isURI {
            let separator = self.exposedText.contains("?") ? "&" : "?"
            let encoded = password.exposedBytes.map(Self.percentEncoded).joined()
            return Secret("\(self.exposedText)\(separator)password=\(encoded)")
        }
        return Secret("\(self.exposedText) password=\(Self.quote(password.exposedText, always: true))")
    }

    private static let secretKeywords: Set<String> = ["password", "sslpassword"]

    private static let keywords = [
        "host", "hostaddr", "port", "dbname", "user", "password", "passfile", "require_auth", "channel_binding",
        "connect_timeout", "client_encoding", "options", "application_name", "fallback_application_name", "keepalives",
        "keepalives_idle", "keepalives_interval", "keepalives_count", "tcp_user_timeout", "replication", "gssencmode",
        "sslmode", "sslnegotiation", "sslcompression", "sslcert", "sslkey", "sslpassword", "sslcertmode", "sslrootcert",
        "sslcrl", "sslcrldir", "sslsni", "requirepeer", "ssl_min_protocol_version", "ssl_max_protocol_version",
        "krbsrvname", "gsslib", "gssdelegation", "service", "target_session_attrs", "load_balance_hosts",
    ]

    private static func quote(_ value: String, always: Bool = false) -> String {
        let special: Set<Character> = ["'", "\\"]
        guard always || value.isEmpty || value.contains(where: { $0.isWhitespace || special.contains($0) }) else {
            return value
        }
        return "'" + value.map { special.contains($0) ? "\\\($0)" : String($0) }.joined() + "'"
    }

    private static func percentEncoded(_ byte: UInt8) -> String {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"):
            return String(UnicodeScalar(byte))
        default:
            let digits = String(byte, radix: 16, uppercase: true)
            return "%" + (digits.count == 1 ? "0" : "") + digits
        }
    }
}

extension ConnectionString: CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
    package var description: String { self.masked }
    package var debugDescription: String { self.masked }
    package var customMirror: Mirror { Mirror(self, children: ["masked": self.masked]) }
}
