// SPDX-License-Identifier: Apache-2.0

import Glibc
import TestSupport
import Testing

extension ClusterTests {
    @Suite("The command line")
    struct CommandLineTests {
        /// Runs the program to its end. Returns its exit status and what it wrote.
        static func run(
            _ arguments: [String],
            _ cluster: TestCluster,
            _ changes: [String: String] = [:]
        ) async throws -> (status: Int32, text: String) {
            let number = await Names.shared.next("run")
            let process = try GuardedProcess(
                [TestCluster.program("trunkline")] + arguments,
                environment: cluster.environment.merging(changes) { $1 },
                output: "\(cluster.folder)/\(number).out"
            )
            try await eventually("\(arguments) ends", within: .seconds(60)) { process.exitStatus != nil }
            return (process.exitStatus ?? -1, process.text)
        }

        @Test("config check, show and status of a cluster that is right")
        func right() async throws {
            let cluster = try await SharedCluster.shared.cluster()
            let check = try await Self.run(["config", "check"], cluster)
            #expect(check.status == 0, "\(check.text)")
            let show = try await Self.run(["config", "show"], cluster)
            #expect(show.status == 0)
            #expect(!show.text.contains(TestCluster.meshSecret))
            let status = try await Self.run(["status"], cluster)
            #expect(status.status == 0, "\(status.text)")
            for node in cluster.nodes {
                #expect(status.text.contains(node.name))
            }
            let version = try await Self.run(["version"], cluster)
            #expect(version.status == 0)
            #expect(version.text.contains("0."))
        }

        @Test("migrate is safe to run again, by two at once, while the cluster works")
        func migrate() async throws {
            let cluster = try await SharedCluster.shared.cluster()
            async let one = Self.run(["migrate"], cluster)
            async let other = Self.run(["migrate"], cluster)
            let ends = try await [one, other]
            for end in ends {
                #expect(end.status == 0, "\(end.text)")
                #expect(end.text.contains("up to date"))
            }
        }

        @Test("What is wrong is refused with its exit code, its key and what would be right")
        func wrong() async throws {
            let cluster = try await SharedCluster.shared.cluster()
            let unit = try await Self.run(["config", "check"], cluster, ["TRUNKLINE_TIMEOUTS__SUBMIT": "5 parsecs"])
            #expect(unit.status == 78)
            #expect(unit.text.contains("timeouts.submit"))
            let key = try await Self.run(["config", "check"], cluster, ["TRUNKLINE_TIMEOUTS__SUBMITT": "5s"])
            #expect(key.status == 78)
            let secret = try await Self.run(["config", "check"], cluster, ["TRUNKLINE_MESH_SECRET": "short"])
            #expect(secret.status == 78)
            #expect(!secret.text.contains("short\n"))
            let usage = try await Self.run(["fly"], cluster)
            #expect(usage.status == 64)
            let unknown = try await Self.run(["run", "router-77"], cluster)
            #expect(unknown.status == 64)
            #expect(unknown.text.contains("router-1"))
        }

        @Test("config check of a node that no file lists asks for what it would need, and for nothing else")
        func checkJoining() async throws {
            let cluster = try await SharedCluster.shared.cluster()
            let edge = ["config", "check", "--node", "edge-7", "--role", "edge", "--http", "127.0.0.1:8207"]
            let router = ["config", "check", "--node", "router-7", "--role", "router", "--http", "127.0.0.1:8107"]
            let mesh = ["--mesh", "0.0.0.0:7107"]
            let noToken = ["TRUNKLINE_TOKEN_SECRET": ""]
            let noAdmin = ["OPERATE_SECRET": "", "READ_SECRET": ""]
            let tls = ["CERTIFICATE": "{node}.pem", "PRIVATE_KEY": "{node}.key", "AUTHORITY": "{node}.pem"]
                .reduce(into: [:]) { $0["TRUNKLINE_TLS__MESH__\($1.key)"] = $1.value }
            let cases: [(arguments: [String], changes: [String: String], status: Int32, line: String)] = [
                (
                    edge, noAdmin, 0,
                    "all right for edge-7: edge of cluster test, http 127.0.0.1:8207; its secrets are there."
                ),
                (edge, noToken, 78, "secrets.token_secret"),
                (edge, tls, 78, "edge-7.pem"),
                (router + mesh + ["--advertise", "10.0.0.7"], noToken, 0, "http 127.0.0.1:8107, mesh 0.0.0.0:7107"),
                (router + mesh + ["--advertise", "10.0.0.7"], noAdmin, 78, "secrets.admin_operate"),
                (router + mesh, [:], 78, "nobody can dial 0.0.0.0"),
                (router, [:], 78, "a router needs it"),
                (["config", "check", "--node", "edge-7"], [:], 64, "say --role and --http"),
                (["config", "check", "--node", "edge 7", "--role", "edge"], [:], 64, "cannot be the name of a node"),
                (["config", "check", "--role", "edge"], [:], 64, "--node"),
                (["config", "check", "--node", "router-1"], noToken, 0, "all right for router-1"),
                (["config", "check"], noToken, 78, "secrets.token_secret"),
            ]
            for (arguments, changes, expected, line) in cases {
                let (status, text) = try await Self.run(arguments, cluster, changes)
                #expect(status == expected && text.contains(line), "\(arguments): \(status) \(text)")
            }
        }

