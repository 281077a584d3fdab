// SPDX-License-Identifier: Apache-2.0

import ClusterConfiguration
import Directory
import Messaging
import Testing

@testable import Operations

@Suite("A walk that starts every node again")
struct RollTests {
    private static func node(
        _ name: String,
        _ role: ClusterSettings.Role,
        _ state: NodeState = .ready,
        host: String = "10.0.0.7"
    ) -> RollPlan.Node {
        RollPlan.Node(
            name: name,
            role: role,
            state: state,
            incarnation: .generate(),
            host: host,
            version: "0.1.0"
        )
    }

    private static let cluster = [
        node("edge-2", .edge), node("edge-1", .edge), node("router-2", .router), node("a-router", .router),
        node("router-1", .router),
    ]

    private func names(_ wish: RollPlan.Wish, _ nodes: [RollPlan.Node] = cluster) throws -> [String] {
        try RollPlan(nodes, wish).names
    }

    private func refusal(_ wish: RollPlan.Wish, _ nodes: [RollPlan.Node] = cluster) throws -> String {
        let error = #expect(throws: OperationsError.self) { _ = try RollPlan(nodes, wish) }
        return try #require(error).message
    }

    // MARK: - The order

    @Test("Routers go before edges, each by name")
    func order() throws {
        #expect(try self.names(.init()) == ["a-router", "router-1", "router-2", "edge-1", "edge-2"])
        #expect(try self.names(.init(role: .edge)) == ["edge-1", "edge-2"])
        #expect(try self.names(.init(only: ["edge-2", "router-1"])) == ["router-1", "edge-2"])
        #expect(try self.names(.init(only: ["edge-2", "router-1"], role: .router)) == ["router-1"])
        #expect(try self.names(.init(from: "router-2")) == ["router-2", "edge-1", "edge-2"])
        #expect(try self.names(.init(role: .edge, from: "edge-2")) == ["edge-2"])
    }

    @Test("Nodes that do not run, or that were not chosen, are told")
    func strangers() throws {
        #expect(try self.refusal(.init(only: ["edge-1", "edge-9"])) == "edge-9 is not running")
        #expect(try self.refusal(.init(from: "edge-9")) == "edge-9 is not running")
        let outside = try self.refusal(.init(role: .edge, from: "router-1"))
        #expect(outside == "router-1 is not among the nodes that were chosen")
        #expect(try self.refusal(.init(only: ["edge-1"], role: .router)) == "no node was chosen")
    }

    // MARK: - Gaps

    @Test("The only node of a role is refused unless the gap is accepted; it is not drained then")
    func gap() throws {
        let nodes = [Self.node("router-1", .router), Self.node("router-2", .router), Self.node("edge-1", .edge)]
        #expect(try self.refusal(.init(), nodes).contains("edge-1 is the only edge that serves"))
        #expect(try self.names(.init(role: .router), nodes) == ["router-1", "router-2"])
        let plan = try RollPlan(nodes, .init(allowsGap: true))
        #expect(plan.names == ["router-1", "router-2", "edge-1"])
        #expect(try plan.step("router-1", among: nodes).isDrained)
        #expect(try !plan.step("edge-1", among: nodes).isDrained)
    }

    @Test("One that is drained or starting does not count as one that serves")
    func gapOfADrained() throws {
        for state in [NodeState.draining, .starting] {
            let nodes = [Self.node("router-1", .router), Self.node("router-2", .router, state)]
            #expect(try self.refusal(.init(only: ["router-1"]), nodes).contains("only router that serves"))
            // The other way about it is what ends a walk that stopped half-way.
            let plan = try RollPlan(nodes, .init(only: ["router-2"]))
            #expect(try plan.step("router-2", among: nodes).isDrained)
        }
    }

    @Test("Before its turn each node is looked at again: never are two out at a time")
    func laterLook() throws {
        let plan = try RollPlan(Self.cluster, .init())
        func refusal(_ name: String, _ nodes: [RollPlan.Node]) throws -> String {
            let error = #expect(throws: OperationsError.self) { _ = try plan.step(name, among: nodes) }
            return try #require(error).message
        }
        var nodes = Self.cluster
        #expect(try plan.step("edge-1", among: nodes).node == nodes[1])
        nodes[0].state = .draining
        #expect(try refusal("edge-1", nodes).contains("edge-1 is the only edge"))
        #expect(try refusal("router-1", nodes).contains("edge-2 is draining"))
        #expect(try plan.step("edge-2", among: nodes).isDrained, "it is the one that is out")
        nodes.removeFirst()
        #expect(try refusal("edge-1", nodes).contains("edge-1 is the only edge"))
        #expect(try refusal("edge-2", nodes).contains("is not running"))
        let bold = try RollPlan(Self.cluster, .init(allowsGap: true))
        #expect(try !bold.step("edge-1", among: nodes).isDrained)
    }

    // MARK: - Being back

