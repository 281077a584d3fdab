// SPDX-License-Identifier: Apache-2.0

import TestSupport
import Testing

extension ClusterTests {
    @Suite("Fail-over of Redis", .serialized)
    struct RedisFailoverTests {
        private static let broadcasts = "trunkline_router_delivery_frames_total{audience=\"broadcast\"}"

        /// Waits until the nodes have written everything to this server, and the routers look their audiences up in it.
        private func settled(_ cluster: TestCluster, on server: RedisServer, _ load: Load) async throws {
            for node in cluster.nodes {
                try await eventually("\(node.name) has a lease in the new primary", within: .seconds(30)) {
                    try await onThread { try server.command("EXISTS trunkline:test:node:\(node.name)") } == ":1"
                }
            }
            for edge in cluster.edges {
                try await eventually("\(edge.name) has registered its sessions there", within: .seconds(30)) {
                    try await onThread { try server.command("EXISTS trunkline:test:complete:\(edge.name)") } == ":1"
                }
            }
            try await eventually("nothing is sent on suspicion any more", within: .seconds(60)) {
                let before = try Self.broadcastCount(cluster)
                try await load.progress(3)
                return try Self.broadcastCount(cluster) == before
            }
        }

        private static func broadcastCount(_ cluster: TestCluster) throws -> Double {
            try cluster.routers.map { try cluster.metric(Self.broadcasts, of: $0.name) }.reduce(0, +)
        }

        /// Somebody who is connected all the time, and somebody who writes: what the first one sees live.
        private struct Witness {
            let conversation: String
            let sender: PlainWebSocket
            let receiver: PlainWebSocket

            init(_ cluster: TestCluster) async throws {
                let ada = try await cluster.register("ada")
                let bob = try await cluster.register("bob")
                self.conversation = try await ada.createConversation("direct", with: [bob], port: cluster.edge(1))
                self.sender = try await ada.connect(port: cluster.edge(1))
                self.receiver = try await bob.connect(port: cluster.edge(2))
            }

            /// Each message is seen by the other one without asking for it, in every phase.
            func see(_ cluster: TestCluster, _ what: String) async throws {
                let before = self.receiver.received(self.conversation).count
                for number in 1...5 {
                    try await cluster.send(self.sender, self.conversation, "\(what) \(number)")
                }
                try await eventually("the messages sent \(what) are seen") {
                    self.receiver.received(self.conversation).count == before + 5
                }
            }

            func end() {
                let numbers = self.receiver.received(self.conversation).map(\.seq)
                #expect(numbers == Array(1...Int64(max(1, numbers.count))))
            }
        }

        @Test(
            "kill -9 of the primary under load, and its replica promoted: nothing is lost, sends go on, nobody is refused"
        )
        func killed() async throws {
            let cluster = try await TestCluster(redis: .pair)
            let replica = try #require(cluster.redisReplica)
            let load = try await Load(cluster)
            let witness = try await Witness(cluster)
            try await load.run {
                try await witness.see(cluster, "before")
                try await onThread { try cluster.redis.kill() }
                try await load.progress(5)
                try await witness.see(cluster, "without a primary")
                try await onThread { try replica.promote() }
                try await witness.see(cluster, "after the promotion")
                try await self.settled(cluster, on: replica, load)
                try await witness.see(cluster, "in the end")
            }
            witness.end()
            for sender in load.senders {
                #expect(sender.refusals.isEmpty, "\(sender.refusals)")
            }
            let status = try await cluster.trunkline("status")
            #expect(status.contains("Redis reachable"), "\(status)")
            let nodes = try await cluster.trunkline("nodes")
            #expect(cluster.nodes.allSatisfy { nodes.contains($0.name) }, "\(nodes)")
        }

        @Test("Roles swapped by hand under load and back, nobody killed: every connection follows")
        func swapped() async throws {
            let cluster = try await TestCluster(redis: .pair)
            let replica = try #require(cluster.redisReplica)
            let load = try await Load(cluster)
            let witness = try await Witness(cluster)
            try await load.run {
                try await witness.see(cluster, "before")
                try await onThread {
                    try replica.promote()
                    try cluster.redis.follow(replica)
                }
                try await witness.see(cluster, "after the swap")
                try await self.settled(cluster, on: replica, load)
                try await witness.see(cluster, "in the end")
                // And back, with sessions that only the second one ever knew.
                let late = try await Witness(cluster)
                try await onThread {
                    try cluster.redis.catchUp(with: replica)
                    try cluster.redis.promote()
                    try replica.follow(cluster.redis)
                }
                try await late.see(cluster, "after the way back")
                try await self.settled(cluster, on: cluster.redis, load)
                try await late.see(cluster, "in the end")
                late.end()
            }
            witness.end()
            for sender in load.senders {
                #expect(sender.refusals.isEmpty, "\(sender.refusals)")
            }
        }

        @Test("The old primary goes on answering some nodes as if nothing had happened: nobody misses a message")
        func splitBrain() async throws {
            let cluster = try await TestCluster(redis: .pair)
            let replica = try #require(cluster.redisReplica)
            let load = try await Load(cluster)
            let witness = try await Witness(cluster)
            try await load.run {
                try await witness.see(cluster, "before")
                // Both are primaries now; a node that connects again may find either.
                try await onThread { try replica.promote() }
                for round in 1...4 {
                    try await onThread { try cluster.redis.dropClients() }
                    let late = try await Witness(cluster)
                    try await late.see(cluster, "in round \(round)")
                    try await witness.see(cluster, "in round \(round)")
                    late.end()
                }
                try await onThread { try cluster.redis.follow(replica) }
                try await self.settled(cluster, on: replica, load)
                try await witness.see(cluster, "in the end")
            }
            witness.end()
        }

        @Test("Sentinel promotes the replica of a killed primary, and the nodes ask it where that is")
        func sentinel() async throws {
            let cluster = try await TestCluster(redis: .sentinel)
            let replica = try #require(cluster.redisReplica)
            let load = try await Load(cluster)
            let witness = try await Witness(cluster)
            try await load.run {
                try await witness.see(cluster, "before")
                try await onThread { try cluster.redis.kill() }
                try await witness.see(cluster, "after it was killed")
                try await self.settled(cluster, on: replica, load)
                try await witness.see(cluster, "in the end")
            }
            witness.end()
            for sender in load.senders {
                #expect(sender.refusals.isEmpty, "\(sender.refusals)")
            }
        }
    }
}
