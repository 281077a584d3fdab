// SPDX-License-Identifier: Apache-2.0

import ClusterConfiguration
import Testing

@Suite("A node that the command line describes")
struct NodeOptionsTests {
    private func settings(_ node: NodeOptions, environment: [String: String] = [:]) throws -> ClusterSettings {
        try ClusterSettings.parse(yaml: Fixture.minimal, environment: environment, node: node)
    }

    private func problem(_ node: NodeOptions) throws -> ConfigurationProblem {
        let error = try #require(throws: ConfigurationError.self) { try self.settings(node) }
        try #require(error.problems.count == 1, "\(error)")
        return error.problems[0]
    }

    @Test("One that no file lists is a node like any other")
    func unlisted() throws {
        let settings = try self.settings(NodeOptions(name: "edge-9", role: "edge", http: "127.0.0.1:9000"))
        #expect(!settings.isListed("edge-9") && settings.isListed("edge-1") && !settings.isListed("edge-8"))
        let node = try #require(settings.node(named: "edge-9"))
        #expect(node.role == .edge && node.http.description == "127.0.0.1:9000" && node.mesh == nil)
        #expect(settings.nodes.map(\.name) == ["router-1", "edge-1", "edge-9"])
        #expect(settings.effectiveValues.contains { $0.path == "nodes[2].http" && $0.origin == .option("--http") })
    }

    @Test("Of a listed one it says what is different, and wins over the environment")
    func listed() throws {
        let environment = ["TRUNKLINE_NODES__EDGE_1__HTTP": "127.0.0.1:1111"]
        let settings = try self.settings(NodeOptions(name: "edge-1", http: "127.0.0.1:2222"), environment: environment)
        #expect(settings.isListed("edge-1"))
        #expect(settings.nodes.count == 2)
        #expect(settings.node(named: "edge-1")?.http.port == 2222)
    }

    @Test("Only a name adds nothing")
    func nameOnly() throws {
        #expect(try self.settings(NodeOptions(name: "edge-9")).node(named: "edge-9") == nil)
    }

    @Test("Others reach it by the host that it advertises")
    func advertise() throws {
        let node = try #require(
            try self.settings(
                NodeOptions(name: "r", role: "router", mesh: "0.0.0.0:7", http: "0.0.0.0:8", advertise: "10.0.0.7")
            ).node(named: "r")
        )
        #expect(node.mesh?.description == "0.0.0.0:7" && node.meshToDial?.description == "10.0.0.7:7")
        #expect(node.httpToAsk.description == "10.0.0.7:8")
    }

    @Test(
        "What is wrong with it is said of the option",
        arguments: [
            (NodeOptions(name: "Edge", role: "edge", http: "h:1"), "NAME: nodes[2].name"),
            (NodeOptions(name: "e", role: "server", http: "h:1"), "--role: nodes[2].role"),
            (NodeOptions(name: "e", role: "edge", http: "h"), "--http: nodes[2].http"),
            (NodeOptions(name: "e", role: "edge", mesh: "h:1", http: "h:2"), "--mesh: nodes[2].mesh"),
            (NodeOptions(name: "e", role: "edge", http: "127.0.0.1:8201"), "--http: nodes[2].http"),
            (NodeOptions(name: "e", role: "edge", http: "h:1", advertise: "h:1"), "--advertise: nodes[2].advertise"),
            (
                NodeOptions(name: "e", role: "edge", http: "h:1", advertise: "0.0.0.0"),
                "--advertise: nodes[2].advertise"
            ),
            (NodeOptions(name: "r", role: "router", mesh: "0.0.0.0:7", http: "h:2"), "--mesh: nodes[2].mesh"),
            (NodeOptions(name: "r", role: "router", http: "h:2"), "nodes[2].mesh"),
            (NodeOptions(name: "e", role: "edge"), "nodes[2].http"),
        ]
    )
    func refused(node: NodeOptions, start: String) throws {
        let problem = try self.problem(node)
        #expect(problem.description.hasPrefix(start), "\(problem)")
    }
}
