// SPDX-License-Identifier: Apache-2.0

extension ClusterSettings {
    /// The values in force as YAML, each with its origin as a comment. Reading it again gives the same settings,
    /// unless a password in a connection string was masked.
    package func render(maskSecrets: Bool) -> String {
        var lines: [String] = []
        for section in KeyTable.sections {
            let values = self.effectiveValues.filter { Self.isPath($0.path, in: section) }
            if !lines.isEmpty { lines.append("") }
            if section.form != .scalar { lines.append("\(section.name):") }
            var lastEntry: Substring?
            var lastGroup: Substring?
            for value in values {
                let text = value.text(maskSecrets: maskSecrets)
                let name = value.path.split(separator: ".").last ?? ""
                let start: String
                switch section.form {
                case .scalar: start = ""
                case .mapping:
                    let words = value.path.split(separator: ".")
                    let group = words.count > 2 ? words[1] : nil
                    if let group, group != lastGroup { lines.append("  \(group):") }
                    lastGroup = group
                    start = group == nil ? "  " : "    "
                case .list:
                    let entry = value.path.prefix { $0 != "." }
                    start = entry == lastEntry ? "    " : "  - "
                    lastEntry = entry
                }
                lines.append("\(start)\(name): \(text)  # \(value.comment)")
            }
        }
        return lines.joined(separator: "\n") + "\n"
    }

    private static func isPath(_ path: String, in section: Section) -> Bool {
        switch section.form {
        case .scalar: path == section.name
        case .mapping: path.hasPrefix(section.name + ".")
        case .list: path.hasPrefix(section.name + "[")
        }
    }
}
