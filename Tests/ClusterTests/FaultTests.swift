// SPDX-License-Identifier: Apache-2.0

import Glibc
import Messaging
import TestSupport
import Testing

extension ClusterTests {
    @Suite("Faults", .serialized)
    struct FaultTests {
        @Test(
            "kill -9 of a router while messages are sent: every acknowledged one is stored once, the others take over"
        )
        func killRouter() async throws {
            let cluster = try await TestCluster()
            let load = try await Load(cluster)
            try await load.run { try cluster.kill("router-1") }
            // Slower, not failed: the edges hold and repeat what was not answered.
            for sender in load.senders {
                #expect(sender.refusals.isEmpty, "\(sender.refusals)")
            }
            // Started again it takes its slots back, and nothing is lost on the way.
            try cluster.start("router-1")
            try await cluster.waitUntilReady("router-1")
            try await Load(cluster, conversations: 4).run {}
        }

        @Test("A router that is stopped hands its slots over without an error at any client")
        func stopRouter() async throws {
            let cluster = try await TestCluster()
            let load = try await Load(cluster)
            try await load.run {
                let status = try await cluster.stop("router-2")
                #expect(status == 0)
            }
            for sender in load.senders {
                #expect(sender.refusals.isEmpty, "\(sender.refusals)")
            }
        }

        @Test("A frozen router that wakes up after it was replaced stores nothing and joins again")
        func frozenRouter() async throws {
            let cluster = try await TestCluster()
            let load = try await Load(cluster)
            let frozen = try cluster.process("router-1")
            try await load.run {
                frozen.signal(SIGSTOP)
            }
            try await Load(cluster, conversations: 4).run {
                frozen.signal(SIGCONT)
            }
            try await cluster.waitUntilReady("router-1")
        }

        @Test("kill -9 of an edge: its clients go on over the other one, and what was sent meanwhile reaches them")
        func killEdge() async throws {
            let cluster = try await TestCluster()
            let ada = try await cluster.register("ada")
            let bob = try await cluster.register("bob")
            let conversation = try await ada.createConversation("direct", with: [bob], port: cluster.edge(1))
            let adas = try await ada.connect(port: cluster.edge(2))
            let bobs = try await bob.connect(port: cluster.edge(1))
            try await cluster.send(adas, conversation, "one")
            try await eventually("Bob has one") { bobs.received(conversation).count == 1 }

            let load = try await Load(cluster, conversations: 4)
            try await load.run(auditedFrom: 2) { try cluster.kill("edge-1") }
            _ = try await bobs.waitUntilClosed()
            try await cluster.send(adas, conversation, "two")
            let again = try await bob.connect(port: cluster.edge(2))
            try await cluster.send(adas, conversation, "three")
            try await eventually("Bob has three live") { again.received(conversation).map(\.body) == ["three"] }
            #expect(try await cluster.history(conversation, as: bob, edge: 2).map(\.body) == ["one", "two", "three"])
        }

