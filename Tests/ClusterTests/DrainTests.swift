// SPDX-License-Identifier: Apache-2.0

import TestSupport
import Testing

extension ClusterTests {
    @Suite("Emptying nodes", .serialized, .timeLimit(.minutes(5)))
    struct DrainTests {
        /// Waits until the load generator sends.
        static func sends(_ load: GuardedProcess) async throws {
            try await eventually("the load generator sends", within: .seconds(60)) {
                if let status = load.exitStatus {
                    throw NeverHappened(description: "it ended with \(status): \(load.text)")
                }
                return load.text.contains("offered")
            }
        }

        @Test("An edge and a router are emptied under load and taken back: every session moves once, nothing is lost")
        func underLoad() async throws {
            let cluster = try await TestCluster()
            let users = 60
            let (status, text, report) = try await LoadGeneratorTests.run(
                ["--scenario", "direct", "--users", "\(users)", "--rate", "100", "--duration", "20s"],
                cluster
            ) { load in
                try await Self.sends(load)
                let before = try cluster.metric("trunkline_edge_sessions", of: "edge-2")
                #expect(before > 0)
                let edge = try await CommandLineTests.run(["drain", "edge-2", "--rate", "20"], cluster)
                #expect(edge.status == 0, "\(edge.text)")
                #expect(edge.text.contains("edge-2 is empty: it is safe to remove"))
                #expect(try cluster.metric("trunkline_edge_sessions", of: "edge-2") == 0)
                #expect(try !cluster.isReady("edge-2"))
                let listed = try await CommandLineTests.run(["status"], cluster)
                #expect(listed.text.contains("draining"), "\(listed.text)")
                for options in [[], ["--dry-run"]] {
                    let (status, text) = try await CommandLineTests.run(["drain", "edge-1"] + options, cluster)
                    #expect(status == 1 && text.contains("no other edge is ready to take the"), "\(text)")
                }
                let back = try await CommandLineTests.run(["undrain", "edge-2"], cluster)
                #expect(back.status == 0, "\(back.text)")
                try await cluster.waitUntilReady("edge-2")

                let router = try await CommandLineTests.run(["drain", "router-1"], cluster)
                #expect(router.status == 0, "\(router.text)")
                #expect(try cluster.metric("trunkline_router_slots_owned", of: "router-1") == 0)
                #expect(try !cluster.isReady("router-1"))
                let alone = try await CommandLineTests.run(["drain", "router-2"], cluster)
                #expect(alone.status == 1)
                #expect(alone.text.contains("start another one first"), "\(alone.text)")
                _ = try await CommandLineTests.run(["undrain", "router-1"], cluster)
                try await cluster.waitUntilReady("router-1")
                #expect(try cluster.metric("trunkline_router_slots_owned", of: "router-1") > 1000)
            }
            #expect(status == 0, "\(text)")
            #expect(report["verdict"]?.string == "held", "\(text)")
            #expect(report["audit"]?["violation_count"]?.integer == 0)
            #expect(report["counts"]?["acknowledged"]?.integer == report["counts"]?["offered"]?.integer)
            // Half of them were on that edge, and nobody else lost a connection.
            #expect(report["sessions"]?["disconnections"]?.integer == Int64(users / 2), "\(text)")
            let losses = report["returns"]?["losses_by_reason"]
            #expect(losses?["asked_to_move"]?.integer == Int64(users / 2), "\(text)")
        }

