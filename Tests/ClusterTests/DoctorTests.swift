// SPDX-License-Identifier: Apache-2.0

import Glibc
import TestSupport
import Testing

extension ClusterTests {
    @Suite("The doctor and running nodes", .serialized, .timeLimit(.minutes(5)))
    struct DoctorTests {
        /// One line of `trunkline doctor --json`.
        private struct Finding: CustomStringConvertible {
            var level: String
            var subject: String
            var message: String
            var remedy: String

            var description: String { "\(self.level) \(self.subject): \(self.message) (\(self.remedy))" }
        }

        private struct Report {
            var status: Int32
            var text: String
            var findings: [String: [Finding]]

            subscript(check: String) -> [Finding] { self.findings[check] ?? [] }
        }

        private static func examine(_ cluster: TestCluster, _ changes: [String: String] = [:]) async throws -> Report {
            let (status, text) = try await CommandLineTests.run(["doctor", "--json"], cluster, changes)
            let json = try JSONValue(json: text)
            var findings: [String: [Finding]] = [:]
            for entry in json["findings"]?.array ?? [] {
                let finding = Finding(
                    level: entry["level"]?.string ?? "",
                    subject: entry["subject"]?.string ?? "",
                    message: entry["message"]?.string ?? "",
                    remedy: entry["remedy"]?.string ?? ""
                )
                findings[entry["check"]?.string ?? "", default: []].append(finding)
            }
            return Report(status: status, text: text, findings: findings)
        }

        private static func makeCluster() async throws -> TestCluster {
            try await TestCluster(settings: "limits:\n  sessions_per_edge: 1000\n", durability: .fsync)
        }

        @Test("A cluster that is well passes; each thing that is broken then is found, with what mends it")
        func planted() async throws {
            let cluster = try await Self.makeCluster()
            let well = try await Self.examine(cluster)
            #expect(well.status == 0, "\(well.text)")
            #expect(well.findings.values.joined().allSatisfy { $0.level == "ok" }, "\(well.text)")
            let text = try await CommandLineTests.run(["doctor"], cluster)
            #expect(text.status == 0 && text.text.contains("All is well: "), "\(text.text)")

            try await Self.otherSecret(cluster)
            try await Self.otherOperator(cluster)
            try await Self.strangers(cluster)
            try await Self.fewFiles(cluster)
            try await Self.notRunning(cluster)
        }

        private static func otherSecret(_ cluster: TestCluster) async throws {
            let ours = try await Self.examine(
                cluster,
                ["TRUNKLINE_MESH_SECRET": "another secret, which is long enough"]
            )
            #expect(ours.status == 1)
            #expect(ours["mesh.secret"].map(\.subject) == ["router-1", "router-2"], "\(ours.text)")
            #expect(ours["mesh.secret"].allSatisfy { $0.level == "fails" && $0.remedy.contains("mesh_secret") })

            try cluster.join("edge-7", environment: ["TRUNKLINE_MESH_SECRET": "yet another one, long enough too"])
            try await eventually("edge-7 has a lease") {
                try await Self.examine(cluster)["nodes.ready"].contains { $0.subject == "edge-7" }
            }
            let theirs = try await Self.examine(cluster)
            let unready = try #require(theirs["nodes.ready"].first)
            #expect(unready.level == "fails" && unready.message.contains("no link to any router"), "\(unready)")
            let refusals = theirs["mesh.secret"]
            #expect(refusals.contains { $0.level == "warning" && $0.message.contains("wrongSecret") }, "\(theirs.text)")
            try await cluster.stop("edge-7")
        }

        private static func otherOperator(_ cluster: TestCluster) async throws {
            let report = try await Self.examine(
                cluster,
                ["OPERATE_SECRET": "an operator's secret that no router knows"]
            )
            #expect(report.status == 1)
            let strangers = report["secrets.admin"]
            #expect(strangers.map(\.subject) == ["router-1", "router-2"], "\(report.text)")
            #expect(strangers.allSatisfy { $0.level == "fails" && $0.message.contains("secrets.admin_operate") })
            #expect(strangers.allSatisfy { $0.remedy.contains("start it again") })
        }