        @Test("A command asks for no secret that it does not use")
        func fewSecrets() async throws {
            let cluster = try await SharedCluster.shared.cluster()
            let none = ["TRUNKLINE_MESH_SECRET", "TRUNKLINE_TOKEN_SECRET", "OPERATE_SECRET", "READ_SECRET"]
                .reduce(into: [:]) { $0[$1] = "" }
            for arguments in [["migrate"], ["status"], ["nodes"], ["ring"], ["log"], ["shards"], ["move", "status"]] {
                let (status, text) = try await Self.run(arguments, cluster, none)
                #expect(status == 0, "\(arguments): \(text)")
            }
            var reader = none
            reader["READ_SECRET"] = TestCluster.readSecret
            let (looked, plan) = try await Self.run(["drain", "edge-1", "--dry-run"], cluster, reader)
            #expect(looked == 0, "\(plan)")
            let (refused, reason) = try await Self.run(["drain", "edge-1", "--no-wait"], cluster, reader)
            #expect(refused == 1 && reason.contains("may look, not change"), "\(reason)")
            let (missing, problem) = try await Self.run(["drain", "edge-1", "--dry-run"], cluster, none)
            #expect(missing == 78 && problem.contains("secrets.admin_operate"), "\(problem)")
        }

        @Test("A node that does not exist, and a time without a unit: what there is instead")
        func mistyped() async throws {
            let cluster = try await SharedCluster.shared.cluster()
            let (status, text) = try await Self.run(["drain", "edge-11", "--dry-run"], cluster)
            #expect(status == 1 && text.contains("there is no node edge-11"), "\(text)")
            #expect(text.contains("edge-1, edge-2, router-1, router-2"), "\(text)")
            for (time, problem) in [("5", "5ms, 5s or 5m"), ("5h", "no unit"), ("soon", "500ms, 30s or 2m")] {
                let (status, text) = try await Self.run(["drain", "edge-1", "--timeout", time], cluster)
                #expect(status == 64 && text.contains(problem), "\(text)")
            }
            for (words, right) in [
                (["drian", "edge-1"], "`trunkline drain`"), (["move", "strat"], "`trunkline move start`"),
            ] {
                let (status, text) = try await Self.run(words, cluster)
                #expect(status == 64 && text.contains("did you mean \(right)?"), "\(text)")
            }
            for words in [["certs", "node"], ["ring", "simulate"], ["ring", "--json"], ["config", "check"]] {
                let (status, text) = try await Self.run(words + ["--help"], cluster)
                #expect(status == 0, "\(words): \(text)")
            }
            let (_, help) = try await Self.run(["top", "--help"], cluster)
            #expect(help.contains("(default: 1s)"), "\(help)")
        }

        @Test("health asks one node, by its name or its address, and says the answer in one line")
        func health() async throws {
            let cluster = try await SharedCluster.shared.cluster()
            let (edge, nobody) = (cluster.edges[0], try TCPConnection.freePorts(1)[0])
            // No file is read when the address is given.
            let bare = ["TRUNKLINE_CONFIG": "/nowhere/cluster.yaml"]
            let there = "127.0.0.1:\(edge.httpPort)"
            let cases: [(arguments: [String], changes: [String: String], status: Int32, line: String)] = [
                (["edge-1"], [:], 0, "edge-1 at \(there) is ready\n"),
                (["router-1", "--live"], [:], 0, "router-1 at 127.0.0.1:\(cluster.routers[0].httpPort) is alive\n"),
                (["--http", there], bare, 0, "the node at \(there) is ready\n"),
                (["--http", "127.0.0.1:\(nobody)", "--http", there], bare, 0, "the node at \(there) is ready\n"),
                (["--http", "127.0.0.1:\(nobody)"], bare, 1, "does not answer: Connection refused\n"),
                (["--http", "edge-1"], bare, 64, "write HOST:PORT"),
                (["edge-77"], [:], 64, "--http HOST:PORT"),
                ([], [:], 64, "Say which node is meant"),
                (["edge-1"], bare, 78, "/nowhere/cluster.yaml"),
            ]
            for (arguments, changes, expected, line) in cases {
                let (status, text) = try await Self.run(["health"] + arguments, cluster, changes)
                #expect(status == expected && text.contains(line), "\(arguments): \(status) \(text)")
                if status < 2 { #expect(text.count { $0 == "\n" } == 1, "\(text)") }
            }
        }

        @Test("A node refuses to start under a name that lives, and on a port that is used")
        func nameAndPortInUse() async throws {
            let cluster = try await SharedCluster.shared.cluster()
            let port = try TCPConnection.freePorts(1)[0]
            let name = try await Self.run(
                ["run", "edge-1"],
                cluster,
                ["TRUNKLINE_NODES__EDGE_1__HTTP": "127.0.0.1:\(port)"]
            )
            #expect(name.status == 1, "\(name.text)")
            let used = try await Self.run(["run", "edge-1"], cluster)
            #expect(used.status != 0)
            #expect(used.text.contains("\(cluster.edge(1))"), "\(used.text)")
            #expect(try await onThread { try cluster.isReady("edge-1") })
        }
    }
}
