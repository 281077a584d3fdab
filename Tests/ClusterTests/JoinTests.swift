// SPDX-License-Identifier: Apache-2.0

import TestSupport
import Testing

extension ClusterTests {
    @Suite("Nodes that no file lists", .serialized)
    struct JoinTests {
        @Test(
            "A router and an edge join while messages are sent, are used, and leave again, with no error at any client"
        )
        func joinAndLeave() async throws {
            let cluster = try await TestCluster(routers: 1, edges: 1)
            let ada = try await cluster.register("ada")
            let bob = try await cluster.register("bob")
            let conversation = try await ada.createConversation("direct", with: [bob], port: cluster.edge(1))
            let adas = try await ada.connect(port: cluster.edge(1))
            let load = try await Load(cluster, conversations: 6)
            try await load.run {
                // A node needs to know no more than where Redis is.
                let file = "cluster: \(TestCluster.cluster)\nredis:\n  url: \(cluster.redis.url)\n"
                try await eventually("the first router has told where the shards are") {
                    try cluster.redis.command("EXISTS trunkline:\(TestCluster.cluster):shards") == ":1"
                }
                try cluster.join("router-2", isRouter: true, file: file)
                let edge = try cluster.join("edge-2", file: file)
                try await cluster.waitUntilReady("router-2")
                try await cluster.waitUntilReady("edge-2")
                try await eventually("the new router owns slots") {
                    try cluster.metric("trunkline_router_slots_owned", of: "router-2") > 1000
                }
                let bobs = try await bob.connect(port: edge.httpPort)
                try await cluster.send(adas, conversation, "to the new edge")
                try await eventually("Bob has it live") {
                    bobs.received(conversation).map(\.body) == ["to the new edge"]
                }
                try await cluster.send(bobs, conversation, "and from it")
                try await eventually("Ada has it live") {
                    adas.received(conversation).map(\.body) == ["and from it"]
                }
            }
            // What is stored by the new router, and what is stored after it has gone, is one history.
            let later = try await Load(cluster, conversations: 6)
            try await later.run {
                let statuses = [try await cluster.stop("edge-2"), try await cluster.stop("router-2")]
                #expect(statuses == [0, 0])
            }
            for sender in load.senders + later.senders {
                #expect(sender.refusals.isEmpty, "\(sender.refusals)")
            }
            let history = try await cluster.history(conversation, as: bob)
            #expect(history.map(\.body) == ["to the new edge", "and from it"])
        }

        @Test("While Redis is away: a router that joins waits for it and disturbs nobody, an edge serves")
        func withoutRedis() async throws {
            let cluster = try await TestCluster(routers: 2, edges: 1)
            try await eventually("both routers own slots") {
                try ["router-1", "router-2"].allSatisfy {
                    try cluster.metric("trunkline_router_slots_owned", of: $0) > 0
                }
            }
            let load = try await Load(cluster, conversations: 6)
            try await load.run {
                try cluster.redis.kill()
                let views = try Self.views(cluster)
                try cluster.join("router-3", isRouter: true)
                try cluster.join("edge-2")
                try await cluster.waitUntilReady("edge-2")
                let router = try cluster.process("router-3")
                try await eventually("the router waits") { router.text.contains("no file lists this router") }
                func acknowledged() -> Int { load.senders.reduce(0) { $0 + $1.acknowledged.count } }
                let before = acknowledged()
                try await eventually("messages go on", within: .seconds(60)) { acknowledged() > before + 3000 }
                #expect(try Self.views(cluster) == views)
                try cluster.redis.start()
                try await cluster.waitUntilReady("router-3")
                try await eventually("the new router owns slots") {
                    try cluster.metric("trunkline_router_slots_owned", of: "router-3") > 1000
                }
            }
            for sender in load.senders { #expect(sender.refusals.isEmpty, "\(sender.refusals)") }
        }

        /// How many views the routers have been in.
        private static func views(_ cluster: TestCluster) throws -> Int {
            try ["router-1", "router-2"].reduce(0) { count, router in
                count + (try cluster.process(router).text.split(separator: "\n").count { $0.contains(" new view ") })
            }
        }

        @Test("A name that lives already is refused with what to do, and disturbs nobody")
        func nameInUse() async throws {
            let cluster = try await SharedCluster.shared.cluster()
            try cluster.join("edge-9")
            try await cluster.waitUntilReady("edge-9")
            let first = try cluster.process("edge-9")
            try cluster.join("edge-9")
            let second = try cluster.process("edge-9")
            try await eventually("the second ends", within: .seconds(40)) { second.exitStatus != nil }
            #expect(second.exitStatus != 0)
            #expect(second.text.contains("edge-9 is running already"), "\(second.text)")
            #expect(first.exitStatus == nil)
            first.signal(15)
            try await eventually("the first ends", within: .seconds(40)) { first.exitStatus == 0 }
        }
    }
}
