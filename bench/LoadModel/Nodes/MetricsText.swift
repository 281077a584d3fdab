// SPDX-License-Identifier: Apache-2.0

/// Reads single values out of the text format of Prometheus.
package enum MetricsText {
    /// The value of a metric without labels, or nil.
    package static func value(of name: String, in text: String) -> Double? {
        for line in text.split(whereSeparator: \.isNewline) {
            let words = line.split(separator: " ")
            if words.count >= 2, words[0] == name { return Double(words[1]) }
        }
        return nil
    }

    /// The labels of the first sample of a metric, or nil when there is none. Values with escapes are left out.
    package static func labels(of name: String, in text: String) -> [String: String]? {
        for line in text.split(whereSeparator: \.isNewline) where line.hasPrefix(name + "{") {
            var labels: [String: String] = [:]
            var rest = line.dropFirst(name.count + 1)
            while let equals = rest.firstIndex(of: "="), rest[equals...].dropFirst().first == "\"" {
                let value = rest[equals...].dropFirst(2)
                guard let quote = value.firstIndex(of: "\"") else { break }
                if !value[..<quote].contains("\\") { labels[String(rest[..<equals])] = String(value[..<quote]) }
                rest = value[quote...].dropFirst()
                guard rest.first == "," else { break }
                rest = rest.dropFirst()
            }
            return labels
        }
        return nil
    }
}