    private func status(
        ready: Bool = true,
        views: [[String]] = [["router-1", "router-2"], ["router-1", "router-2"]],
        warnings: [String] = []
    ) -> ClusterStatus {
        ClusterStatus(
            cluster: "test",
            redisProblem: nil,
            nodes: ["router-1", "edge-1"].map { name in
                ClusterStatus.Node(
                    name: name,
                    role: name.hasPrefix("r") ? "router" : "edge",
                    state: "ready",
                    address: "",
                    version: nil,
                    uptimeSeconds: 1,
                    ready: ready,
                    reasons: ready ? [] : ["no links"]
                )
            },
            shards: views.enumerated().map { index, routers in
                ClusterStatus.Shard(
                    name: "shard-\(index + 1)",
                    reachable: true,
                    slots: 2048,
                    routers: routers.map { .init(name: $0, slots: 1024) }
                )
            },
            warnings: warnings
        )
    }

    @Test("A node is back when it is another process, ready, in all views, and nothing warns of it")
    func back() {
        let before = Self.node("router-1", .router, .draining)
        let now = Self.node("router-1", .router)
        func judge(_ node: RollPlan.Node?, _ status: ClusterStatus) -> RollReturn {
            RollReturn(of: before, among: [Self.node("edge-1", .edge)] + (node.map { [$0] } ?? []), status)
        }
        #expect(judge(now, self.status()) == .back(now))
        #expect(judge(nil, self.status()) == .waits("it has no lease yet"))
        guard case .waits(let same) = judge(before, self.status()) else {
            Issue.record("it is the same process")
            return
        }
        #expect(same.contains("was there before"))
        var starting = now
        starting.state = .starting
        #expect(judge(starting, self.status()) == .waits("it is starting"))
        #expect(judge(now, self.status(ready: false)) == .waits("it is not ready: no links"))
        let views = [["router-1", "router-2"], ["router-2"]]
        #expect(judge(now, self.status(views: views)) == .waits("it is not in the view of shard shard-2"))
        let warning = "shard shard-1 counts on router router-1, which has no lease"
        #expect(judge(now, self.status(warnings: [warning])) == .waits("status warns: \(warning)"))
        let others = ["router router-11 is not ready", "the nodes run different versions: 0.1.0, 0.2.0"]
        #expect(judge(now, self.status(warnings: others)) == .back(now))
    }

    @Test("An edge is in no view; a shard that cannot be seen, or holds nothing, says nothing of a router")
    func viewsThatDoNotCount() {
        let edge = Self.node("edge-1", .edge)
        #expect(RollReturn(of: Self.node("edge-1", .edge), among: [edge], self.status(views: [[]])) == .back(edge))
        let router = Self.node("router-1", .router)
        var status = self.status(views: [["router-1"], [], []])
        status.shards[1].reachable = false
        status.shards[2].slots = 0
        #expect(RollReturn(of: Self.node("router-1", .router), among: [router], status) == .back(router))
    }

    // MARK: - The command

    @Test("The command has the node's name, role and host where it asks for them, and the shell's own braces")
    func command() throws {
        let node = Self.node("edge-1", .edge)
        let command = try RestartCommand("ssh {host} systemctl restart trunkline@{node} # {role} {node}")
        #expect(try command.text(for: node) == "ssh 10.0.0.7 systemctl restart trunkline@edge-1 # edge edge-1")
        let shell = try RestartCommand("{ a ${node} ${#x} {} {A} { node }; }")
        #expect(try shell.text(for: node) == "{ a ${node} ${#x} {} {A} { node }; }")
        for wrong in ["", " \n", "restart {name}", "x {hostt}"] {
            #expect(throws: OperationsError.self) { _ = try RestartCommand(wrong) }
        }
    }

    @Test(
        "What comes from Redis does not become shell",
        arguments: ["x; rm -rf /", "$(id)", "-oProxyCommand=x", "", "a b"]
    )
    func injection(text: String) throws {
        #expect(throws: OperationsError.self) {
            _ = try RestartCommand("ssh {host}").text(for: Self.node("edge-1", .edge, host: text))
        }
        #expect(throws: OperationsError.self) {
            _ = try RestartCommand("restart {node}").text(for: Self.node(text == "" ? "'" : text, .edge))
        }
        // Where it is not asked for, it does not matter.
        #expect(
            try RestartCommand("restart {node}").text(for: Self.node("edge-1", .edge, host: text)) == "restart edge-1"
        )
    }

    @Test("A shell command's end is told as a shell has it")
    func shell() async throws {
        let statuses = [
            try await ShellCommand.run("exit 0"), try await ShellCommand.run("exit 7"),
            try await ShellCommand.run("kill -9 $$"), try await ShellCommand.run("read line"),
            try await ShellCommand.run("test -n \"$PATH\""),
        ]
        #expect(statuses == [0, 7, 137, 1, 0])
    }
}
