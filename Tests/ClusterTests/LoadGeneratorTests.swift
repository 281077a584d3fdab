// SPDX-License-Identifier: Apache-2.0

import Foundation
import TestSupport
import Testing

extension ClusterTests {
    @Suite("The load generator", .timeLimit(.minutes(3)))
    struct LoadGeneratorTests {
        private static let users = 200

        /// Runs it against all edges to its end.
        private static func run(
            _ arguments: [String],
            _ cluster: TestCluster,
            meanwhile: (GuardedProcess) async throws -> Void = { _ in }
        ) async throws -> (status: Int32, text: String, report: JSONValue) {
            let file = "\(cluster.folder)/\(await Names.shared.next("load")).json"
            let edges = cluster.edges.flatMap { ["--edge", $0.url] }
            // On a busy machine a message may take its time; what is sent has to be answered in the end.
            let patient = ["--drain", "100s", "--send-time-limit", "100s", "--warmup", "1s"]
            let process = try GuardedProcess(
                [TestCluster.program("trunkline-load")] + edges + arguments + patient + ["--json", file],
                environment: cluster.environment,
                output: file + ".out"
            )
            try await meanwhile(process)
            try await eventually("the load generator ends", within: .seconds(150)) { process.exitStatus != nil }
            let report = try JSONValue(json: String(contentsOfFile: file, encoding: .utf8))
            return (process.exitStatus ?? -1, process.text, report)
        }

        @Test("storm: all are cut at once, all come back, nothing is lost, and the nodes tell their memory")
        func storm() async throws {
            let cluster = try await TestCluster(
                settings: """
                    rates:
                      authentications_per_node: 100/s burst 20

                    """
            )
            let routers = cluster.routers.flatMap { ["--metrics", $0.url] }
            let (status, text, report) = try await Self.run(
                ["--scenario", "storm", "--users", "\(Self.users)", "--rate", "50", "--duration", "6s"]
                    + ["--storm-limit", "100s", "--memory-limit", "4096"] + routers,
                cluster
            )
            #expect(status == 0, "\(text)")
            #expect(report["verdict"]?.string == "held")
            #expect(report["audit"]?["violation_count"]?.integer == 0)
            let returns = report["returns"]
            #expect(returns?["dropped"]?.integer == Int64(Self.users))
            #expect(returns?["lost"]?.integer == Int64(Self.users))
            #expect(returns?["back"]?.integer == Int64(Self.users))
            #expect(returns?["time_back"]?["count"]?.integer == Int64(Self.users))
            #expect(returns?["rate_limited"]?.integer ?? 0 > 0, "more than a burst came to each edge")
            #expect(returns?["retry_after_max_ms"]?.integer ?? 0 > 0)
            let memory = report["memory"]?.array ?? []
            #expect(memory.count == cluster.nodes.count)
            for node in memory {
                #expect(node["peak_bytes"]?.integer ?? 0 > 1 << 20, "\(node)")
                #expect(node["before_storm_bytes"]?.integer ?? 0 > 1 << 20, "\(node)")
            }
            #expect(text.contains("storm: held."), "\(text)")
        }

        @Test("storm: who is not back in time, or a node with too much memory, is exit code 5")
        func stormFailed() async throws {
            let cluster = try await SharedCluster.shared.cluster()
            let (status, text, report) = try await Self.run(
                ["--scenario", "storm", "--users", "20", "--rate", "20", "--duration", "2s"]
                    + ["--storm-limit", "1ms", "--memory-limit", "1"],
                cluster
            )
            #expect(status == 5, "\(text)")
            #expect(report["verdict"]?.string == "storm_failed")
            #expect(report["returns"]?["back"]?.integer == 20)
            #expect(text.contains("--storm-limit is 0.0 s"), "\(text)")
            #expect(text.contains("--memory-limit is 1 MiB"), "\(text)")
        }

        @Test("an edge that is killed under direct load: its sessions are counted as lost with the reason, and as back")
        func killedEdge() async throws {
            let cluster = try await TestCluster()
            let (status, text, report) = try await Self.run(
                ["--users", "40", "--rate", "50", "--duration", "6s"],
                cluster
            ) { process in
                try await eventually("it sends", within: .seconds(60)) { process.text.contains("offered") }
                try cluster.kill("edge-1")
            }
            #expect(status == 0, "\(text)")
            let returns = report["returns"]
            #expect(returns?["lost"]?.integer == 20, "\(text)")
            #expect(returns?["back"]?.integer == 20, "\(text)")
            #expect(returns?["dropped"]?.integer == 0)
            #expect(returns?["losses_by_reason"]?["connection_lost"]?.integer == 20)
        }
    }
}
