// SPDX-License-Identifier: Apache-2.0

/// A node as the command line describes it: one that no file lists, or a listed one with other values.
package struct NodeOptions: Sendable, Equatable {
    package var name: String
    package var role: String?
    package var mesh: String?
    package var http: String?
    package var advertise: String?

    package init(
        name: String,
        role: String? = nil,
        mesh: String? = nil,
        http: String? = nil,
        advertise: String? = nil
    ) {
        self.name = name
        self.role = role
        self.mesh = mesh
        self.http = http
        self.advertise = advertise
    }

    /// By the names of the keys that they stand for.
    private var values: [String: String] {
        ["role": self.role, "mesh": self.mesh, "http": self.http, "advertise": self.advertise].compactMapValues(\.self)
    }

    /// Wins over the file and the environment. A node that is not listed is added, unless nothing is said of it.
    func apply(to document: inout RawDocument) {
        guard !self.values.isEmpty else { return }
        var nodes = document.lists["nodes"] ?? []
        let place = nodes.firstIndex { $0.values["name"]?.text == self.name } ?? nodes.endIndex
        if place == nodes.endIndex {
            nodes.append(RawMapping(values: ["name": RawValue(content: .scalar(self.name), origin: .option("NAME"))]))
        }
        for (key, value) in self.values {
            nodes[place].values[key] = RawValue(content: .scalar(value), origin: .option("--\(key)"))
            nodes[place].refused.remove(key)
        }
        document.lists["nodes"] = nodes
    }
}

extension RawValue {
    fileprivate var text: String? {
        if case .scalar(let text) = self.content { text } else { nil }
    }
}
