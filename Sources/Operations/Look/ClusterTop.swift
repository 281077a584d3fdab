// SPDX-License-Identifier: Apache-2.0

import ClusterConfiguration
import Foundation
import Messaging

/// `trunkline top`: what the nodes did between two looks at them. Pure.
package struct ClusterTop: Encodable, Sendable, Equatable {
    package struct Node: Encodable, Sendable, Equatable {
        package var name: String
        var role: String
        var state: String
        var sessions: Int?
        var slots: Int?
        /// In a second.
        package var sends: Double?
        /// In a second.
        package var deliveries: Double?
        var queue: Int?
        /// Of one processor, in percent.
        var processor: Double?
        var residentBytes: Double?
        var problem: String?
    }

    package var cluster: String
    package var at: String
    package var sessions: Int
    /// Messages stored in a second, by all routers.
    package var sends: Double
    /// Events written to sessions in a second, by all edges.
    package var deliveries: Double
    package var nodes: [Node]
    /// As in ``NodeListing``.
    package var redisProblem: String?

    /// - Parameter before: the look before; of nodes that are not in it, or have been started since, no rates are known.
    package init(
        cluster: String,
        at: String,
        _ samples: [NodeSample],
        before: [NodeSample],
        redisProblem: String? = nil
    ) {
        self.redisProblem = redisProblem
        self.cluster = cluster
        self.at = at
        let earlier = Dictionary(before.map { ($0.name, $0) }) { first, _ in first }
        self.nodes = samples.map { Self.node($0, earlier[$0.name]) }
        self.sessions = self.nodes.reduce(0) { $0 + ($1.sessions ?? 0) }
        self.sends = self.nodes.filter { $0.role == "router" }.reduce(0) { $0 + ($1.sends ?? 0) }
        self.deliveries = self.nodes.filter { $0.role == "edge" }.reduce(0) { $0 + ($1.deliveries ?? 0) }
    }

    private static func node(_ sample: NodeSample, _ before: NodeSample?) -> Node {
        var seconds = 0.0
        if let before, before.incarnation == sample.incarnation {
            let time = (sample.takenAt - before.takenAt).components
            seconds = Double(time.seconds) + Double(time.attoseconds) / 1e18
        }
        func rate(_ value: (NodeSample.Figures) -> Double?) -> Double? {
            guard seconds > 0, let now = sample.figures.flatMap(value), let then = before?.figures.flatMap(value),
                now >= then
            else { return nil }
            return (now - then) / seconds
        }
        return Node(
            name: sample.name,
            role: sample.role,
            state: sample.state,
            sessions: sample.figures?.sessions,
            slots: sample.figures?.slots,
            sends: rate(\.sends),
            deliveries: rate(\.deliveries),
            queue: sample.figures?.queue,
            processor: rate(\.processorSeconds).map { $0 * 100 },
            residentBytes: sample.figures?.residentBytes,
            problem: sample.problem
        )
    }

    package func text() -> String {
        // Without the roles it fits the 80 columns that terminals begin with; the load tells them.
        var table = TextTable("NODE", "STATE", "LOAD", "SENDS/S", "DELIVERIES/S", "QUEUE", "CPU %", "MIB")
        for node in self.nodes {
            let load = node.sessions.map { counted($0, "session") } ?? node.slots.map { counted($0, "slot") }
            table.add(
                node.name,
                node.state,
                load ?? "-",
                node.sends.map(Self.number) ?? "-",
                node.deliveries.map(Self.number) ?? "-",
                node.queue.map(String.init) ?? "-",
                node.processor.map { String(format: "%.1f", $0) } ?? "-",
                node.residentBytes.map { String(format: "%.1f", $0 / 1_048_576) } ?? node.problem ?? "-"
            )
        }
        let head =
            "Cluster \(self.cluster), \(self.at): \(counted(self.sessions, "session")), \(Self.number(self.sends)) sends/s, "
            + "\(Self.number(self.deliveries)) deliveries/s"
        let problem = self.redisProblem.map { "\n" + NodeListing.withoutRedis($0) + "\n" } ?? ""
        return head + "\n\n" + table.text() + "\n" + problem
    }

    private static func number(_ value: Double) -> String {
        value < 10 ? String(format: "%.1f", value) : String(format: "%.0f", value)
    }

    /// One line, so that a program can read one look after the other.
    package func json() throws -> String { try JSONText.text(of: self, onOneLine: true) }
}

/// Looks at the nodes again and again; each time the answer is about the time since the last.
package struct ClusterTopLooks: Sendable {
    private let look: ClusterLook
    private var before: [NodeSample] = []

    package init(_ look: ClusterLook) {
        self.look = look
    }

    package mutating func next() async -> ClusterTop {
        let (samples, problem) = await self.look.nodes()
        defer { self.before = samples }
        return ClusterTop(
            cluster: self.look.settings.cluster,
            at: UTCTime.text(of: WallClock.now()),
            samples,
            before: self.before,
            redisProblem: problem
        )
    }
}
