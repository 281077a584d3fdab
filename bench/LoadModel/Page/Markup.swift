// SPDX-License-Identifier: Apache-2.0

/// Writes HTML that is well-formed XML too: every element is closed where it was opened, everything else is escaped.
struct Markup {
    private(set) var text = ""

    mutating func element(
        _ name: StaticString,
        _ attributes: KeyValuePairs<StaticString, String> = [:],
        _ content: (inout Markup) -> Void
    ) {
        self.open(name, attributes)
        self.text += ">"
        content(&self)
        self.text += "</\(name)>"
        if Self.blocks.contains("\(name)") { self.text += "\n" }
    }

    mutating func element(
        _ name: StaticString,
        _ attributes: KeyValuePairs<StaticString, String>,
        _ content: String
    ) {
        self.element(name, attributes) { $0.write(content) }
    }

    mutating func element(_ name: StaticString, _ content: String) {
        self.element(name, [:], content)
    }

    /// An element without content.
    mutating func empty(_ name: StaticString, _ attributes: KeyValuePairs<StaticString, String> = [:]) {
        self.open(name, attributes)
        self.text += "/>"
    }

    mutating func write(_ content: String) {
        self.text += Self.escaped(content)
    }

    /// What is written in the program itself: a style sheet, the line before the first element.
    mutating func writeVerbatim(_ content: StaticString) {
        self.text += "\(content)"
    }

    private mutating func open(_ name: StaticString, _ attributes: KeyValuePairs<StaticString, String>) {
        self.text += "<\(name)"
        for (key, value) in attributes {
            self.text += " \(key)=\""
            self.text += Self.escaped(value)
            self.text += "\""
        }
    }

    /// After these a line ends, so that the file can be read and compared.
    private static let blocks: Set<String> = [
        "caption", "dd", "details", "dl", "figure", "h1", "h2", "h3", "head", "header", "li", "p", "path", "section",
        "style", "svg", "table", "title", "tr", "ul",
    ]

    /// For text and for values of attributes. What XML 1.0 has no place for becomes U+FFFD.
    static func escaped(_ content: String) -> String {
        var escaped = ""
        escaped.reserveCapacity(content.utf8.count)
        for scalar in content.unicodeScalars {
            switch scalar {
            case "&": escaped += "&amp;"
            case "<": escaped += "&lt;"
            case ">": escaped += "&gt;"
            case "\"": escaped += "&quot;"
            case "'": escaped += "&#39;"
            case "\t", "\n": escaped.unicodeScalars.append(scalar)
            case "\u{0}"..."\u{1F}", "\u{7F}"..."\u{9F}", "\u{FFFE}", "\u{FFFF}": escaped += "\u{FFFD}"
            default: escaped.unicodeScalars.append(scalar)
            }
        }
        return escaped
    }
}
