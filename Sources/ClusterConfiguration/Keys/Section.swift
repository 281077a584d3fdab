// SPDX-License-Identifier: Apache-2.0

/// One top-level key of `cluster.yaml`, without the types that its keys fill.
struct Section: Sendable {
    enum Form: Sendable {
        /// The section is itself the one key of ``Section/keys``.
        case scalar
        case mapping
        /// A list of mappings, each told from the others by its `name`.
        case list
    }

    var name: String
    var form: Form
    var summary: String
    var keys: [KeyDescription]

    func key(_ name: String) -> KeyDescription? {
        self.keys.first { $0.name == name }
    }

    /// What may stand at one level of the section, each once.
    ///
    /// - Parameter group: what the names of keys begin with at this level, with its dot.
    func words(under group: String) -> [String] {
        var words: [String] = []
        for key in self.keys where key.name.hasPrefix(group) {
            let word = String(key.name.dropFirst(group.count).prefix { $0 != "." })
            if !words.contains(word) { words.append(word) }
        }
        return words
    }

    /// Whether it is no key itself, but keys stand below it.
    func isGroup(_ name: String) -> Bool {
        self.keys.contains { $0.name.hasPrefix("\(name).") }
    }

    /// The path of a key: `cluster`, `limits.batch_bytes`, `nodes[2].http`.
    func path(of key: String, entry: Int? = nil) -> String {
        switch self.form {
        case .scalar: self.name
        case .mapping: "\(self.name).\(key)"
        case .list: "\(self.name)[\(entry.map(String.init) ?? "")].\(key)"
        }
    }
}

extension KeyTable {
    /// In the order of the file.
    static let sections: [Section] = [
        Section(name: "cluster", form: .scalar, summary: "", keys: Self.cluster.map(\.description)),
        Section(
            name: "secrets",
            form: .mapping,
            summary: "Where the cluster's secrets come from. Their values never stand in the file.",
            keys: Self.secrets.map(\.description)
        ),
        Section(name: "redis", form: .mapping, summary: "", keys: Self.redis.map(\.description)),
        Section(
            name: "shards",
            form: .list,
            summary: "The Postgres databases. Routers need them; a file for edges alone may leave them out.",
            keys: Self.shard.map(\.description)
        ),
        Section(
            name: "nodes",
            form: .list,
            summary:
                "Nodes known beforehand. Others join with `trunkline run NAME --role …` and are found through Redis.",
            keys: Self.node.map(\.description)
        ),
        Section(
            name: "limits",
            form: .mapping,
            summary: "Bounds of queues, batches, frames and caches.",
            keys: Self.limits.map(\.description)
        ),
        Section(
            name: "rates",
            form: .mapping,
            summary: "How often clients may do what. Every edge counts for itself; over it they get rate_limited.",
            keys: Self.rates.map(\.description)
        ),
        Section(name: "timeouts", form: .mapping, summary: "", keys: Self.timeouts.map(\.description)),
        Section(name: "tokens", form: .mapping, summary: "", keys: Self.tokens.map(\.description)),
        Section(
            name: "passwords",
            form: .mapping,
            summary: "The cost of checking a password (scrypt, RFC 7914).",
            keys: Self.passwords.map(\.description)
        ),
        Section(
            name: "tls",
            form: .mapping,
            summary:
                "Encryption, off where nothing is said; `trunkline certs` makes certificates. Changed files are read without a restart.",
            keys: Self.tls.map(\.description)
        ),
        Section(name: "log", form: .mapping, summary: "", keys: Self.log.map(\.description)),
    ]
}
