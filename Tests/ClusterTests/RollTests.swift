// SPDX-License-Identifier: Apache-2.0

import Foundation
import Glibc
import TestSupport
import Testing

extension ClusterTests {
    @Suite("Starting every node again", .serialized, .timeLimit(.minutes(6)))
    struct RollTests {
        /// Stands in for a service manager: a shell command asks by a file, and the test starts the node again.
        struct Restarter {
            let cluster: TestCluster

            var command: String {
                "touch \(cluster.folder)/{node}.wish; while [ -e \(cluster.folder)/{node}.wish ]; do sleep 0.05; done"
            }

            /// Until cancelled.
            func run(_ started: @escaping @Sendable (String) -> Void = { _ in }) async throws {
                while !Task.isCancelled {
                    for node in self.cluster.nodes where access("\(self.cluster.folder)/\(node.name).wish", F_OK) == 0 {
                        try await self.cluster.stop(node.name)
                        started(node.name)
                        try self.cluster.start(node.name)
                        unlink("\(self.cluster.folder)/\(node.name).wish")
                    }
                    // A file has no way to say that it has come.
                    try? await Task.sleep(for: .milliseconds(20))
                }
            }

            /// Runs `trunkline roll` with this command. Returns its exit status and what it wrote.
            func roll(_ options: [String]) async throws -> (status: Int32, text: String) {
                let number = await Names.shared.next("roll")
                let process = try GuardedProcess(
                    [TestCluster.program("trunkline"), "roll", "--restart-with", self.command] + options,
                    environment: self.cluster.environment,
                    output: "\(self.cluster.folder)/\(number).out"
                )
                return try await withThrowingTaskGroup(of: Void.self) { group in
                    group.addTask { try await self.run() }
                    try await eventually("the walk ends", within: .seconds(120)) { process.exitStatus != nil }
                    group.cancelAll()
                    try await group.waitForAll()
                    return (process.exitStatus ?? -1, process.text)
                }
            }
        }

        @Test("Under load every node is started again, one at a time: nothing is lost, nobody is refused")
        func underLoad() async throws {
            let cluster = try await TestCluster()
            let users = 40
            let before = try cluster.nodes.map { try cluster.process($0.name).process }
            let (status, text, report) = try await LoadGeneratorTests.run(
                ["--scenario", "direct", "--users", "\(users)", "--rate", "80", "--duration", "40s"],
                cluster
            ) { load in
                try await DrainTests.sends(load)
                let roll = try await Restarter(cluster: cluster).roll(["--rate", "40"])
                #expect(roll.status == 0, "\(roll.text)")
                #expect(roll.text.contains("All 4 nodes are back."), "\(roll.text)")
                let starts = ["[1/4] router-1", "[2/4] router-2", "[3/4] edge-1", "[4/4] edge-2"]
                let places = starts.compactMap { roll.text.range(of: $0)?.lowerBound }
                #expect(places.count == 4 && places == places.sorted(), "\(roll.text)")
                #expect(load.exitStatus == nil, "the load was over too early")
            }
            let after = try cluster.nodes.map { try cluster.process($0.name).process }
            #expect(zip(before, after).allSatisfy { $0 != $1 })
            #expect(status == 0, "\(text)")
            #expect(report["verdict"]?.string == "held", "\(text)")
            #expect(report["audit"]?["violation_count"]?.integer == 0)
            #expect(report["counts"]?["acknowledged"]?.integer == report["counts"]?["offered"]?.integer)
            // Half of them moved from the first edge to the second, then all moved back; none more than that.
            #expect(report["sessions"]?["disconnections"]?.integer == Int64(users * 3 / 2), "\(text)")
        }

        @Test("The first failure ends the walk, says what is done and how to go on, and going on ends it")
        func failure() async throws {
            let cluster = try await TestCluster()
            let restarter = Restarter(cluster: cluster)
            let command = "test {node} != router-2 && { \(restarter.command); }"
            let (status, text) = try await restarter.roll(["--role", "router", "--restart-with", command])
            #expect(status == 1, "\(text)")
            #expect(text.contains("the command for router-2 ended with status 1"), "\(text)")
            #expect(text.contains("Stopped at router-2. Done: router-1. Not done: router-2."), "\(text)")
            #expect(text.contains("--from router-2"), "\(text)")
            // It is drained still; a second walk elsewhere would have two nodes out.
            let (elsewhere, why) = try await restarter.roll(["--role", "edge"])
            #expect(elsewhere == 1 && why.contains("router-2 is draining"), "\(why)")
            #expect(why.contains("Done: none"), "\(why)")
            let (rest, end) = try await restarter.roll(["--role", "router", "--from", "router-2"])
            #expect(rest == 0 && end.contains("All 1 nodes are back."), "\(end)")
            let log = try await CommandLineTests.run(["log"], cluster).text
            #expect(log.contains("at router-2, after router-1: the command for router-2 ended with status 1"), "\(log)")
            let listed = try await CommandLineTests.run(["status"], cluster)
            #expect(listed.text.contains("No warnings."), "\(listed.text)")
        }

