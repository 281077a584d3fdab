// SPDX-License-Identifier: Apache-2.0

/// One key as it is in force, and why.
package struct EffectiveValue: Sendable {
    enum Content: Sendable {
        case scalar(String)
        case source(SecretSource)
    }

    /// As in `nodes[2].http`.
    package var path: String
    var content: Content
    var kind: ValueKind
    package var origin: Origin

    /// As YAML; with `maskSecrets` the password in a connection string reads `***`.
    package func text(maskSecrets: Bool) -> String {
        switch self.content {
        case .source(.environment(let name)):
            return "{env: \(Self.scalar(name, inFlow: true))}"
        case .source(.file(let path)):
            return "{file: \(Self.scalar(path, inFlow: true))}"
        case .scalar(let text):
            if maskSecrets, case .connection = self.kind {
                return Self.scalar((try? ConnectionString(text))?.masked ?? "***")
            }
            return Self.scalar(text)
        }
    }

    var comment: String {
        switch self.origin {
        case .standard: "default"
        case .file(let line): line.map { "file, line \($0)" } ?? "file"
        case .environment(let name): "environment \(name)"
        case .option(let name): "option \(name)"
        }
    }

    /// Plain where that can only be read one way, else in double quotes (YAML 1.2.2 §7.3.1).
    private static func scalar(_ text: String, inFlow: Bool = false) -> String {
        let isPlain = text.unicodeScalars.enumerated().allSatisfy { index, scalar in
            switch scalar {
            case "a"..."z", "A"..."Z", "0"..."9", "/", "_": true
            case "-", ".", "=", "@", "+": index > 0
            case ":": index > 0 && index < text.unicodeScalars.count - 1
            case " ": index > 0 && index < text.unicodeScalars.count - 1 && !text.contains(": ") && !inFlow
            default: false
            }
        }
        let words: Set<String> = ["", "null", "Null", "NULL"]
        if isPlain, !words.contains(text) { return text }
        let escaped = text.unicodeScalars.map { scalar -> String in
            switch scalar {
            case "\"": return "\\\""
            case "\\": return "\\\\"
            case "\n": return "\\n"
            default:
                guard scalar.value < 0x20 || (0x7F...0x9F).contains(scalar.value) else { return String(scalar) }
                let digits = String(scalar.value, radix: 16)
                return "\\x" + String(repeating: "0", count: 2 - digits.count) + digits
            }
        }
        return "\"" + escaped.joined() + "\""
    }
}
