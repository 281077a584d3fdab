// SPDX-License-Identifier: Apache-2.0

/// `trunkline nodes`.
package struct NodeListing: Encodable, Sendable, Equatable {
    package struct Node: Encodable, Sendable, Equatable {
        var name: String
        var role: String
        var state: String
        var version: String?
        var address: String?
        var incarnation: String?
        /// Of an edge.
        var sessions: Int?
        /// Of a router.
        var slots: Int?
        var since: String?
        var problem: String?
    }

    package var nodes: [Node]
    /// Why states are not known, and nodes that have joined not listed; nil when they are.
    package var redisProblem: String?

    package init(_ look: (samples: [NodeSample], redisProblem: String?)) {
        self.redisProblem = look.redisProblem
        self.nodes = look.samples.map { sample in
            Node(
                name: sample.name,
                role: sample.role,
                state: sample.state,
                version: sample.version,
                address: sample.address,
                incarnation: sample.incarnation,
                sessions: sample.figures?.sessions,
                slots: sample.figures?.slots,
                since: sample.since.map { UTCTime.text(of: $0) },
                problem: sample.problem
            )
        }
    }

    package func text() -> String {
        var table = TextTable("NODE", "ROLE", "STATE", "LOAD", "VERSION", "ADDRESS", "SINCE", "INCARNATION")
        for node in self.nodes {
            let load = node.sessions.map { counted($0, "session") } ?? node.slots.map { counted($0, "slot") }
            table.add(
                node.name,
                node.role,
                node.state,
                load ?? "-",
                node.version ?? "-",
                node.address ?? "-",
                node.since ?? "-",
                node.incarnation ?? "-"
            )
        }
        var problems = self.nodes.compactMap { node in node.problem.map { "\(node.name): \($0)" } }
        if let problem = self.redisProblem { problems.append(Self.withoutRedis(problem)) }
        return table.text() + "\n" + (problems.isEmpty ? "" : "\n" + problems.joined(separator: "\n") + "\n")
    }

    static func withoutRedis(_ problem: String) -> String {
        "Redis is unreachable, so states are unknown, and nodes that joined are not listed: \(problem)"
    }

    package func json() throws -> String { try JSONText.text(of: self) }
}
