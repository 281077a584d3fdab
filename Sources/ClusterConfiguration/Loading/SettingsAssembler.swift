// SPDX-License-Identifier: Apache-2.0

/// ``RawDocument`` → ``ClusterSettings``: fills in defaults, reads every value by its kind, reports what is missing.
struct SettingsAssembler {
    private let document: RawDocument
    private(set) var settings = ClusterSettings()
    private(set) var problems: [ConfigurationProblem] = []
    /// The paths whose value was refused or is missing: checks between keys leave them out.
    private(set) var unusable: Set<String> = []
    /// Where each value came from, for the checks between keys.
    private(set) var places: [String: ConfigurationProblem.Place] = [:]

    init(document: RawDocument) {
        self.document = document
        for section in KeyTable.sections {
            switch section.name {
            case "cluster": self.fill(section, KeyTable.cluster)
            case "secrets": self.fill(section, KeyTable.secrets)
            case "redis": self.fill(section, KeyTable.redis)
            case "shards":
                self.settings.shards = self.entries(of: section, KeyTable.shard, blank: ClusterSettings.Shard())
            case "nodes": self.settings.nodes = self.entries(of: section, KeyTable.node, blank: ClusterSettings.Node())
            case "limits": self.fill(section, KeyTable.limits)
            case "rates": self.fill(section, KeyTable.rates)
            case "timeouts": self.fill(section, KeyTable.timeouts)
            case "tokens": self.fill(section, KeyTable.tokens)
            case "passwords": self.fill(section, KeyTable.passwords)
            case "tls": self.fill(section, KeyTable.tls)
            case "log": self.fill(section, KeyTable.log)
            default: preconditionFailure("section \(section.name) has no keys")
            }
        }
    }

    private mutating func fill(_ section: Section, _ keys: [SettingKey<ClusterSettings>]) {
        let isRefused = self.document.refused.contains(section.name)
        let mapping = self.document.mappings[section.name] ?? RawMapping()
        for key in keys {
            let path = section.path(of: key.name)
            if let value = self.value(of: key.description, in: mapping, at: path, isReported: isRefused) {
                key.assign(&self.settings, value)
            }
        }
    }

    private mutating func entries<Entry>(of section: Section, _ keys: [SettingKey<Entry>], blank: Entry) -> [Entry] {
        if self.document.refused.contains(section.name) {
            self.unusable.insert(section.name)
        }
        let mappings = self.document.lists[section.name] ?? []
        return mappings.enumerated().map { index, mapping in
            var entry = blank
            for key in keys {
                let path = section.path(of: key.name, entry: index)
                if let value = self.value(of: key.description, in: mapping, at: path, isReported: false) {
                    key.assign(&entry, value)
                }
            }
            return entry
        }
    }

    private mutating func value(
        of key: KeyDescription,
        in mapping: RawMapping,
        at path: String,
        isReported: Bool
    ) -> SettingValue? {
        if isReported || mapping.refused.contains(key.name) {
            self.unusable.insert(path)
            return nil
        }
        guard let raw = mapping.values[key.name] ?? Self.standard(of: key) else {
            if case .required = key.presence {
                self.unusable.insert(path)
                self.problems.append(
                    ConfigurationProblem(
                        path,
                        at: mapping.line.map { .line($0) },
                        "it is missing",
                        remedy: "write \(key.kind.listing)"
                    )
                )
            }
            return nil
        }
        self.places[path] = raw.place
        do {
            let value: SettingValue
            let shown: EffectiveValue.Content
            switch raw.content {
            case .source(let source):
                value = .secret(source)
                shown = .source(source)
            case .scalar(let text):
                value = try key.kind.parse(text)
                shown = .scalar(text)
            }
            self.settings.effectiveValues.append(
                EffectiveValue(path: path, content: shown, kind: key.kind, origin: raw.origin)
            )
            return value
        } catch {
            self.unusable.insert(path)
            self.problems.append(ConfigurationProblem(path, at: raw.place, error.message, remedy: error.remedy))
            return nil
        }
    }

    private static func standard(of key: KeyDescription) -> RawValue? {
        switch key.presence {
        case .required, .optional: nil
        case .defaulted(let text): RawValue(content: .scalar(text), origin: .standard)
        case .defaultedToVariable(let name): RawValue(content: .source(.environment(name)), origin: .standard)
        }
    }
}
