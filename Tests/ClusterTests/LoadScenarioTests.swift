// SPDX-License-Identifier: Apache-2.0

import Foundation
import Glibc
import TestSupport
import Testing

extension ClusterTests {
    @Suite("Scenarios of the load generator", .timeLimit(.minutes(3)))
    struct LoadScenarioTests {
        private typealias Generator = LoadGeneratorTests

        @Test("mixed: pairs and groups of many sizes, two devices a user, and every device gets everything")
        func mixed() async throws {
            let cluster = try await SharedCluster.shared.cluster()
            let (status, text, report) = try await Generator.run(
                ["--scenario", "mixed", "--users", "30", "--rate", "50", "--duration", "2s", "--protocol", "binary"],
                cluster
            )
            #expect(status == 0, "\(text)")
            #expect(report["audit"]?["violation_count"]?.integer == 0)
            #expect(report["sessions"]?["connected"]?.integer == 60)
            #expect(report["settings"]?["devices_per_user"]?.integer == 2)
            #expect(report["settings"]?["direct_percent"]?.integer == 60)
            #expect(report["settings"]?["protocol"]?.string == "binary")
            #expect(report["counts"]?["acknowledged"]?.integer == 150)
            // Three other devices at least, of the other one and the own second one.
            #expect(report["counts"]?["expected_deliveries"]?.integer ?? 0 > 450)
            let delivered =
                (report["counts"]?["delivered_live"]?.integer ?? 0)
                + (report["counts"]?["delivered_by_catch_up"]?.integer ?? 0)
            #expect(delivered == report["counts"]?["expected_deliveries"]?.integer, "\(text)")
        }

        @Test("idle: nobody sends; how fast sessions began and what each edge holds is told")
        func idle() async throws {
            let cluster = try await TestCluster(routers: 1, edges: 2, shards: 1)
            let (status, text, report) = try await Generator.run(
                ["--scenario", "idle", "--users", "41", "--duration", "1s"],
                cluster
            )
            #expect(status == 0, "\(text)")
            #expect(report["counts"]?["offered"]?.integer == 0)
            #expect(report["settings"]?["conversations"]?.integer == 0)
            #expect(report["connect_latency"]?["count"]?.integer == 41)
            let edges = report["session_memory"]?.array ?? []
            #expect(edges.compactMap { $0["node"]?.string }.sorted() == ["edge-1", "edge-2"])
            let sessions = edges.compactMap { edge in edge["after"]?["sessions"]?.integer }
            #expect(sessions.sorted() == [20, 21])
            #expect(edges.allSatisfy { $0["before"]?["sessions"]?.integer == 0 })
            #expect(text.contains("41 sessions began"), "\(text)")
        }

        @Test("idle with a small rate: pairs that write now and then")
        func nearlyIdle() async throws {
            let cluster = try await SharedCluster.shared.cluster()
            let (status, text, report) = try await Generator.run(
                ["--scenario", "idle", "--users", "10", "--rate", "5", "--duration", "1s"],
                cluster
            )
            #expect(status == 0, "\(text)")
            #expect(report["counts"]?["acknowledged"]?.integer == 10)
        }

        @Test(
            "churn: guests come and go while connections are cut; everybody gets what is certainly theirs and no more"
        )
        func churn() async throws {
            let cluster = try await SharedCluster.shared.cluster()
            let (status, text, report) = try await Generator.run(
                ["--scenario", "churn", "--groups", "2", "--group-size", "6", "--rate", "60", "--duration", "5s"]
                    + ["--guests", "3", "--churn-rate", "12"],
                cluster
            )
            #expect(status == 0, "\(text)")
            #expect(report["audit"]?["violation_count"]?.integer == 0, "\(text)")
            #expect(report["settings"]?["users"]?.integer == 18)
            let churn = report["churn"]
            #expect(churn?["additions"]?.integer ?? 0 > 0, "\(text)")
            #expect(churn?["cuts"]?.integer ?? 0 > 0)
            #expect(churn?["deliveries_to_guests"]?.integer ?? 0 > 0)
            #expect(report["returns"]?["dropped"]?.integer ?? 0 > 0)
        }