        /// What nodes say of themselves: one of another version, two at one address, one that cannot be dialled, another
        /// cluster's that has the name of ours.
        private static func strangers(_ cluster: TestCluster) async throws {
            let port = try TCPConnection.freePorts(1)[0]
            try cluster.join("edge-8", host: "127.0.0.1", port: port, advertise: "localhost")
            try cluster.join("edge-9", host: "127.0.0.2", port: port, advertise: "localhost")
            let closed = try TCPConnection.freePorts(2)
            try Self.lease(
                "router-9",
                "router",
                #""mesh":"127.0.0.1:\#(closed[0])","http":"127.0.0.1:\#(closed[1])""#,
                cluster
            )
            try await eventually("edge-8 and edge-9 have leases") {
                try await Self.examine(cluster)["nodes.addresses"].contains { $0.message.contains("and so does") }
            }
            let report = try await Self.examine(cluster)
            #expect(report.status == 1)
            let address = try #require(report["nodes.addresses"].first { $0.message.contains("and so does") })
            #expect(address.subject == "edge-9" && address.message.contains("localhost:\(port)"), "\(report.text)")
            let version = try #require(report["nodes.versions"].first)
            #expect(version.subject == "router-9" && version.level == "warning", "\(version)")
            #expect(version.message.contains("0.0.1"), "\(version)")
            let mesh = try #require(report["mesh.reachable"].first)
            #expect(mesh.subject == "router-9" && mesh.remedy.contains("--advertise"), "\(mesh)")
            let silent = try #require(report["nodes.running"].first)
            #expect(silent.subject == "router-9" && silent.message.contains("does not answer"), "\(silent)")
            for edge in ["edge-8", "edge-9"] { try await cluster.stop(edge) }
            _ = try cluster.redis.command("DEL trunkline:test:node:router-9")
        }

        private static func lease(_ name: String, _ role: String, _ addresses: String, _ cluster: TestCluster) throws {
            let incarnation = "01900000-0000-7000-8000-000000000001"
            let fields =
                #"{"name":"\#(name)","role":"\#(role)","state":"ready","version":"0.0.1","since":1,\#(addresses)}"#
            let key = "trunkline:\(TestCluster.cluster):node"
            #expect(try cluster.redis.command("SET \(key):\(name) '\(incarnation) \(fields)'") == "+OK")
            #expect(try cluster.redis.command("SADD \(key)s \(name)") == ":1")
        }

        private static func fewFiles(_ cluster: TestCluster) async throws {
            try cluster.join("edge-6", filesMax: 400)
            try await cluster.waitUntilReady("edge-6")
            let report = try await Self.examine(cluster)
            let files = try #require(report["nodes.files"].first)
            #expect(files.subject == "edge-6" && files.level == "fails" && files.message.contains("400"), "\(files)")
            try await cluster.stop("edge-6")
        }

        private static func notRunning(_ cluster: TestCluster) async throws {
            #expect(try await cluster.stop("edge-2") == 0)
            let port = try cluster.node("edge-2").httpPort
            let gone = try await Self.examine(cluster)
            let missing = try #require(gone["nodes.running"].first)
            #expect(gone.status == 1 && missing.subject == "edge-2", "\(gone.text)")
            #expect(missing.remedy.contains("trunkline run edge-2"), "\(missing)")
            #expect(gone["machine.ports"].map(\.level) == ["ok"])
            // What listens there now is another node.
            try cluster.join("edge-5", host: "0.0.0.0", port: port)
            try await cluster.waitUntilReady("edge-5")
            let taken = try await Self.examine(cluster)
            #expect(taken["nodes.addresses"].contains { $0.level == "warning" && $0.message.contains("0.0.0.0") })
            let other = try #require(taken["nodes.addresses"].first { $0.level == "fails" })
            #expect(other.subject == "edge-2" && other.message.contains("answers edge-5"), "\(taken.text)")
            #expect(taken["machine.ports"].first?.message.contains("another program uses the port") == true)
            try await cluster.stop("edge-5")
        }

        @Test("A configuration that cannot be read is all that is said, with its own exit code")
        func unreadable() async throws {
            let cluster = try await SharedCluster.shared.cluster()
            let port = cluster.edge(2)
            let same = try await Self.examine(cluster, ["TRUNKLINE_NODES__EDGE_1__HTTP": "127.0.0.1:\(port)"])
            #expect(same.status == 78)
            #expect(same["configuration"].first?.message.contains("is in use by nodes[2].http") == true, "\(same.text)")
            let none = try await CommandLineTests.run(["doctor"], cluster, ["TRUNKLINE_CONFIG": "/nowhere.yaml"])
            #expect(none.status == 78 && none.text.contains("/nowhere.yaml cannot be read"), "\(none.text)")
            let listing = try await CommandLineTests.run(["doctor", "--list"], cluster)
            #expect(listing.status == 0 && listing.text.contains("shards.durability"))
        }
    }
}
