// SPDX-License-Identifier: Apache-2.0

import Foundation

extension ClusterStatus {
    /// For people: nodes, shards, warnings.
    package func text() -> String {
        var nodes = TextTable("NODE", "ROLE", "STATE", "ADDRESS", "VERSION", "MESH", "UPTIME", "READY")
        for node in self.nodes {
            nodes.add(
                node.name,
                node.role,
                node.state,
                node.address,
                node.version ?? "-",
                node.meshVersion.map { "\($0)" } ?? "-",
                node.uptimeSeconds.map { UTCTime.span(seconds: $0) } ?? "-",
                Self.readiness(of: node)
            )
        }
        let redis = self.redisProblem.map { "unreachable: \($0)" } ?? "reachable"
        var sections = ["Cluster \(self.cluster), Redis \(redis)", nodes.text(), self.shardsText()]
        if self.warnings.isEmpty {
            sections.append("No warnings.")
        } else {
            sections.append("Warnings:\n" + self.warnings.map { "  - \($0)" }.joined(separator: "\n"))
        }
        return sections.joined(separator: "\n\n") + "\n"
    }

    /// For people: the shards alone.
    package func shardsText() -> String {
        var shards = TextTable(
            "SHARD",
            "REACHABLE",
            "WEIGHT",
            "SLOTS",
            "MOVING",
            "OLD COPIES",
            "EPOCH",
            "MAP",
            "ROUTERS"
        )
        for shard in self.shards {
            let routers = shard.routers.map { "\($0.name) (\($0.slots) slots)" }.joined(separator: ", ")
            shards.add(
                shard.name,
                shard.reachable ? "yes" : "no",
                shard.weight.map(String.init) ?? "-",
                shard.slots.map(String.init) ?? "-",
                shard.movingSlots.map(String.init) ?? "-",
                shard.oldCopies.map(String.init) ?? "-",
                shard.epoch.map(String.init) ?? "-",
                shard.mapVersion.map(String.init) ?? "-",
                shard.problem ?? (routers.isEmpty ? "none" : routers)
            )
        }
        return shards.text()
    }

    /// For programs. Names in snake case; a field that is not known is left out.
    package func json() throws -> String {
        try Self.text(self) + "\n"
    }

    package func shardsJSON() throws -> String {
        try Self.text(self.shards)
    }

    private static func text(_ document: some Encodable) throws -> String {
        let encoder = JSONEncoder()
        encoder.keyEncodingStrategy = .convertToSnakeCase
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        return String(decoding: try encoder.encode(document), as: UTF8.self)
    }

    private static func readiness(of node: Node) -> String {
        switch node.ready {
        case .some(true): "yes"
        case .some(false): "no: " + node.reasons.joined(separator: "; ")
        case nil: node.reasons.isEmpty ? "-" : node.reasons.joined(separator: "; ")
        }
    }
}