        @Test("One Postgres shard away: its conversations are told so, the others go on, and after its return all do")
        func shardAway() async throws {
            let cluster = try await TestCluster()
            let load = try await Load(cluster, conversations: 12)
            try await load.run {
                let before = load.senders.map { $0.acknowledged.count }
                try await onThread { try cluster.shards[0].stop(.immediate) }
                try await eventually("some sender is told that its shard is away", within: .seconds(40)) {
                    load.senders.contains { $0.refusals.contains("unavailable") }
                }
                try await eventually("some senders go on", within: .seconds(40)) {
                    zip(load.senders, before).contains { $0.acknowledged.count > $1 + 20 }
                }
                for router in cluster.routers {
                    try await eventually("\(router.name) says which shard does not answer") {
                        try cluster.metric(#"trunkline_router_shard_reachable{shard="shard-1"}"#, of: router.name) == 0
                            && cluster.metric(#"trunkline_router_shard_reachable{shard="shard-2"}"#, of: router.name)
                                == 1
                    }
                }
                try await onThread { try cluster.shards[0].start() }
            }
            let codes = Set(load.senders.flatMap(\.refusals))
            #expect(codes.isSubset(of: ["unavailable", "outcome_unknown", "overloaded"]), "\(codes)")
        }

        @Test("unavailable says how long to wait")
        func unavailable() async throws {
            let cluster = try await TestCluster(shards: 1)
            let ada = try await cluster.register("ada")
            let bob = try await cluster.register("bob")
            let conversation = try await ada.createConversation("direct", with: [bob], port: cluster.edge(1))
            let socket = try await ada.connect(port: cluster.edge(1))
            try await cluster.send(socket, conversation, "before")
            try await onThread { try cluster.shards[0].stop(.immediate) }
            var answer = JSONValue.null
            try await eventually("the answer is unavailable", within: .seconds(40)) {
                answer = try await socket.command("send_message", sendFields(conversation, "meanwhile"))
                return answer["code"]?.string == "unavailable"
            }
            #expect(answer["retry_after_ms"]?.integer ?? 0 > 0)
            let rest = try await ada.request(
                "POST",
                "/api/messages",
                port: cluster.edge(2),
                json: "{\(sendFields(conversation, "meanwhile"))}"
            )
            #expect(rest.status == 503)
            #expect(rest.headers["content-type"]?.hasPrefix("application/problem+json") ?? false)
            #expect(rest.json?["retry_after_ms"]?.integer ?? 0 > 0)
            try await onThread { try cluster.shards[0].start() }
            try await eventually("messages are taken again", within: .seconds(40)) {
                let answer = try await socket.command("send_message", sendFields(conversation, "after"))
                return answer["seq"] != nil
            }
        }

        @Test("Redis emptied, restarted empty, and stopped for good: no delivery is lost")
        func redis() async throws {
            let cluster = try await TestCluster()
            let ada = try await cluster.register("ada")
            let bob = try await cluster.register("bob")
            let conversation = try await ada.createConversation("direct", with: [bob], port: cluster.edge(1))
            let adas = try await ada.connect(port: cluster.edge(1))
            let bobs = try await bob.connect(port: cluster.edge(2))
            var sent = 0
            func sendSome(_ what: String) async throws {
                for _ in 0..<10 {
                    sent += 1
                    try await cluster.send(adas, conversation, "\(sent)")
                }
                let expected = sent
                try await eventually("Bob has all \(expected), \(what)") {
                    bobs.received(conversation).count == expected
                }
            }
            try await sendSome("before")
            try await onThread { try cluster.redis.flushAll() }
            // Another conversation, whose audience nobody knows yet.
            let fresh = try await ada.createConversation("group", with: [bob], port: cluster.edge(2))
            try await cluster.send(adas, fresh, "fresh")
            try await eventually("Bob has the fresh one") { bobs.received(fresh).count == 1 }
            try await sendSome("after it was emptied")
            try await onThread { try cluster.redis.restart() }
            try await sendSome("after a restart")
            try await onThread { try cluster.redis.kill() }
            let cut = try await ada.createConversation("group", with: [bob], port: cluster.edge(1))
            try await cluster.send(adas, cut, "cut off")
            try await eventually("Bob has the message without Redis") { bobs.received(cut).count == 1 }
            for node in cluster.nodes {
                try await eventually("\(node.name) says that Redis does not answer") {
                    try cluster.metric("trunkline_redis_reachable", of: node.name) == 0
                }
            }
            try await sendSome("without Redis")
            let late = try await cluster.register("late", edge: 2)
            let lates = try await late.connect(port: cluster.edge(2))
            let last = try await ada.createConversation("direct", with: [late], port: cluster.edge(1))
            try await cluster.send(adas, last, "hello")
            try await eventually("who came without Redis is reached too") { lates.received(last).count == 1 }
            try await onThread { try cluster.redis.start() }
            try await sendSome("after its return")
            for node in cluster.nodes {
                try await eventually("\(node.name) says that Redis answers") {
                    try cluster.metric("trunkline_redis_reachable", of: node.name) == 1
                }
            }
            #expect(bobs.received(conversation).map(\.seq) == Array(1...Int64(sent)))
        }

        @Test("The same device twice: the older session is closed for good, on the same edge and on the other")
        func sameDeviceTwice() async throws {
            let cluster = try await SharedCluster.shared.cluster()
            let ada = try await cluster.register("ada")
            let bob = try await cluster.register("bob")
            let conversation = try await ada.createConversation("direct", with: [bob], port: cluster.edge(1))
            let bobs = try await bob.connect(port: cluster.edge(1))
            let first = try await ada.connect(port: cluster.edge(1))
            let second = try await ada.connect(port: cluster.edge(1))
            #expect(try await first.waitUntilClosed() == 4501)
            let third = try await ada.connect(port: cluster.edge(2))
            #expect(try await second.waitUntilClosed() == 4501)
            try await cluster.send(bobs, conversation, "which one?")
            try await eventually("the newest has it") { third.received(conversation).count == 1 }
            #expect(!third.isEnded)
        }

        @Test("A reader that does not read costs a bounded amount, is told to resync, and the others do not notice")
        func slowReader() async throws {
            let cluster = try await SharedCluster.shared.cluster()
            let ada = try await cluster.register("ada")
            let bob = try await cluster.register("bob")
            let eve = try await cluster.register("eve")
            let conversation = try await ada.createConversation("group", with: [bob, eve], port: cluster.edge(1))
            let adas = try await ada.connect(port: cluster.edge(1))
            let bobs = try await bob.connect(port: cluster.edge(2))
            let port = cluster.edge(2)
            let slow = try await onThread { try SlowReader(port: port, user: eve) }
            let big = String(repeating: "x", count: 60_000)
            // Far more than the bound of 256 KiB and what the sockets of a system take up by themselves.
            for _ in 0..<300 {
                try await cluster.send(adas, conversation, big)
            }
            try await eventually("Bob has all") { bobs.received(conversation).count == 300 }
            let received = try await onThread { try slow.readUntilResync() }
            #expect(received < 300, "it was left out of some")
            #expect(try await cluster.history(conversation, as: eve, edge: 2).count == 300)
        }

        @Test("SIGTERM stops every node cleanly, and no lease or registry entry stays behind")
        func cleanStop() async throws {
            let cluster = try await TestCluster()
            let ada = try await cluster.register("ada")
            let socket = try await ada.connect(port: cluster.edge(1))
            #expect(try await cluster.stop("edge-1") == 0)
            let code = try await socket.waitUntilClosed()
            #expect(code == 4000, "reconnect elsewhere")
            let answer = try await onThread { try cluster.redis.command("EXISTS trunkline:test:user:\(ada.id)") }
            #expect(answer == ":0")
            for node in ["edge-2", "router-1", "router-2"] {
                #expect(try await cluster.stop(node) == 0)
            }
            for node in cluster.nodes {
                let answer = try await onThread { try cluster.redis.command("EXISTS trunkline:test:node:\(node.name)") }
                #expect(answer == ":0", "\(node.name)")
            }
        }
    }
}
