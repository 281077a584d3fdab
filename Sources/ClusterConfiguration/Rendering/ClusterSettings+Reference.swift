// SPDX-License-Identifier: Apache-2.0

extension ClusterSettings {
    /// Every key with its meaning, kind, bounds, default and environment variable, for people.
    package static func reference() -> String {
        var lines = [
            "Keys of cluster.yaml. Each can also be set from the environment, which wins over the file;",
            "in a variable an entry of a list is named by its name, in upper case and with _ for -.",
        ]
        for section in KeyTable.sections {
            lines.append("")
            if section.form != .scalar {
                lines.append(section.summary.isEmpty ? section.name : "\(section.name): \(section.summary)")
            }
            for key in section.keys {
                let indent = section.form == .scalar ? "" : "  "
                lines.append("\(indent)\(section.path(of: key.name))")
                lines.append("\(indent)    \(key.summary)")
                lines.append("\(indent)    \(key.kind.listing); \(Self.text(of: key.presence))")
                if let variable = Self.variable(of: key, in: section) {
                    lines.append("\(indent)    \(variable)")
                }
            }
        }
        return lines.joined(separator: "\n") + "\n"
    }

    private static func text(of presence: Presence) -> String {
        switch presence {
        case .required: "required"
        case .optional: "optional"
        case .defaulted(let text): "default \(text)"
        case .defaultedToVariable(let name): "default {env: \(name)}"
        }
    }

    private static func variable(of key: KeyDescription, in section: Section) -> String? {
        let variable: String
        switch section.form {
        case .scalar: variable = EnvironmentOverlay.variable(section.name)
        case .mapping: variable = EnvironmentOverlay.variable(section.name, key.name)
        case .list:
            // The name tells the entries apart, so it is set in the file only.
            guard key.name != "name" else { return nil }
            variable = EnvironmentOverlay.variable(section.name, "NAME", key.name)
        }
        return key.kind.isSecret ? "\(variable)__ENV or \(variable)__FILE" : variable
    }
}
