// SPDX-License-Identifier: Apache-2.0

/// Lays `TRUNKLINE_…` variables over a document.
///
/// The name of a variable is `TRUNKLINE_` and the key's path in upper case with `__` between levels. An entry of a list
/// is named by its `name`, with `_` for `-`; the list itself is set in the file only.
struct EnvironmentOverlay {
    static let prefix = "TRUNKLINE_"
    /// The variable that holds the path of `cluster.yaml`.
    static let pathVariable = "TRUNKLINE_CONFIG"

    private enum Target {
        case value(KeyPlace)
        /// The source of a secret.
        case source(KeyPlace, isFile: Bool)
        /// A secret named like a plain key: its value may not be given this way.
        case literalSecret(KeyPlace)
    }

    private struct KeyPlace {
        var section: Section
        var key: KeyDescription
        var entry: Int?

        var path: String { self.section.path(of: self.key.name, entry: self.entry) }
    }

    private var targets: [String: Target] = [:]
    private(set) var problems: [ConfigurationProblem] = []

    /// The document with the environment's values in place of the file's.
    private(set) var document: RawDocument

    init(document: RawDocument, environment: [String: String]) {
        self.document = document
        self.collectTargets()
        var namesOfSources: [String: String] = [:]
        for (name, value) in environment.sorted(by: { $0.key < $1.key }) where name.hasPrefix(Self.prefix) {
            switch self.targets[name] {
            case .value(let place):
                self.set(RawValue(content: .scalar(value), origin: .environment(name)), at: place)
            case .source(let place, let isFile):
                if let other = namesOfSources.updateValue(name, forKey: place.path) {
                    self.report(place.path, name, "\(other) names a source too", remedy: "set one of the two")
                } else if value.isEmpty {
                    self.report(place.path, name, "its source is empty", remedy: "name a variable or a file")
                } else {
                    let source = isFile ? SecretSource.file(value) : .environment(value)
                    self.set(RawValue(content: .source(source), origin: .environment(name)), at: place)
                }
            case .literalSecret(let place):
                self.report(
                    place.path,
                    name,
                    "a secret itself may not stand here",
                    remedy: "name where it comes from with \(name)__ENV or \(name)__FILE"
                )
            case nil:
                continue
            }
        }
        self.reportUnknown(in: environment)
    }

    // MARK: - Names

    private mutating func collectTargets() {
        for section in KeyTable.sections {
            switch section.form {
            case .scalar:
                self.collect(KeyPlace(section: section, key: section.keys[0]), named: Self.variable(section.name))
            case .mapping:
                for key in section.keys {
                    let name = Self.variable(section.name, key.name)
                    self.collect(KeyPlace(section: section, key: key), named: name)
                }
            case .list:
                for (index, entry) in (self.document.lists[section.name] ?? []).enumerated() {
                    guard case .scalar(let entryName) = entry.values["name"]?.content else { continue }
                    for key in section.keys where key.name != "name" {
                        let name = Self.variable(section.name, entryName, key.name)
                        self.collect(KeyPlace(section: section, key: key, entry: index), named: name)
                    }
                }
            }
        }
    }

    private mutating func collect(_ place: KeyPlace, named name: String) {
        if place.key.kind.isSecret {
            self.targets["\(name)__ENV"] = .source(place, isFile: false)
            self.targets["\(name)__FILE"] = .source(place, isFile: true)
            self.targets[name] = .literalSecret(place)
        } else {
            self.targets[name] = .value(place)
        }
    }

    /// The variable of a path: `TRUNKLINE_NODES__EDGE_1__HTTP`.
    static func variable(_ path: String...) -> String {
        Self.prefix
            + path.flatMap { $0.split(separator: ".") }.map { component in
                component.uppercased().map { $0.isASCII && ($0.isLetter || $0.isNumber) ? String($0) : "_" }.joined()
            }.joined(separator: "__")
    }

    // MARK: - Changes

    private mutating func set(_ value: RawValue, at place: KeyPlace) {
        let name = place.key.name
        if let entry = place.entry {
            self.document.lists[place.section.name]?[entry].values[name] = value
            self.document.lists[place.section.name]?[entry].refused.remove(name)
        } else {
            self.document.mappings[place.section.name, default: RawMapping()].values[name] = value
            self.document.mappings[place.section.name]?.refused.remove(name)
        }
    }

    /// Variables that hold a secret are named by the file, so they are known; any other one names nothing.
    private mutating func reportUnknown(in environment: [String: String]) {
        var known: Set<String> = [Self.pathVariable]
        for mapping in self.document.mappings.values.map({ $0 }) + self.document.lists.values.flatMap({ $0 }) {
            for case .source(.environment(let name)) in mapping.values.values.map(\.content) { known.insert(name) }
        }
        for case .defaultedToVariable(let name) in KeyTable.sections.flatMap(\.keys).map(\.presence) {
            known.insert(name)
        }
        let candidates = Array(self.targets.keys) + known
        let unknown = environment.keys.sorted().filter {
            $0.hasPrefix(Self.prefix) && self.targets[$0] == nil && !known.contains($0)
        }
        for name in unknown {
            let nearest = Suggestion.nearest(to: name, among: candidates).map { "did you mean \($0)?" }
            self.report("", name, "it names no key", remedy: nearest ?? self.remedy(forUnknown: name))
        }
    }

    private func remedy(forUnknown name: String) -> String {
        for section in KeyTable.sections
        where section.form == .list && name.hasPrefix(Self.variable(section.name) + "__") {
            let names = (self.document.lists[section.name] ?? []).compactMap { entry -> String? in
                guard case .scalar(let name) = entry.values["name"]?.content else { return nil }
                return name
            }
            return "the file lists these \(section.name): \(names.joined(separator: ", "))"
        }
        return "unset it; `trunkline config reference` lists the variables"
    }

    private mutating func report(_ path: String, _ variable: String, _ message: String, remedy: String) {
        self.problems.append(ConfigurationProblem(path, at: .variable(variable), message, remedy: remedy))
    }
}
