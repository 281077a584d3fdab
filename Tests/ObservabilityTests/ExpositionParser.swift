// SPDX-License-Identifier: Apache-2.0

import Testing

/// A reader of the Prometheus text format that is written from its description and shares nothing with the writer.
struct ExpositionParser {
    struct Sample: Equatable {
        var name: String
        var labels: [String: String]
        var value: Double
    }

    struct Malformed: Error {
        var line: String
    }

    private(set) var help: [String: String] = [:]
    private(set) var types: [String: String] = [:]
    private(set) var samples: [Sample] = []

    init(_ text: String) throws {
        guard text.isEmpty || text.hasSuffix("\n") else { throw Malformed(line: "no newline at the end") }
        for line in text.split(separator: "\n", omittingEmptySubsequences: true).map(String.init) {
            if line.hasPrefix("# HELP ") || line.hasPrefix("# TYPE ") {
                let parts = line.split(separator: " ", maxSplits: 3).map(String.init)
                guard parts.count == 4 else { throw Malformed(line: line) }
                let isNew =
                    parts[1] == "HELP"
                    ? self.help.updateValue(parts[3], forKey: parts[2]) == nil
                    : self.types.updateValue(parts[3], forKey: parts[2]) == nil
                guard isNew else { throw Malformed(line: line) }
            } else {
                self.samples.append(try Self.sample(line))
            }
        }
    }

    func value(_ name: String, _ labels: [String: String] = [:]) -> Double? {
        let found = self.samples.filter { $0.name == name && $0.labels == labels }
        return found.count == 1 ? found[0].value : nil
    }

    private static func sample(_ line: String) throws -> Sample {
        var rest = Array(line)[...]
        let name = String(rest.prefix { $0 != "{" && $0 != " " })
        rest = rest.dropFirst(name.count)
        var labels: [String: String] = [:]
        if rest.first == "{" {
            rest = rest.dropFirst()
            while rest.first != "}" {
                let label = String(rest.prefix { $0 != "=" })
                rest = rest.dropFirst(label.count + 1)
                guard rest.popFirst() == "\"" else { throw Malformed(line: line) }
                var value = ""
                while let character = rest.popFirst(), character != "\"" {
                    guard character == "\\" else {
                        value.append(character)
                        continue
                    }
                    switch rest.popFirst() {
                    case "n": value.append("\n")
                    case "\\": value.append("\\")
                    case "\"": value.append("\"")
                    default: throw Malformed(line: line)
                    }
                }
                guard labels.updateValue(value, forKey: label) == nil else { throw Malformed(line: line) }
                if rest.first == "," { rest = rest.dropFirst() }
            }
            rest = rest.dropFirst()
        }
        let text = String(rest.drop { $0 == " " })
        let value = text == "+Inf" ? Double.infinity : text == "-Inf" ? -Double.infinity : Double(text)
        guard let value, rest.first == " ", !name.isEmpty else { throw Malformed(line: line) }
        return Sample(name: name, labels: labels, value: value)
    }
}
