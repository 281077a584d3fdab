// SPDX-License-Identifier: Apache-2.0

/// What happens when a key is not given.
enum Presence: Sendable {
    case required
    case optional
    /// The text of the default, as a person would write it.
    case defaulted(String)
    /// The default of a secret: the name of an environment variable.
    case defaultedToVariable(String)
}

/// One key of `cluster.yaml`: everything that is known about it, written once.
struct KeyDescription: Sendable {
    /// Its name within its section; `clients.certificate` where the section has one more level.
    var name: String
    var kind: ValueKind
    var presence: Presence
    /// One sentence, for the reference.
    var summary: String
}

/// A key together with the property of `Root` that it fills.
struct SettingKey<Root: Sendable>: Sendable {
    var description: KeyDescription
    var assign: @Sendable (inout Root, SettingValue) -> Void

    var name: String { self.description.name }
}

extension SettingKey {
    typealias Target<Value> = any WritableKeyPath<Root, Value> & Sendable

    static func name(_ name: String, _ target: Target<String>, _ summary: String) -> Self {
        Self(description: KeyDescription(name: name, kind: .name, presence: .required, summary: summary)) {
            root,
            value in
            if case .text(let text) = value { root[keyPath: target] = text }
        }
    }

    static func choice<Choice: RawRepresentable<String> & CaseIterable & Sendable>(
        _ name: String,
        _ target: Target<Choice>,
        default presence: Presence,
        _ summary: String
    ) -> Self {
        let kind = ValueKind.choice(Choice.allCases.map(\.rawValue))
        return Self(description: KeyDescription(name: name, kind: kind, presence: presence, summary: summary)) {
            root,
            value in
            if case .text(let text) = value, let choice = Choice(rawValue: text) { root[keyPath: target] = choice }
        }
    }

    static func integer(
        _ name: String,
        _ target: Target<Int>,
        default standard: Int,
        _ bounds: ClosedRange<Int>,
        _ summary: String
    ) -> Self {
        Self.number(name, .integer(bounds), default: String(standard), summary) { root, value in
            root[keyPath: target] = value
        }
    }

    static func size(
        _ name: String,
        _ target: Target<Int>,
        default standard: Int,
        _ bounds: ClosedRange<Int>,
        _ summary: String
    ) -> Self {
        Self.number(name, .size(bounds), default: UnitSystem.size.text(of: standard), summary) { root, value in
            root[keyPath: target] = value
        }
    }

    static func sizeOrOff(
        _ name: String,
        _ target: Target<Int?>,
        default standard: Int?,
        _ bounds: ClosedRange<Int>,
        _ summary: String
    ) -> Self {
        let presence = Presence.defaulted(standard.map(UnitSystem.size.text(of:)) ?? ValueKind.offWord)
        let kind = ValueKind.sizeOrOff(bounds)
        return Self(description: KeyDescription(name: name, kind: kind, presence: presence, summary: summary)) {
            root,
            value in
            if case .integerOrOff(let number) = value { root[keyPath: target] = number }
        }
    }

    static func time(
        _ name: String,
        _ target: Target<Duration>,
        default standard: Duration,
        _ bounds: ClosedRange<Duration>,
        _ summary: String
    ) -> Self {
        let kind = ValueKind.duration(bounds.lowerBound.wholeMilliseconds...bounds.upperBound.wholeMilliseconds)
        let text = UnitSystem.time.text(of: standard.wholeMilliseconds)
        return Self.number(name, kind, default: text, summary) { root, value in
            root[keyPath: target] = .milliseconds(value)
        }
    }

    static func address(_ name: String, _ target: Target<NetworkAddress>, _ summary: String) -> Self {
        Self(description: KeyDescription(name: name, kind: .address, presence: .required, summary: summary)) {
            root,
            value in
            if case .address(let address) = value { root[keyPath: target] = address }
        }
    }

    static func optionalAddress(_ name: String, _ target: Target<NetworkAddress?>, _ summary: String) -> Self {
        Self(description: KeyDescription(name: name, kind: .address, presence: .optional, summary: summary)) {
            root,
            value in
            if case .address(let address) = value { root[keyPath: target] = address }
        }
    }

    static func optionalHost(_ name: String, _ target: Target<String?>, _ summary: String) -> Self {
        Self(description: KeyDescription(name: name, kind: .host, presence: .optional, summary: summary)) {
            root,
            value in
            if case .text(let host) = value { root[keyPath: target] = host }
        }
    }

    static func optionalPath(_ name: String, _ target: Target<String?>, _ summary: String) -> Self {
        Self(description: KeyDescription(name: name, kind: .path, presence: .optional, summary: summary)) {
            root,
            value in
            if case .text(let path) = value { root[keyPath: target] = path }
        }
    }

    static func rate(_ name: String, _ target: Target<Rate?>, default standard: Rate?, _ summary: String) -> Self {
        let presence = Presence.defaulted(standard?.description ?? Rate.offWords[0])
        return Self(description: KeyDescription(name: name, kind: .rate, presence: presence, summary: summary)) {
            root,
            value in
            if case .rate(let rate) = value { root[keyPath: target] = rate }
        }
    }

    /// - Parameter standard: As a person would write it.
    static func networks(
        _ name: String,
        _ target: Target<[NetworkPrefix]>,
        default standard: String,
        _ summary: String
    ) -> Self {
        let presence = Presence.defaulted(standard)
        return Self(description: KeyDescription(name: name, kind: .networks, presence: presence, summary: summary)) {
            root,
            value in
            if case .networks(let networks) = value { root[keyPath: target] = networks }
        }
    }

    static func redisURL(_ name: String, _ target: Target<RedisURL>, _ summary: String) -> Self {
        Self(description: KeyDescription(name: name, kind: .redisURL, presence: .required, summary: summary)) {
            root,
            value in
            if case .redisURL(let url) = value { root[keyPath: target] = url }
        }
    }

    static func connection(_ name: String, _ target: Target<ConnectionString>, _ summary: String) -> Self {
        Self(description: KeyDescription(name: name, kind: .connection, presence: .required, summary: summary)) {
            root,
            value in
            if case .connection(let connection) = value { root[keyPath: target] = connection }
        }
    }

    static func secret(
        _ name: String,
        _ target: Target<SecretSource>,
        defaultVariable: String,
        _ summary: String
    ) -> Self {
        let presence = Presence.defaultedToVariable(defaultVariable)
        return Self(description: KeyDescription(name: name, kind: .secret, presence: presence, summary: summary)) {
            root,
            value in
            if case .secret(let source) = value { root[keyPath: target] = source }
        }
    }

    static func optionalSecret(_ name: String, _ target: Target<SecretSource?>, _ summary: String) -> Self {
        Self(description: KeyDescription(name: name, kind: .secret, presence: .optional, summary: summary)) {
            root,
            value in
            if case .secret(let source) = value { root[keyPath: target] = source }
        }
    }

    private static func number(
        _ name: String,
        _ kind: ValueKind,
        default standard: String,
        _ summary: String,
        assign: @escaping @Sendable (inout Root, Int) -> Void
    ) -> Self {
        let presence = Presence.defaulted(standard)
        return Self(description: KeyDescription(name: name, kind: kind, presence: presence, summary: summary)) {
            root,
            value in
            if case .integer(let number) = value { assign(&root, number) }
        }
    }
}
