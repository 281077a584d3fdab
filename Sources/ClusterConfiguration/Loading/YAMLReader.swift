// SPDX-License-Identifier: Apache-2.0

import Yams

/// YAML text → ``RawDocument``. Reports what has no place in the table, and goes on.
///
/// The file is a plain tree: anchors and aliases are refused, so what is read is what is written at that place.
struct YAMLReader {
    /// Entries of one list.
    static let listEntriesMax = 10_000

    private(set) var document = RawDocument()
    private(set) var problems: [ConfigurationProblem] = []

    /// Reads the text. Text that is no YAML is one problem, and nothing else is known then.
    init(yaml: String) {
        do {
            let parser = try Parser(yaml: yaml)
            // Nodes refer to their anchors weakly; the parser is what owns them.
            try withExtendedLifetime(parser) {
                guard let root = try parser.singleRoot() else {
                    let remedy = "describe a cluster, see `trunkline config reference`"
                    self.problems.append(ConfigurationProblem("", "the file is empty", remedy: remedy))
                    return
                }
                self.read(root)
            }
        } catch {
            self.problems.append(Self.problem(of: error))
        }
    }

    private mutating func read(_ root: Node) {
        guard self.isPlain(root, at: "") else { return }
        guard let mapping = root.mapping else {
            self.report("", root, "the file is not a mapping", remedy: "write `key: value` lines")
            return
        }
        for (keyNode, value) in mapping {
            guard let key = self.key(keyNode, under: "") else { continue }
            guard let section = KeyTable.sections.first(where: { $0.name == key }) else {
                self.reportUnknown(key, under: nil, at: keyNode)
                continue
            }
            self.document.sectionLines[key] = keyNode.mark?.line
            self.read(section, from: value)
        }
    }

    // MARK: - Sections

    private mutating func read(_ section: Section, from node: Node) {
        guard self.isPlain(node, at: section.name) else {
            self.document.refused.insert(section.name)
            return
        }
        switch section.form {
        case .scalar:
            var mapping = RawMapping(line: node.mark?.line)
            self.read(section.keys[0], at: section.name, from: node, into: &mapping)
            self.document.mappings[section.name] = mapping
        case .mapping:
            // A section whose every line is commented out is an empty one.
            if node.isNull { return }
            guard let pairs = node.mapping else {
                self.document.refused.insert(section.name)
                self.report(section.name, node, "it is not a mapping", remedy: "write its keys below it, indented")
                return
            }
            let mapping = self.readMapping(pairs, of: section, at: section.name, line: node.mark?.line)
            self.document.mappings[section.name] = mapping
        case .list:
            self.readList(section, from: node)
        }
    }

    private mutating func readList(_ section: Section, from node: Node) {
        if node.isNull { return }
        guard let entries = node.sequence else {
            self.document.refused.insert(section.name)
            self.report(section.name, node, "it is not a list", remedy: "start each entry with `- name: NAME`")
            return
        }
        guard entries.count <= Self.listEntriesMax else {
            self.document.refused.insert(section.name)
            self.report(
                section.name,
                node,
                "it has \(entries.count) entries",
                remedy: "use at most \(Self.listEntriesMax)"
            )
            return
        }
        var mappings: [RawMapping] = []
        for (index, entry) in entries.enumerated() {
            let path = "\(section.name)[\(index)]"
            var mapping = RawMapping(refused: Set(section.keys.map(\.name)), line: entry.mark?.line)
            if self.isPlain(entry, at: path) {
                if let pairs = entry.mapping {
                    mapping = self.readMapping(pairs, of: section, at: path, line: entry.mark?.line)
                } else {
                    self.report(path, entry, "it is not a mapping", remedy: "write `- name: NAME` and its other keys")
                }
            }
            mappings.append(mapping)
        }
        self.document.lists[section.name] = mappings
    }

    private mutating func readMapping(
        _ pairs: Node.Mapping,
        of section: Section,
        at path: String,
        line: Int?
    ) -> RawMapping {
        var mapping = RawMapping(line: line)
        self.read(pairs, of: section, at: path, group: "", into: &mapping)
        return mapping
    }

    /// - Parameter group: what the names of keys begin with at this level, with its dot.
    private mutating func read(
        _ pairs: Node.Mapping,
        of section: Section,
        at path: String,
        group: String,
        into mapping: inout RawMapping
    ) {
        for (keyNode, value) in pairs {
            guard let word = self.key(keyNode, under: path) else { continue }
            let name = group + word
            if let key = section.key(name) {
                self.read(key, at: "\(path).\(word)", from: value, into: &mapping)
            } else if group.isEmpty, section.isGroup(name) {
                self.readGroup(name, of: section, at: "\(path).\(word)", from: value, into: &mapping)
            } else {
                self.reportUnknown(word, under: (section, path), group: group, at: keyNode)
            }
        }
    }

    private mutating func readGroup(
        _ name: String,
        of section: Section,
        at path: String,
        from node: Node,
        into mapping: inout RawMapping
    ) {
        // One whose every line is commented out is an empty one.
        if self.isPlain(node, at: path), node.isNull { return }
        if node.anchor == nil, let pairs = node.mapping {
            return self.read(pairs, of: section, at: path, group: "\(name).", into: &mapping)
        }
        mapping.refused.formUnion(section.keys.map(\.name).filter { $0.hasPrefix("\(name).") })
        if node.anchor == nil {
            self.report(path, node, "it is not a mapping", remedy: "write its keys below it, indented")
        }
    }