        @Test("sync: devices that were away come back, and have everything that they missed")
        func sync() async throws {
            let cluster = try await SharedCluster.shared.cluster()
            let (status, text, report) = try await Generator.run(
                ["--scenario", "sync", "--groups", "2", "--group-size", "6", "--away", "2"]
                    + ["--rate", "60", "--duration", "2s", "--processes", "2"],
                cluster
            )
            #expect(status == 0, "\(text)")
            let sync = report["sync"]
            #expect(sync?["devices"]?.integer == 4 && sync?["back"]?.integer == 4, "\(text)")
            // Two seconds at 30 messages a second for each of them, as far as they were stored in time.
            #expect(sync?["missed_messages"]?.integer ?? 0 > 4, "\(text)")
            #expect(sync?["time_to_be_current"]?["count"]?.integer == 4)
            #expect(report["audit"]?["violation_count"]?.integer == 0)
            #expect(
                report["counts"]?["expected_deliveries"]?.integer
                    == report["counts"]?["acknowledged"]?.integer.map { $0 * 5 }
            )
        }

        @Test("several processes: one load, one audit, one report")
        func processes() async throws {
            let cluster = try await SharedCluster.shared.cluster()
            let (status, text, report) = try await Generator.run(
                ["--scenario", "mixed", "--users", "30", "--rate", "60", "--duration", "2s"]
                    + ["--group-size", "8", "--processes", "3"],
                cluster
            )
            #expect(status == 0, "\(text)")
            #expect(report["settings"]?["processes"]?.integer == 3)
            #expect(report["settings"]?["users"]?.integer == 30)
            #expect(report["sessions"]?["connected"]?.integer == 60)
            let offered = report["counts"]?["offered"]?.integer ?? 0
            #expect((177...180).contains(offered), "\(offered)")
            #expect(report["audit"]?["acknowledged"]?.integer == offered)
            #expect(report["audit"]?["conversations"]?.integer == report["settings"]?["conversations"]?.integer)
            let intervals = report["time_series"]?["intervals"]?.array ?? []
            #expect(intervals.reduce(0) { $0 + ($1["acknowledged"]?.integer ?? 0) } == offered)
        }

        @Test("a body that is altered on the way is told at once, and ends the run with --fail-fast")
        func failFast() async throws {
            let cluster = try await SharedCluster.shared.cluster()
            let relay = try TCPRelay(port: try TCPConnection.stablePorts(1)[0], target: cluster.edge(1))
            defer { relay.end() }
            let file = "\(cluster.folder)/\(await Names.shared.next("fast")).json"
            let process = try GuardedProcess(
                [TestCluster.program("trunkline-load"), "--edge", "http://127.0.0.1:\(relay.port)", "--users", "4"]
                    + ["--rate", "20", "--duration", "10m", "--fail-fast", "--json", file],
                environment: cluster.environment,
                output: file + ".out"
            )
            try await eventually("it sends", within: .seconds(60)) { process.text.contains("offered") }
            // Spaces stand in bodies only.
            try relay.behave(TCPRelay.Behaviour(backward: .alter(Array("e ".utf8), to: Array("e_".utf8))))
            try await eventually("it ends", within: .seconds(60)) { process.exitStatus != nil }
            #expect(process.exitStatus == 1, "\(process.text)")
            #expect(process.text.contains("VIOLATION: conversation"), "\(process.text)")
            #expect(process.text.contains("cut short by --fail-fast"), "\(process.text)")
            let report = try JSONValue(json: String(contentsOfFile: file, encoding: .utf8))
            #expect(report["cut_short"]?.bool == true)
            #expect(report["audit"]?["violations_by_kind"]?["altered"]?.integer ?? 0 > 0)
        }

