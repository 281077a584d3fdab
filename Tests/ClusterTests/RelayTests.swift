// SPDX-License-Identifier: Apache-2.0

import TestSupport
import Testing

extension ClusterTests {
    @Suite("Routers pass messages on to edges", .serialized, .timeLimit(.minutes(6)))
    struct RelayTests {
        private static let settings = "limits:\n  relayed_from_edges: 2\n"
        private static let passedOn = "trunkline_router_relayed_frames_total"

        private static func passedOn(_ cluster: TestCluster, _ router: String) throws -> Double {
            try cluster.metric(Self.passedOn, of: router)
        }

        private static func held(_ result: (status: Int32, text: String, report: JSONValue)) {
            #expect(result.status == 0, "\(result.text)")
            #expect(result.report["verdict"]?.string == "held", "\(result.text)")
            #expect(result.report["audit"]?["violation_count"]?.integer == 0)
            let counts = result.report["counts"]
            #expect(counts?["acknowledged"]?.integer == counts?["offered"]?.integer)
        }

        @Test(
            "Routers that pass on are killed, stopped and started again under load: nothing is lost, doubled or reordered"
        )
        func nodesComeAndGo() async throws {
            let cluster = try await TestCluster(routers: 3, edges: 4, settings: Self.settings)
            let result = try await LoadGeneratorTests.run(
                ["--scenario", "group", "--users", "120", "--group-size", "60", "--rate", "80", "--duration", "25s"],
                cluster
            ) { load in
                try await DrainTests.sends(load)
                for router in cluster.routers {
                    try await eventually("\(router.name) passes something on") {
                        try Self.passedOn(cluster, router.name) > 0
                    }
                }
                try cluster.kill("router-3")
                let before = try Self.passedOn(cluster, "router-2")
                try await eventually("the others pass on as before") {
                    try Self.passedOn(cluster, "router-2") > before + 20
                }
                try cluster.start("router-3")
                try await cluster.waitUntilReady("router-3")
                try await eventually("it passes on again") { try Self.passedOn(cluster, "router-3") > 20 }
                #expect(try await cluster.stop("router-2") == 0)
                try cluster.start("router-2")
                try await cluster.waitUntilReady("router-2")
                try await eventually("it passes on again, too") { try Self.passedOn(cluster, "router-2") > 20 }
                #expect(load.exitStatus == nil, "the load was over too early")
            }
            Self.held(result)
        }

        @Test("Who is put out of a group gets nothing after that was acknowledged, whichever way messages take")
        func membersComeAndGo() async throws {
            let cluster = try await TestCluster(routers: 3, edges: 3, settings: Self.settings)
            let result = try await LoadGeneratorTests.run(
                [
                    "--scenario", "churn", "--groups", "4", "--group-size", "40", "--guests", "3", "--churn-rate", "15",
                    "--rate", "60", "--duration", "12s",
                ],
                cluster
            )
            Self.held(result)
            let passedOn = try cluster.routers.reduce(0) { $0 + (try Self.passedOn(cluster, $1.name)) }
            #expect(passedOn > 200)
        }
    }
}
