// SPDX-License-Identifier: Apache-2.0

import Glibc
import TestSupport
import Testing

extension ClusterTests {
    @Suite("Removing nodes", .serialized, .timeLimit(.minutes(5)))
    struct RemoveTests {
        private static func remove(
            _ node: String,
            _ cluster: TestCluster,
            _ options: String...
        ) async throws -> (status: Int32, text: String) {
            try await CommandLineTests.run(["remove", node] + options, cluster, ["USER": "anna"])
        }

        private static func isListed(_ node: String, _ cluster: TestCluster) async throws -> Bool {
            let listing = try JSONValue(json: try await CommandLineTests.run(["nodes", "--json"], cluster).text)
            return listing["nodes"]?.array?.contains { $0["name"]?.string == node } == true
        }

        /// Repeats what is refused while the cluster has not noticed yet.
        private static func removed(_ node: String, _ cluster: TestCluster) async throws -> String {
            var last = ""
            try await eventually("\(node) is removed: \(last)", within: .seconds(40)) {
                let run = try await Self.remove(node, cluster)
                last = run.text
                return run.status == 0
            }
            return last
        }

        /// Leases that stay for so long that only an order takes them away in time.
        private static let settings = "timeouts:\n  node_lease: 100s\n"

        @Test("A node that lives is refused at every step of its way out, and gone after its end")
        func living() async throws {
            let cluster = try await TestCluster(shards: 1, settings: Self.settings)
            let serving = try await Self.remove("edge-2", cluster)
            #expect(serving.status == 1 && serving.text.contains("`trunkline drain edge-2`"), "\(serving.text)")
            let router = try await Self.remove("router-1", cluster, "--dry-run")
            #expect(router.status == 1 && router.text.contains("it serves"), "\(router.text)")
            #expect(try await CommandLineTests.run(["drain", "edge-2"], cluster).status == 0)
            let empty = try await Self.remove("edge-2", cluster)
            #expect(empty.status == 1 && empty.text.contains("it is empty, and still runs"), "\(empty.text)")
            #expect(try cluster.get("/health", of: "edge-2")?.hasPrefix("HTTP/1.1 200") == true)

            #expect(try await cluster.stop("edge-2") == 0)
            let gone = try await Self.removed("edge-2", cluster)
            #expect(gone.contains("Nothing is left of edge-2") && gone.contains("cluster.yaml lists it"), "\(gone)")
            let nobody = try await Self.remove("edge-99", cluster)
            #expect(
                nobody.status == 1 && nobody.text.contains("edge-99: there is no node of this name"),
                "\(nobody.text)"
            )
            #expect(try await Self.remove("Edge 2", cluster).status == 64)
            let path = "/admin/nodes/edge-2/remove"
            let reader = try cluster.request("POST", path, of: "router-1", token: TestCluster.readSecret)
            #expect(reader?.hasPrefix("HTTP/1.1 403") == true)
            let wrong = try cluster.request(
                "POST",
                path,
                of: "router-1",
                token: TestCluster.operateSecret,
                body: #"{"dry_run":7}"#
            )
            #expect(wrong?.hasPrefix("HTTP/1.1 400") == true)
        }

        @Test("An edge that died is listed until it is removed; one that is only frozen comes back when it wakes")
        func dead() async throws {
            let cluster = try await TestCluster(shards: 1, settings: Self.settings)
            for name in ["edge-3", "edge-4"] {
                try cluster.join(name)
                try await cluster.waitUntilReady(name)
            }
            try cluster.kill("edge-3")
            try await eventually("a trial says that it may go", within: .seconds(30)) {
                let trial = try await Self.remove("edge-3", cluster, "--dry-run")
                return trial.status == 0 && trial.text.contains("It would take away the lease of edge, incarnation")
            }
            #expect(try await Self.isListed("edge-3", cluster))
            let gone = try await Self.removed("edge-3", cluster)
            #expect(gone.contains("edge-3 is removed: the lease of edge, incarnation"), "\(gone)")
            #expect(try await !Self.isListed("edge-3", cluster))
            let again = try await Self.remove("edge-3", cluster)
            #expect(again.status == 0 && again.text.contains("Nothing is left of edge-3"), "\(again.text)")

            try cluster.process("edge-4").signal(SIGSTOP)
            let frozen = try await Self.removed("edge-4", cluster)
            #expect(frozen.contains("only frozen"), "\(frozen)")
            #expect(try await !Self.isListed("edge-4", cluster))
            try cluster.process("edge-4").signal(SIGCONT)
            try await eventually("it takes its lease again", within: .seconds(20)) {
                try await Self.isListed("edge-4", cluster)
            }
            let (_, log) = try await CommandLineTests.run(["log", "--json"], cluster)
            let orders = (try JSONValue(json: log).array ?? []).filter { $0["action"]?.string == "remove" }
            #expect(orders.count == 3, "trials and what was refused are not there: \(log)")
            #expect(orders.allSatisfy { $0["operator"]?.string?.hasPrefix("anna@") == true }, "\(log)")
        }

        @Test("A router that died goes when others have taken over, and not while that is not known")
        func router() async throws {
            let cluster = try await TestCluster(settings: Self.settings)
            try cluster.shards[1].stop(.immediate)
            try cluster.kill("router-2")
            try await eventually("it is refused because a shard is away", within: .seconds(30)) {
                let run = try await Self.remove("router-2", cluster)
                try #require(run.status == 1, "\(run.text)")
                return run.text.contains("it is not known whether it is in the view of shard-2")
            }
            try cluster.shards[1].start()
            let gone = try await Self.removed("router-2", cluster)
            #expect(gone.contains("the lease of router, incarnation"), "\(gone)")
            try await eventually("the other one owns all slots") {
                try cluster.metric("trunkline_router_slots_owned", of: "router-1") == 4096
            }
            // What nobody can read holds its name for ever: no node of this name could start.
            let key = "trunkline:\(TestCluster.cluster):node"
            _ = try cluster.redis.command("SET \(key):router-9 nonsense")
            _ = try cluster.redis.command("SADD \(key)s router-9")
            let status = try await CommandLineTests.run(["status"], cluster)
            #expect(status.text.contains("cannot be read: router-9; `trunkline remove NODE`"), "\(status.text)")
            let unreadable = try await Self.remove("router-9", cluster)
            #expect(unreadable.status == 0, "\(unreadable.text)")
            #expect(unreadable.text.contains("a lease that cannot be read, is gone"), "\(unreadable.text)")
            #expect(try cluster.redis.command("EXISTS \(key):router-9") == ":0")
        }
    }
}
