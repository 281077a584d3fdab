// SPDX-License-Identifier: Apache-2.0

/// What a key may hold, and how its text is read, checked and described.
enum ValueKind: Sendable {
    /// Lower-case letters, digits and `-`, 1 to 63 of them.
    case name
    case choice([String])
    case integer(ClosedRange<Int>)
    /// In milliseconds.
    case duration(ClosedRange<Int>)
    /// In bytes.
    case size(ClosedRange<Int>)
    /// In bytes, or `off`.
    case sizeOrOff(ClosedRange<Int>)
    case address
    /// A name or an address, without a port, that can be dialled.
    case host
    /// Of a file; may hold the placeholder of a node's name.
    case path
    case redisURL
    case connection
    /// `50/s burst 200`, or `off`.
    case rate
    /// Addresses and networks, or `none`.
    case networks
    /// `{env: NAME}` or `{file: PATH}`.
    case secret

    /// The description of what is right, for ``ClusterSettings/reference()``.
    var listing: String {
        switch self {
        case .name: "name (lower-case letters, digits and -, at most 63)"
        case .choice(let words): "one of " + words.joined(separator: ", ")
        case .integer(let bounds): "whole number, \(bounds.lowerBound) to \(bounds.upperBound)"
        case .duration(let bounds): "time (\(UnitSystem.time.listing)), \(UnitSystem.time.text(of: bounds))"
        case .size(let bounds): "size (\(UnitSystem.size.listing)), \(UnitSystem.size.text(of: bounds))"
        case .sizeOrOff(let bounds): "\(Self.size(bounds).listing), or \(Self.offWord)"
        case .address: "HOST:PORT"
        case .host: "HOST"
        case .path: "path of a file; \(ClusterSettings.TLS.nodePlaceholder) in it stands for the node's name"
        case .redisURL:
            "redis://[USER@]HOST[:PORT],…[/DATABASE], or redis-sentinel://[USER@]HOST[:PORT],…[/DATABASE]#PRIMARY"
        case .connection: "connection string of libpq (keywords or URI)"
        case .rate: "rate (COUNT/s, /m or /h burst COUNT), or off"
        case .networks: "addresses and networks (192.0.2.7 10.0.0.0/8 2001:db8::/32), or none"
        case .secret: "{env: NAME} or {file: PATH}"
        }
    }

    var isSecret: Bool {
        if case .secret = self { true } else { false }
    }
}

/// The checked value of one key.
enum SettingValue: Sendable {
    case text(String)
    case integer(Int)
    /// Nil is off.
    case integerOrOff(Int?)
    case address(NetworkAddress)
    case redisURL(RedisURL)
    case connection(ConnectionString)
    /// Nil is no limit.
    case rate(Rate?)
    case networks([NetworkPrefix])
    case secret(SecretSource)
}

extension ValueKind {
    /// Reads the text of a scalar. A secret's source is no scalar, so it does not come here.
    func parse(_ text: String) throws(ValueError) -> SettingValue {
        switch self {
        case .name:
            return .text(try Self.name(text))
        case .choice(let words):
            guard words.contains(text) else {
                let nearest = Suggestion.nearest(to: text, among: words).map { "did you mean \($0)? " } ?? ""
                throw ValueError(
                    "\(quoted(text)) is not a choice here",
                    remedy: "\(nearest)write \(words.joined(separator: ", "))"
                )
            }
            return .text(text)
        case .integer(let bounds):
            let digits = bounds.lowerBound < 0 && text.hasPrefix("-") ? text.dropFirst() : text[...]
            guard digits.allSatisfy({ $0.isASCII && $0.isNumber }), let number = Int(text) else {
                throw ValueError(
                    "\(quoted(text)) is not a whole number",
                    remedy: "write a number from \(bounds.lowerBound) to \(bounds.upperBound)"
                )
            }
            return .integer(try Self.check(number, in: bounds, shown: text) { String($0) })
        case .duration(let bounds):
            let value = try UnitSystem.time.parse(text)
            return .integer(try Self.check(value, in: bounds, shown: text, UnitSystem.time.text(of:)))
        case .size(let bounds):
            let value = try UnitSystem.size.parse(text)
            return .integer(try Self.check(value, in: bounds, shown: text, UnitSystem.size.text(of:)))
        case .sizeOrOff(let bounds):
            if text == Self.offWord { return .integerOrOff(nil) }
            let value = try UnitSystem.size.parse(text)
            return .integerOrOff(try Self.check(value, in: bounds, shown: text, UnitSystem.size.text(of:)))
        case .address:
            guard let address = NetworkAddress(text) else {
                throw ValueError("\(quoted(text)) is not HOST:PORT", remedy: "write for example 127.0.0.1:8201")
            }
            return .address(address)
        case .host:
            guard let address = NetworkAddress(host: text, port: 1), !address.isWildcard else {
                throw ValueError(
                    "\(quoted(text)) is not a host that can be dialled",
                    remedy: "write a name or an address without a port"
                )
            }
            return .text(text)
        case .path:
            return .text(try Self.path(text))
        case .redisURL:
            return .redisURL(try RedisURL(text))
        case .connection:
            return .connection(try ConnectionString(text))
        case .rate:
            return .rate(try Rate.parse(text))
        case .networks:
            return .networks(try NetworkPrefix.parseList(text))
        case .secret:
            throw Self.literalSecret
        }
    }

    /// What stands for "not at all" where a size may be left out.
    static let offWord = "off"

    static let literalSecret = ValueError(
        "a secret itself may not stand here",
        remedy: "name where it comes from: {env: NAME} or {file: PATH}"
    )

    private static func name(_ text: String) throws(ValueError) -> String {
        let isValid = text.utf8.allSatisfy { byte in
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"): true
            default: false
            }
        }
        guard isValid, (1...63).contains(text.utf8.count) else {
            throw ValueError(
                "\(quoted(text)) is not a name",
                remedy: "use 1 to 63 lower-case letters, digits and -"
            )
        }
        return text
    }

    private static func path(_ text: String) throws(ValueError) -> String {
        guard !text.isEmpty, !text.utf8.contains(0) else {
            throw ValueError("\(quoted(text)) is not a path", remedy: "name a file")
        }
        let placeholder = ClusterSettings.TLS.nodePlaceholder
        let others = text.split(separator: placeholder, omittingEmptySubsequences: false)
        guard !others.contains(where: { $0.contains("{") || $0.contains("}") }) else {
            throw ValueError(
                "\(quoted(text)) has a placeholder that is not known",
                remedy: "the only one is \(placeholder), for the node's name"
            )
        }
        return text
    }

    private static func check(
        _ value: Int,
        in bounds: ClosedRange<Int>,
        shown text: String,
        _ format: (Int) -> String
    ) throws(ValueError) -> Int {
        guard bounds.contains(value) else {
            let (problem, bound) =
                value < bounds.lowerBound ? ("too small", bounds.lowerBound) : ("too large", bounds.upperBound)
            throw ValueError(
                "\(text) is \(problem): the \(value < bound ? "smallest" : "largest") is \(format(bound))",
                remedy: "write \(format(bounds.lowerBound)) to \(format(bounds.upperBound))"
            )
        }
        return value
    }
}

extension UnitSystem {
    fileprivate func text(of bounds: ClosedRange<Int>) -> String {
        "\(self.text(of: bounds.lowerBound)) to \(self.text(of: bounds.upperBound))"
    }
}
