// SPDX-License-Identifier: Apache-2.0

/// A page of Prometheus' text format (version 0.0.4), read. Lines that cannot be read are left out.
struct MetricsText: Sendable {
    struct Sample: Sendable, Equatable {
        var labels: [String: String]
        var value: Double
    }

    /// By the name of the metric, in the order of the page.
    private let samples: [String: [Sample]]

    init(_ text: String) {
        var samples: [String: [Sample]] = [:]
        for line in text.split(whereSeparator: \.isNewline) where !line.hasPrefix("#") {
            guard let (name, sample) = Self.sample(line) else { continue }
            samples[name, default: []].append(sample)
        }
        self.samples = samples
    }

    func samples(of name: String) -> [Sample] { self.samples[name] ?? [] }

    /// Over all labels; nil when the page has no such metric.
    func sum(_ name: String) -> Double? {
        self.samples[name].map { $0.reduce(0) { $0 + $1.value } }
    }

    private static func sample(_ line: Substring) -> (name: String, Sample)? {
        let name = line.prefix { $0 != "{" && $0 != " " }
        var rest = line[name.endIndex...]
        var labels: [String: String] = [:]
        if rest.first == "{" {
            rest = rest.dropFirst()
            while let first = rest.first, first != "}" {
                guard let (label, value) = Self.label(&rest) else { return nil }
                labels[label] = value
            }
            rest = rest.dropFirst()
        }
        // A time may follow.
        guard !name.isEmpty, let number = rest.split(separator: " ").first, let value = Double(number) else {
            return nil
        }
        return (String(name), Sample(labels: labels, value: value))
    }

    /// `name="value",` with `\\`, `\"` and `\n` in the value.
    private static func label(_ rest: inout Substring) -> (String, String)? {
        let name = rest.prefix { $0 != "=" }
        rest = rest[name.endIndex...].dropFirst()
        guard rest.first == "\"" else { return nil }
        rest = rest.dropFirst()
        var value = ""
        while let character = rest.popFirst(), character != "\"" {
            guard character == "\\" else {
                value.append(character)
                continue
            }
            guard let escaped = rest.popFirst() else { return nil }
            value.append(escaped == "n" ? "\n" : escaped)
        }
        if rest.first == "," { rest = rest.dropFirst() }
        return (String(name), value)
    }
}