        @Test("a process of the generator that dies is told at once, and is exit code 3; no other one stays")
        func deadProcess() async throws {
            let cluster = try await SharedCluster.shared.cluster()
            let edges = cluster.edges.flatMap { ["--edge", $0.url] }
            let process = try GuardedProcess(
                [TestCluster.program("trunkline-load")] + edges
                    + ["--users", "8", "--rate", "20", "--duration", "90s", "--processes", "2"],
                environment: cluster.environment,
                output: "\(cluster.folder)/\(await Names.shared.next("dead")).out"
            )
            try await eventually("it sends", within: .seconds(60)) { process.text.contains("offered") }
            let children = Self.children(of: process.process)
            #expect(children.count == 2)
            for child in children.suffix(1) { kill(child, SIGKILL) }
            try await eventually("it ends", within: .seconds(20)) { process.exitStatus != nil }
            #expect(process.exitStatus == 3, "\(process.text)")
            #expect(process.text.contains("was ended by signal 9"), "\(process.text)")
            #expect(children.allSatisfy { kill($0, 0) != 0 })
        }

        /// As proc(5) tells it: the fourth field is the parent.
        private static func children(of parent: pid_t) -> [pid_t] {
            guard let folder = opendir("/proc") else { return [] }
            defer { closedir(folder) }
            var children: [pid_t] = []
            while let entry = readdir(folder) {
                let name = withUnsafeBytes(of: entry.pointee.d_name) { bytes in
                    String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
                }
                guard let process = pid_t(name),
                    let stat = try? String(contentsOfFile: "/proc/\(name)/stat", encoding: .utf8),
                    let end = stat.lastIndex(of: ")")
                else { continue }
                let fields = stat[stat.index(after: end)...].split(separator: " ")
                if fields.count > 1, pid_t(fields[1]) == parent { children.append(process) }
            }
            return children.sorted()
        }

        @Test("a ramp names the knee, with every step that led to it")
        func ramp() async throws {
            let cluster = try await SharedCluster.shared.cluster()
            let (status, text, report) = try await Generator.run(
                // On a busy machine latencies say nothing: two steps hold, whatever they are.
                ["--users", "10", "--rate", "20", "--duration", "1s", "--ramp", "--ramp-steps", "2"]
                    + ["--ramp-factor", "2", "--knee-p99", "60s", "--knee-ratio", "0.01"]
                    + cluster.routers.flatMap { ["--metrics", $0.url] },
                cluster
            )
            #expect(status == 0, "\(text)")
            let ramp = report["ramp"]
            let steps = ramp?["steps"]?.array ?? []
            #expect(steps.count == 2, "\(text)")
            #expect(steps.compactMap { $0["offered_per_second"]?.double } == [20, 40])
            #expect(steps.allSatisfy { $0["acknowledgement_latency"]?["count"]?.integer ?? 0 > 0 })
            #expect(ramp?["knee"]?.double == 40)
            #expect(ramp?["ceiling"] == nil)
            #expect(text.contains("knee: above 40.0 messages/s"), "\(text)")
            #expect(report["audit"]?["acknowledged"]?.integer == 120)
        }

        @Test("what does not go together is refused with the reason")
        func refused() async throws {
            let cluster = try await SharedCluster.shared.cluster()
            let cases: [(arguments: [String], reason: String)] = [
                (["--rate", "0"], "only --scenario idle may be without messages"),
                (["--scenario", "direct", "--groups", "3"], "--groups goes with"),
                (["--knee-p99", "5ms"], "go with --ramp"),
                (["--scenario", "storm", "--ramp"], "--ramp goes with"),
                (["--scenario", "fanout", "--processes", "2"], "--groups is at least --processes"),
                (["--scenario", "idle", "--users", "100000"], "more --processes"),
                (["--scenario", "churn", "--users", "20"], "--users goes with"),
                (["--scenario", "sync", "--away", "20"], "--away is 1 to 19"),
                (["--scenario", "chaos"], "one of direct"),
            ]
            for (arguments, reason) in cases {
                let process = try GuardedProcess(
                    [TestCluster.program("trunkline-load"), "--edge", cluster.edges[0].url] + arguments,
                    environment: cluster.environment,
                    output: "\(cluster.folder)/\(await Names.shared.next("refused")).out"
                )
                try await eventually("\(arguments) ends", within: .seconds(60)) { process.exitStatus != nil }
                #expect(process.exitStatus == 2 && process.text.contains(reason), "\(arguments): \(process.text)")
            }
        }
    }
}
