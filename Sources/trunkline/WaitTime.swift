// SPDX-License-Identifier: Apache-2.0

import ArgumentParser

/// `500ms`, `30s`, `2m`, as in cluster.yaml.
struct WaitTime: CustomStringConvertible, Sendable {
    static let numberMax = 1_000_000

    let duration: Duration
    let description: String

    init(duration: Duration, text: String) {
        self.duration = duration
        self.description = text
    }

    /// - Throws: what is wrong with it, which is told after the option and what was given.
    fileprivate static func parse(_ text: String) throws -> Self {
        let digits = text.prefix { $0.isASCII && $0.isNumber }
        guard let number = Int(digits), number <= Self.numberMax else {
            throw ValidationError("a time is a number up to \(Self.numberMax) and its unit, like 500ms, 30s or 2m")
        }
        let duration: Duration
        switch text.dropFirst(digits.count) {
        case "ms": duration = .milliseconds(number)
        case "s": duration = .seconds(number)
        case "m": duration = .seconds(number * 60)
        case "": throw ValidationError("it needs a unit: \(number)ms, \(number)s or \(number)m")
        case let unit: throw ValidationError("\"\(unit)\" is no unit of time: ms, s or m")
        }
        return Self(duration: duration, text: text)
    }
}

// An argument that is `ExpressibleByArgument` cannot say why it is refused, and one with a transformation of its own does
// not tell its default: here are both.
extension Option where Value == WaitTime {
    init(wrappedValue: WaitTime, help: ArgumentHelp) {
        var help = help
        help.abstract += " (default: \(wrappedValue))"
        self.init(wrappedValue: wrappedValue, help: help, transform: WaitTime.parse)
    }
}

extension Option where Value == WaitTime? {
    init(help: ArgumentHelp) {
        self.init(help: help, transform: WaitTime.parse)
    }
}