        @Test("Two walks at once: the second is told who the first is; one that was killed leaves nothing behind")
        func twoAtOnce() async throws {
            let cluster = try await TestCluster(shards: 2)
            let wait = "\(cluster.folder)/wait"
            let first = try GuardedProcess(
                [
                    TestCluster.program("trunkline"), "roll", "--only", "edge-1", "--restart-with",
                    "touch \(wait); while [ -e \(wait) ]; do sleep 0.05; done",
                ],
                environment: cluster.environment.merging(["USER": "anna"]) { $1 },
                output: "\(cluster.folder)/first.out"
            )
            try await eventually("the first waits for its command", within: .seconds(60)) { access(wait, F_OK) == 0 }
            // One of all nodes, and one of a node that the first has nothing to do with.
            for options in [[], ["--only", "edge-2"]] {
                let (status, text) = try await CommandLineTests.run(
                    ["roll", "--restart-with", "touch \(cluster.folder)/second"] + options,
                    cluster
                )
                #expect(status == 1 && text.contains("trunkline operator anna@"), "\(text)")
                #expect(text.contains("starts the nodes again, one after the other"), "\(text)")
                #expect(access("\(cluster.folder)/second", F_OK) != 0)
            }
            let (moved, move) = try await CommandLineTests.run(["move", "start"], cluster)
            #expect(moved == 0, "slots may move meanwhile: \(move)")
            // Its command outlives it here, and has no part in the lock.
            first.signal(SIGKILL)
            try await eventually("it is gone") { first.exitStatus != nil }
            try await cluster.trunkline("undrain", "edge-1")
            try await eventually("its lease says that edge-1 serves again", within: .seconds(30)) {
                let trial = ["roll", "--dry-run", "--only", "edge-2", "--restart-with", "true"]
                return try await CommandLineTests.run(trial, cluster).status == 0
            }
            let (status, text) = try await Restarter(cluster: cluster).roll(["--only", "edge-2"])
            #expect(status == 0, "\(text)")
            unlink(wait)
            try await Self.showsBoth(cluster)
        }

        @Test("Ctrl-C: how to go on and what is left is said, and the log has it")
        func interrupted() async throws {
            let cluster = try await TestCluster(shards: 1)
            let (wait, output) = ("\(cluster.folder)/wait", "\(cluster.folder)/roll.out")
            let walk = try GuardedProcess(
                [
                    TestCluster.program("trunkline"), "roll", "--role", "edge", "--restart-with",
                    "touch \(wait); while [ -e \(wait) ]; do sleep 0.05; done",
                ],
                environment: cluster.environment,
                output: output
            )
            try await eventually("its command has begun", within: .seconds(60)) { access(wait, F_OK) == 0 }
            walk.signal(SIGINT)
            try await eventually("it has ended") { walk.exitStatus != nil }
            unlink(wait)
            let text = try String(contentsOfFile: output, encoding: .utf8)
            #expect(walk.exitStatus == 130, "\(text)")
            #expect(text.contains("Not done: edge-1, edge-2.") && text.contains("--from edge-1"), "\(text)")
            #expect(text.contains("`trunkline undrain edge-1`"), "\(text)")
            let log = try await CommandLineTests.run(["log"], cluster).text
            #expect(log.contains("roll stop") && log.contains("at edge-1, after none: Ctrl-C"), "\(log)")
            // The lock is gone with it.
            try await cluster.trunkline("undrain", "edge-1")
            try await eventually("its lease says that edge-1 serves again", within: .seconds(30)) {
                let trial = ["roll", "--dry-run", "--only", "edge-2", "--restart-with", "true"]
                return try await CommandLineTests.run(trial, cluster).status == 0
            }
        }

        private static func showsBoth(_ cluster: TestCluster) async throws {
            let (_, text) = try await CommandLineTests.run(["log", "--json"], cluster)
            let entries = (try JSONValue(json: text).array ?? []).filter {
                $0["action"]?.string?.hasPrefix("roll") == true
            }
            #expect(
                entries.map { $0["action"]?.string }
                    == ["roll begin", "roll node", "roll begin", "roll node", "roll node", "roll end"],
                "\(text)"
            )
            let details = entries.map { $0["detail"]?.string ?? "" }
            #expect(details.first == "edge-1" && details.last == "back: edge-2", "\(text)")
            #expect(details.dropLast().last?.hasPrefix("1 of 1: edge-2 is back after ") == true, "\(text)")
            #expect(entries.first?["operator"]?.string?.hasPrefix("anna@") == true, "\(text)")
            #expect(entries.allSatisfy { $0["shards"]?.array?.count == 2 }, "\(text)")
        }

        @Test("What is refused is refused before anything is done, with what to do")
        func refusals() async throws {
            let cluster = try await SharedCluster.shared.cluster()
            let cases: [(arguments: [String], status: Int32, text: String)] = [
                (["--dry-run", "--restart-with", "restart {node} on {host}"], 0, "restart router-1 on 127.0.0.1"),
                (["--restart-with", "restart {name}"], 64, "{name} is not known"),
                (["--restart-with", "x", "--only", "edge-1,edge-77"], 1, "edge-77 is not running"),
                (["--restart-with", "x", "--only", "edge-1;"], 64, "is not the name of a node"),
                (["--restart-with", "x", "--from", "edge-1", "--role", "router"], 1, "not among the nodes"),
                ([], 64, "--restart-with"),
            ]
            for (arguments, expected, part) in cases {
                let (status, text) = try await CommandLineTests.run(["roll"] + arguments, cluster)
                #expect(status == expected && text.contains(part), "\(arguments): \(status) \(text)")
            }
            for node in cluster.nodes { #expect(try cluster.isReady(node.name)) }
        }

        @Test("The only node of a role is not taken away, unless the gap is accepted")
        func gap() async throws {
            let cluster = try await TestCluster(routers: 1, edges: 1, shards: 1)
            let restarter = Restarter(cluster: cluster)
            let (refused, why) = try await restarter.roll([])
            #expect(refused == 1 && why.contains("router-1 is the only router that serves"), "\(why)")
            #expect(why.contains("--allow-gap"), "\(why)")
            let load = try await Load(cluster, conversations: 2)
            try await load.run {
                let (status, text) = try await restarter.roll(["--allow-gap"])
                #expect(status == 0 && text.contains("All 2 nodes are back."), "\(text)")
                #expect(text.contains("not drained: no other router serves"), "\(text)")
            }
        }
    }
}