    // MARK: - Values

    private mutating func read(_ key: KeyDescription, at path: String, from node: Node, into mapping: inout RawMapping)
    {
        let line = node.mark?.line
        guard self.isPlain(node, at: path), let content = self.content(of: node, for: key, at: path) else {
            mapping.refused.insert(key.name)
            return
        }
        mapping.values[key.name] = RawValue(content: content, origin: .file(line: line))
    }

    private mutating func content(of node: Node, for key: KeyDescription, at path: String) -> RawValue.Content? {
        if key.kind.isSecret {
            guard let pairs = node.mapping else {
                let error = ValueKind.literalSecret
                self.report(path, node, error.message, remedy: error.remedy)
                return nil
            }
            return self.source(pairs, node, at: path).map { .source($0) }
        }
        guard let scalar = node.scalar else {
            self.report(path, node, "it is not a single value", remedy: "write \(key.kind.listing)")
            return nil
        }
        guard !node.isNull else {
            self.report(path, node, "it has no value", remedy: "write \(key.kind.listing), or remove the key")
            return nil
        }
        return .scalar(scalar.string)
    }

    private mutating func source(_ pairs: Node.Mapping, _ node: Node, at path: String) -> SecretSource? {
        let remedy = "write {env: NAME} or {file: PATH}"
        guard pairs.count == 1, let pair = pairs.first, let name = self.key(pair.key, under: path) else {
            self.report(path, node, "it does not name exactly one source", remedy: remedy)
            return nil
        }
        guard let value = pair.value.scalar?.string, !value.isEmpty, !pair.value.isNull else {
            self.report(path, node, "its source is empty", remedy: remedy)
            return nil
        }
        switch name {
        case "env": return .environment(value)
        case "file": return .file(value)
        default:
            self.report(path, node, "\(quoted(name)) is not a source of secrets", remedy: remedy)
            return nil
        }
    }

    // MARK: - Problems

    private mutating func key(_ node: Node, under path: String) -> String? {
        guard self.isPlain(node, at: path), let scalar = node.scalar else {
            if node.anchor == nil { self.report(path, node, "a key in it is not a word", remedy: "write `key: value`") }
            return nil
        }
        return scalar.string
    }

    /// Does not look below an anchor: aliases can make a small file stand for an enormous tree.
    private mutating func isPlain(_ node: Node, at path: String) -> Bool {
        guard node.anchor == nil else {
            self.report(
                path,
                node,
                "anchors and aliases are not allowed",
                remedy: "write the value out where it is used"
            )
            return false
        }
        return true
    }

    private mutating func report(_ path: String, _ node: Node, _ message: String, remedy: String) {
        self.problems.append(
            ConfigurationProblem(path, at: node.mark.map { .line($0.line) }, message, remedy: remedy)
        )
    }

    private mutating func reportUnknown(
        _ name: String,
        under parent: (section: Section, path: String)?,
        group: String = "",
        at node: Node
    ) {
        let known = parent?.section.words(under: group) ?? KeyTable.sections.map(\.name)
        let elsewhere = KeyTable.sections.first { section in
            section.form == .mapping && section.name != parent?.section.name && section.key(name) != nil
        }
        let remedy =
            if let nearest = Suggestion.nearest(to: name, among: known) {
                "did you mean \(nearest)?"
            } else if let elsewhere {
                "it belongs under \(elsewhere.name)"
            } else {
                known.count <= 10
                    ? "known here: \(known.joined(separator: ", "))"
                    : "see `trunkline config reference` for the known keys"
            }
        let shown = name.count > 60 ? String(name.prefix(60)) + "…" : name
        let path = parent.map { "\($0.path).\(shown)" } ?? shown
        self.report(path, node, "there is no such key", remedy: remedy)
    }

    private static func problem(of error: any Error) -> ConfigurationProblem {
        let remedy = "mend the YAML; the other problems of the file show once it can be read"
        guard let error = error as? YamlError else {
            return ConfigurationProblem("", "the file is not YAML: \(error)", remedy: remedy)
        }
        switch error {
        case .duplicatedKeysInMapping(let duplicates, let context):
            let names = duplicates.sorted().map { quoted($0) }.joined(separator: ", ")
            return ConfigurationProblem(
                "",
                at: .line(context.mark.line),
                "the key \(names) stands twice in one mapping",
                remedy: "keep one of them; the other problems of the file show then"
            )
        case .scanner(_, let problem, let mark, _), .parser(_, let problem, let mark, _),
            .composer(_, let problem, let mark, _):
            return ConfigurationProblem("", at: .line(mark.line), "the file is not YAML: \(problem)", remedy: remedy)
        default:
            return ConfigurationProblem("", "the file is not YAML: \(error)", remedy: remedy)
        }
    }
}

extension Node {
    /// A plain scalar that YAML reads as no value: nothing, `~` or `null`.
    fileprivate var isNull: Bool {
        guard let scalar = self.scalar, scalar.style == .plain || scalar.style == .any else { return false }
        return ["", "~", "null", "Null", "NULL"].contains(scalar.string)
    }
}