        @Test("An edge that is stopped sends its sessions away no faster than it may")
        func leavingRate() async throws {
            let cluster = try await TestCluster(
                routers: 1,
                edges: 1,
                shards: 1,
                settings: "rates:\n  leaving_per_node: 5/s burst 1\n"
            )
            let user = try await cluster.register()
            var sockets: [PlainWebSocket] = []
            for _ in 0..<8 {
                let device = try await TestUser.login(user.username, port: cluster.edge(1))
                sockets.append(try await device.connect(port: cluster.edge(1)))
            }
            let begin = ContinuousClock.now
            #expect(try await cluster.stop("edge-1") == 0)
            // One at once, then one every fifth of a second.
            #expect(ContinuousClock.now - begin > .milliseconds(1300))
            for socket in sockets { #expect(try await socket.waitUntilClosed() == 4000) }
        }

        @Test("Taking an edge back that nobody drained leaves a rebalancing alone and tells of it; --stop ends it")
        func rebalancing() async throws {
            let cluster = try await TestCluster(routers: 1, shards: 1)
            let user = try await cluster.register()
            var sockets: [PlainWebSocket] = []
            for _ in 0..<8 {
                let device = try await TestUser.login(user.username, port: cluster.edge(1))
                sockets.append(try await device.connect(port: cluster.edge(1)))
            }
            func say(_ arguments: String...) async throws -> String {
                let (status, text) = try await CommandLineTests.run(arguments, cluster)
                #expect(status == 0, "\(arguments): \(text)")
                return text
            }
            // So slowly that it lasts as long as the test.
            let begun = try await say("rebalance", "connections", "--rate", "1", "--window", "1m")
            #expect(begun.hasPrefix("edge-1 begins to send away 4 sessions, 1 in a second\n"), "\(begun)")
            let back = try await say("undrain", "edge-1")
            #expect(back.contains("edge-1 serves again") && back.contains("more are asked to go by"), "\(back)")
            let trial = try await say("rebalance", "connections", "--stop", "--dry-run")
            #expect(trial.contains("sessions would not be asked to go any more"), "\(trial)")
            let end = try await say("rebalance", "connections", "--stop")
            #expect(end.contains("edge-1: ") && end.contains("sessions are not asked to go any more"), "\(end)")
            #expect(try await say("rebalance", "connections", "--stop") == "No edge sends sessions away.\n")
            #expect(try await !say("undrain", "edge-1").contains("more are asked"))
            #expect(sockets.allSatisfy { !$0.isEnded })
        }

        @Test("What would happen is said first, and nothing is done")
        func dryRun() async throws {
            let cluster = try await SharedCluster.shared.cluster()
            let edge = try await CommandLineTests.run(["drain", "edge-1", "--dry-run"], cluster)
            #expect(edge.status == 0 && edge.text.contains("Nothing was done"), "\(edge.text)")
            #expect(try cluster.isReady("edge-1"))
            let router = try await CommandLineTests.run(["drain", "router-1", "--dry-run"], cluster)
            #expect(router.status == 0 && router.text.contains("slots to the other routers"), "\(router.text)")
            // It would become part of a request's path.
            let wrong = try await CommandLineTests.run(["drain", "edge-1/undrain\r\n"], cluster)
            #expect(wrong.status == 64 && wrong.text.contains("is not the name of a node"), "\(wrong.text)")
            let unknown = try await CommandLineTests.run(["drain", "edge-77"], cluster)
            #expect(unknown.status == 1 && unknown.text.contains("there is no node edge-77"), "\(unknown.text)")
        }

        @Test("While Redis is away commands say that it is, and what they know without it")
        func withoutRedis() async throws {
            let cluster = try await TestCluster(shards: 1)
            try cluster.redis.kill()
            for look in [["nodes"], ["top", "--once"], ["status"]] {
                let text = try await CommandLineTests.run(look, cluster).text
                #expect(text.contains("Redis is unreachable") && text.contains("joined are not listed"), "\(text)")
            }
            let (uneven, why) = try await CommandLineTests.run(["rebalance", "connections"], cluster)
            #expect(uneven == 1 && why.contains("which edges are ready is not known: Redis: "), "\(why)")
            // The edge itself and its link to the router do without it.
            let (edge, plan) = try await CommandLineTests.run(["drain", "edge-2", "--dry-run"], cluster)
            #expect(edge == 0 && plan.contains("edge-2 is serving now. Nothing was done"), "\(plan)")
            let (unknown, text) = try await CommandLineTests.run(["drain", "edge-77"], cluster)
            #expect(unknown == 1 && text.contains("Whether it runs is not known: Redis: "), "\(text)")
            try cluster.redis.start()
        }

        @Test("Orders that were carried out are in the log of a shard, also when one is away, with who gave them")
        func log() async throws {
            let cluster = try await TestCluster(edges: 1)
            let (none, empty) = try await CommandLineTests.run(["log"], cluster)
            #expect(none == 0 && empty.contains("No order is in the log."), "\(empty)")
            let person = ["USER": "anna"]
            #expect(try await CommandLineTests.run(["drain", "router-1", "--rate", "7"], cluster, person).status == 0)
            let (alone, why) = try await CommandLineTests.run(["drain", "router-2"], cluster, person)
            #expect(alone == 1, "\(why)")
            try await eventually("the drain is in the log") {
                try await CommandLineTests.run(["log"], cluster).text.contains("router-1, 7 in a second")
            }
            try cluster.shards[0].stop(.immediate)
            // A program of somebody's own may give no name, and gives the one that it likes.
            let path = "/admin/nodes/router-1/undrain"
            let token = TestCluster.operateSecret
            let back = try cluster.request("POST", path, of: "router-2", token: token, body: #"{"operator":"cron"}"#)
            #expect(back?.hasPrefix("HTTP/1.1 200") == true, "\(back ?? "")")
            try await eventually("the undrain is in the log of the other shard", within: .seconds(30)) {
                try await CommandLineTests.run(["log"], cluster).text.contains("cron")
            }
            let (partly, rest) = try await CommandLineTests.run(["log", "--json"], cluster)
            #expect(partly == 0 && rest.contains("warning: shard shard-1"), "\(rest)")
            try cluster.shards[0].start()
            let (status, text) = try await CommandLineTests.run(["log", "--json"], cluster)
            let entries = try JSONValue(json: text).array ?? []
            #expect(status == 0, "\(text)")
            #expect(
                entries.map { $0["action"]?.string } == ["drain", "undrain"],
                "what was refused is not there: \(text)"
            )
            #expect(entries.first?["operator"]?.string?.hasPrefix("anna@") == true, "\(text)")
            #expect(entries.map { $0["shards"]?.array?.count } == [1, 1], "\(text)")
            let (short, last) = try await CommandLineTests.run(["log", "--last", "1"], cluster)
            #expect(short == 0 && last.contains("undrain") && !last.contains("anna@"), "\(last)")
            #expect(try await CommandLineTests.run(["log", "--last", "0"], cluster).status == 64)
        }

        @Test("The admin interface: who may do what, and what is refused")
        func admin() async throws {
            let cluster = try await SharedCluster.shared.cluster()
            let path = "/admin/nodes/edge-1"
            func ask(_ method: String, _ path: String, _ token: String?, _ body: String = "") throws -> String {
                try cluster.request(method, path, of: "router-1", token: token, body: body) ?? ""
            }
            #expect(try ask("GET", path, nil).hasPrefix("HTTP/1.1 401"))
            #expect(try ask("GET", path, "no secret of this cluster").hasPrefix("HTTP/1.1 401"))
            let read = try ask("GET", path, TestCluster.readSecret)
            #expect(read.hasPrefix("HTTP/1.1 200") && read.contains(#""state":"serving""#), "\(read)")
            #expect(try ask("POST", path + "/drain", TestCluster.readSecret).hasPrefix("HTTP/1.1 403"))
            let operate = TestCluster.operateSecret
            #expect(try ask("GET", "/admin", operate).contains("/admin/nodes/NODE/drain"))
            #expect(try ask("POST", path + "/explode", operate).hasPrefix("HTTP/1.1 404"))
            for body in ["[", #"{"rate":0}"#, #"{"rate":"fast"}"#, #"{"window_ms":-1}"#, #"{"rate":1000001}"#] {
                #expect(try ask("POST", path + "/drain", operate, body).hasPrefix("HTTP/1.1 400"), "\(body)")
            }
            #expect(try ask("POST", path + "/shed", operate).hasPrefix("HTTP/1.1 400"), "without a count")
            let large = String(repeating: " ", count: 20_000)
            #expect(try ask("POST", path + "/drain", operate, large).hasPrefix("HTTP/1.1 413"))
            #expect(try ask("POST", "/admin/nodes/router-1/shed", operate, #"{"count":1}"#).hasPrefix("HTTP/1.1 400"))
            #expect(try ask("GET", "/admin/nodes/edge-77", operate).hasPrefix("HTTP/1.1 503"))
            #expect(try cluster.isReady("edge-1"))
        }
    }
}
