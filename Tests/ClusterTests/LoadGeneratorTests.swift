// SPDX-License-Identifier: Apache-2.0

import Foundation
import TestSupport
import Testing

extension ClusterTests {
    @Suite("The load generator", .timeLimit(.minutes(3)))
    struct LoadGeneratorTests {
        private static let users = 200

        /// Runs it against all edges to its end.
        static func run(
            _ arguments: [String],
            _ cluster: TestCluster,
            file: String? = nil,
            meanwhile: (GuardedProcess) async throws -> Void = { _ in }
        ) async throws -> (status: Int32, text: String, report: JSONValue) {
            let name = await Names.shared.next("load")
            let file = file ?? "\(cluster.folder)/\(name).json"
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

        /// What `trunkline-load compare` says and how it ends.
        private static func compare(
            _ arguments: [String],
            _ cluster: TestCluster
        ) async throws -> (status: Int32, text: String) {
            let process = try GuardedProcess(
                [TestCluster.program("trunkline-load"), "compare"] + arguments,
                environment: cluster.environment,
                output: "\(cluster.folder)/\(await Names.shared.next("compare")).out"
            )
            try await eventually("the comparison ends", within: .seconds(60)) { process.exitStatus != nil }
            return (process.exitStatus ?? -1, process.text)
        }

        @Test("a run is told over time with what every node took, as a page too, and can be compared with another")
        func reports() async throws {
            let cluster = try await SharedCluster.shared.cluster()
            let page = "\(cluster.folder)/\(await Names.shared.next("page")).html"
            let routers = cluster.routers.flatMap { ["--metrics", $0.url] }
            let (status, text, report) = try await Self.run(
                ["--users", "10", "--rate", "40", "--duration", "3s", "--html", page] + routers,
                cluster
            )
            #expect(status == 0, "\(text)")
            #expect(text.contains("offered"), "without a terminal there is a line a second")
            #expect(!text.contains("\u{1B}"))
            #expect(report["format_version"]?.integer == 1)
            let series = report["time_series"]
            #expect(series?["interval_seconds"]?.integer == 1)
            let intervals = series?["intervals"]?.array ?? []
            #expect(intervals.prefix(4).map { $0["offered"]?.integer } == [40, 40, 40, 40])
            #expect(intervals.reduce(0) { $0 + ($1["acknowledged"]?.integer ?? 0) } == 160)
            #expect(intervals.reduce(0) { $0 + ($1["delivered"]?.integer ?? 0) } == 160)
            #expect(intervals.first?["delivery_latency"]?["count"]?.integer == 40)
            let names = Set((series?["nodes"]?.array ?? []).compactMap { $0["name"]?.string })
            #expect(names == Set(cluster.nodes.map(\.name) + ["trunkline-load"]))
            let html = try String(contentsOfFile: page, encoding: .utf8)
            #expect(html.hasPrefix("<!DOCTYPE html>") && html.hasSuffix("</html>\n"))
            #expect(cluster.nodes.allSatisfy { html.contains($0.name) })
        }

        @Test("compare: what it finds is its exit code")
        func compared() async throws {
            let cluster = try await SharedCluster.shared.cluster()
            let folder = cluster.folder
            let first = "\(folder)/\(await Names.shared.next("first"))"
            _ = try await Self.run(["--users", "4", "--rate", "40", "--duration", "2s"], cluster, file: first)
            let whole = try String(contentsOfFile: first, encoding: .utf8)
            var count = 0
            func altered(_ text: String, by replacement: String) throws -> String {
                count += 1
                let other = whole.replacing(text, with: replacement)
                #expect(other != whole)
                let path = "\(first)-\(count)"
                try other.write(toFile: path, atomically: true, encoding: .utf8)
                return path
            }
            let slower = try altered("\"p50_ms\" : ", by: "\"p50_ms\" : 9")
            let larger = try altered("\"users\" : 4", by: "\"users\" : 5")
            let damaged = try altered("\"sessions\" : ", by: "")
            let same = try await Self.compare([first, first, "--fail-if-worse", "0"], cluster)
            #expect(same.status == 0, "\(same.text)")
            #expect(same.text.contains("settings and machine are the same"))
            let worse = try await Self.compare([first, slower, "--fail-if-worse", "10"], cluster)
            #expect(worse.status == 1, "\(worse.text)")
            #expect(worse.text.contains("WORSE"))
            #expect(try await Self.compare([first, slower], cluster).status == 0, "nothing was to be judged")
            let other = try await Self.compare([first, larger, "--fail-if-worse", "10"], cluster)
            #expect(other.status == 4, "\(other.text)")
            #expect(other.text.contains("NOT COMPARABLE"))
            let judged = try await Self.compare(
                [first, larger, "--fail-if-worse", "10", "--even-if-different"],
                cluster
            )
            #expect(judged.status == 0, "\(judged.text)")
            let unreadable = try await Self.compare([first, damaged], cluster)
            #expect(unreadable.status == 3 && unreadable.text.contains("damaged"), "\(unreadable.text)")
            #expect(try await Self.compare([first, folder + "/none"], cluster).status == 3)
            #expect(try await Self.compare([first], cluster).status == 2)
            #expect(try await Self.compare([first, first, "--fail-if-worse", "-1"], cluster).status == 2)
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
