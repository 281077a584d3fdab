// SPDX-License-Identifier: Apache-2.0

import TestSupport
import Testing

extension ClusterTests {
    @Suite("Nodes of two versions", .serialized, .timeLimit(.minutes(6)))
    struct MixedVersionTests {
        private static let older = ["TRUNKLINE_LIMITS__MESH_VERSION_MAX": "1"]

        /// The version of the mesh that a node says that it speaks with another one.
        private static func version(_ cluster: TestCluster, _ node: String, with peer: String) throws -> Double {
            try cluster.metric("trunkline_mesh_link_version{peer=\"\(peer)\"}", of: node)
        }

        private static func shed(_ cluster: TestCluster, _ edge: String) throws -> String {
            // Nobody is to go: only whether the edge may be asked.
            let path = "/admin/nodes/\(edge)/shed"
            let token = TestCluster.operateSecret
            return try cluster.request("POST", path, of: "router-1", token: token, body: #"{"count":0}"#) ?? ""
        }

        @Test(
            "Old routers and new edges, new routers and old edges, and all of them upgraded one by one under load",
            arguments: [["router-1", "router-2"], ["edge-1", "edge-2"]]
        )
        func upgrade(olderNodes: [String]) async throws {
            let cluster = try await TestCluster(
                variables: Dictionary(uniqueKeysWithValues: olderNodes.map { ($0, Self.older) })
            )
            let areRoutersOlder = olderNodes[0] == "router-1"
            let users = 30
            let (status, text, report) = try await LoadGeneratorTests.run(
                ["--scenario", "direct", "--users", "\(users)", "--rate", "60", "--duration", "45s"],
                cluster
            ) { load in
                try await DrainTests.sends(load)
                #expect(try Self.version(cluster, "router-1", with: "router-2") == (areRoutersOlder ? 1 : 2))
                for edge in ["edge-1", "edge-2"] {
                    for router in ["router-1", "router-2"] {
                        #expect(try Self.version(cluster, edge, with: router) == 1)
                        #expect(try Self.version(cluster, router, with: edge) == 1)
                    }
                    let refused = try Self.shed(cluster, edge)
                    #expect(refused.hasPrefix("HTTP/1.1 503"), "\(refused)")
                    #expect(refused.contains("\(edge) runs an older version"), "\(refused)")
                }
                let mixed = try await CommandLineTests.run(["status"], cluster)
                #expect(mixed.text.contains("the versions 1 and 2"), "\(mixed.text)")
                #expect(try cluster.process("edge-1").text.contains("version=1"))

                for name in olderNodes { cluster.change(name, to: [:]) }
                let roll = try await RollTests.Restarter(cluster: cluster).roll(["--rate", "40"])
                #expect(roll.status == 0 && roll.text.contains("All 4 nodes are back."), "\(roll.text)")
                for edge in ["edge-1", "edge-2"] {
                    for router in ["router-1", "router-2"] {
                        try await eventually("\(edge) and \(router) speak the newest version") {
                            try Self.version(cluster, edge, with: router) == 2
                        }
                    }
                    #expect(try Self.shed(cluster, edge).hasPrefix("HTTP/1.1 200"))
                }
                let even = try await CommandLineTests.run(["status"], cluster)
                #expect(even.text.contains("No warnings."), "\(even.text)")
                #expect(load.exitStatus == nil, "the load was over too early")
            }
            #expect(status == 0, "\(text)")
            #expect(report["verdict"]?.string == "held", "\(text)")
            #expect(report["audit"]?["violation_count"]?.integer == 0)
            #expect(report["counts"]?["acknowledged"]?.integer == report["counts"]?["offered"]?.integer)
        }

        @Test("A node is not held at a version that there is not")
        func unknownVersion() async throws {
            let cluster = try await SharedCluster.shared.cluster()
            for version in ["0", "3"] {
                let changes = ["TRUNKLINE_LIMITS__MESH_VERSION_MAX": version]
                let (status, text) = try await CommandLineTests.run(["config", "check"], cluster, changes)
                #expect(status == 78 && text.contains("limits.mesh_version_max"), "\(text)")
            }
        }
    }
}
