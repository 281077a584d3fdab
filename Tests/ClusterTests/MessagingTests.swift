// SPDX-License-Identifier: Apache-2.0

import Messaging
import TestSupport
import Testing

extension ClusterTests {
    @Suite("Messages in a cluster")
    struct MessagesTests {
        @Test("A message goes from a client on one edge to a client on the other, and is read back over REST")
        func acrossEdges() async throws {
            let cluster = try await SharedCluster.shared.cluster()
            let ada = try await cluster.register("ada", edge: 1)
            let bob = try await cluster.register("bob", edge: 2)
            let conversation = try await ada.createConversation("direct", with: [bob], port: cluster.edge(1))
            let adas = try await ada.connect(port: cluster.edge(1))
            let bobs = try await bob.connect(port: cluster.edge(2))

            let seq = try await cluster.send(adas, conversation, "hello Bob")
            #expect(seq == 1)
            try await eventually("Bob has it") { bobs.received(conversation).map(\.body) == ["hello Bob"] }
            #expect(try await cluster.send(bobs, conversation, "hello Ada") == 2)
            try await eventually("Ada has it") { adas.received(conversation).map(\.body) == ["hello Ada"] }

            for edge in 1...2 {
                let history = try await cluster.history(conversation, as: bob, edge: edge)
                #expect(history.map(\.body) == ["hello Bob", "hello Ada"])
                #expect(history.map(\.seq) == [1, 2])
            }
        }

        @Test("Conversations lie in both shards, each message in the shard of its conversation")
        func acrossShards() async throws {
            let cluster = try await SharedCluster.shared.cluster()
            let ada = try await cluster.register("ada")
            let bob = try await cluster.register("bob")
            let socket = try await ada.connect(port: cluster.edge(1))
            var shards: Set<Int> = []
            for round in 0..<64 where shards.count < 2 {
                let conversation = try await ada.createConversation("group", with: [bob], port: cluster.edge(1))
                try await cluster.send(socket, conversation, "round \(round)")
                let found = (0..<cluster.shards.count).filter { index in
                    (try? cluster.shards[index].run(
                        sql: """
                            DO $$ BEGIN
                                IF NOT EXISTS (SELECT FROM messages WHERE conversation_id = '\(conversation)' AND seq = 1)
                                THEN RAISE EXCEPTION 'not here'; END IF;
                            END $$
                            """,
                        database: TestCluster.database
                    )) != nil
                }
                #expect(found.count == 1, "a message is in exactly one shard")
                shards.formUnion(found)
            }
            #expect(shards.count == 2)
        }

        @Test("A group of 200: everybody gets the message, and each edge gets one frame of it")
        func group() async throws {
            let cluster = try await SharedCluster.shared.cluster()
            let names = await (0..<200).asyncMap { _ in await Names.shared.next("member") }
            var members: [TestUser] = []
            for (index, name) in names.enumerated() {
                members.append(try await TestUser.register(name, port: cluster.edge(index % 2 + 1)))
            }
            let conversation = try await members[0].createConversation(
                "group",
                with: Array(members.dropFirst()),
                port: cluster.edge(1)
            )
            var sockets: [PlainWebSocket] = []
            for (index, member) in members.enumerated() {
                sockets.append(try await member.connect(port: cluster.edge(index % 2 + 1)))
            }
            let before = try await onThread { try Self.frames(cluster) }
            for number in 1...5 {
                try await cluster.send(sockets[0], conversation, "message \(number)")
            }
            try await eventually("everybody has all five", within: .seconds(30)) {
                sockets.dropFirst().allSatisfy { $0.received(conversation).count == 5 }
            }
            for socket in sockets.dropFirst() {
                #expect(socket.received(conversation).map(\.seq) == [1, 2, 3, 4, 5])
            }
            #expect(sockets[0].received(conversation).isEmpty, "the sending device has its answers instead")
            let frames = try await onThread { try Self.frames(cluster) } - before
            #expect(frames == 10, "5 messages to 2 edges")
        }

        private static func frames(_ cluster: TestCluster) throws -> Double {
            try cluster.routers.reduce(0) {
                try $0 + cluster.metric("trunkline_router_delivery_frames_total", of: $1.name)
            }
        }

        @Test("The sender's other devices get the message too")
        func otherDevices() async throws {
            let cluster = try await SharedCluster.shared.cluster()
            let ada = try await cluster.register("ada")
            let bob = try await cluster.register("bob")
            let conversation = try await ada.createConversation("direct", with: [bob], port: cluster.edge(1))
            let tablet = try await TestUser.login(ada.username, port: cluster.edge(2))
            let phone = try await ada.connect(port: cluster.edge(1))
            let other = try await tablet.connect(port: cluster.edge(2))
            let samePlace = try await TestUser.login(ada.username, port: cluster.edge(1)).connect(port: cluster.edge(1))
            try await cluster.send(phone, conversation, "from the phone")
            for socket in [other, samePlace] {
                try await eventually("the other device has it") { socket.received(conversation).count == 1 }
            }
            #expect(phone.received(conversation).isEmpty)
        }

        @Test("Sent again with the same id, a message is stored once and answered the same")
        func duplicate() async throws {
            let cluster = try await SharedCluster.shared.cluster()
            let ada = try await cluster.register("ada")
            let bob = try await cluster.register("bob")
            let conversation = try await ada.createConversation("direct", with: [bob], port: cluster.edge(1))
            let first = try await ada.connect(port: cluster.edge(1))
            let bobs = try await bob.connect(port: cluster.edge(2))
            let id = ClientMessageID.generate()
            let one = try await first.command("send_message", sendFields(conversation, "once", id: id))
            let two = try await first.command("send_message", sendFields(conversation, "twice", id: id))
            // Over the other edge and over REST it is the same message.
            let three = try await ada.request(
                "POST",
                "/api/messages",
                port: cluster.edge(2),
                json: "{\(sendFields(conversation, "thrice", id: id))}"
            )
            #expect(one["duplicate"] == nil)
            #expect(two["duplicate"]?.bool == true)
            #expect(three.json?["duplicate"]?.bool == true)
            for field in ["message_id", "seq", "created_at"] {
                #expect(one[field] != nil)
                #expect(two[field] == one[field])
                #expect(three.json?[field] == one[field])
            }
            let history = try await cluster.history(conversation, as: bob)
            #expect(history.map(\.body) == ["once"])
            try await cluster.send(first, conversation, "end")
            try await eventually("Bob has the end") { bobs.received(conversation).last?.body == "end" }
            #expect(bobs.received(conversation).map(\.body) == ["once", "end"])
        }

        @Test("Who is removed gets nothing more, who is added gets what comes after")
        func membership() async throws {
            let cluster = try await SharedCluster.shared.cluster()
            let ada = try await cluster.register("ada")
            let bob = try await cluster.register("bob")
            let eve = try await cluster.register("eve")
            let port = cluster.edge(1)
            let conversation = try await ada.createConversation("group", with: [bob], port: port)
            let adas = try await ada.connect(port: cluster.edge(1))
            let bobs = try await bob.connect(port: cluster.edge(2))
            let eves = try await eve.connect(port: cluster.edge(2))
            try await cluster.send(adas, conversation, "one")
            try await eventually("Bob has one") { bobs.received(conversation).count == 1 }

            let path = "/api/conversations/\(conversation)/members"
            let added = try await ada.request("POST", path, port: port, json: #"{"user_ids":["\#(eve.id)"]}"#)
            #expect(added.status == 200)
            let removed = try await ada.request("DELETE", "\(path)/\(bob.id)", port: port)
            #expect((200...204).contains(removed.status))
            _ = try await bobs.message("the news that he is out") { $0["type"]?.string == "member_removed" }
            _ = try await eves.message("the news that she is in") { $0["type"]?.string == "member_added" }

            try await cluster.send(adas, conversation, "two")
            try await eventually("Eve has two") { eves.received(conversation).map(\.body) == ["two"] }
            #expect(bobs.received(conversation).map(\.body) == ["one"])
            #expect(try await cluster.history(conversation, as: eve).map(\.body) == ["two"])
            let page = try await bob.request("GET", "/api/conversations/\(conversation)/messages?after=0", port: port)
            #expect(page.status == 404)
        }

        @Test("A list of conversations shows heads and last messages, and pages through")
        func list() async throws {
            let cluster = try await SharedCluster.shared.cluster()
            let ada = try await cluster.register("ada")
            let bob = try await cluster.register("bob")
            let socket = try await ada.connect(port: cluster.edge(1))
            var expected: Set<String> = []
            for number in 1...5 {
                let conversation = try await ada.createConversation("group", with: [bob], port: cluster.edge(1))
                for _ in 0..<number { try await cluster.send(socket, conversation, "to \(number)") }
                expected.insert(conversation)
            }
            var seen: [String] = []
            var cursor: String?
            repeat {
                let query = cursor.map { "&cursor=\($0)" } ?? ""
                let page = try await bob.request("GET", "/api/conversations?limit=2\(query)", port: cluster.edge(2))
                #expect(page.status == 200)
                for row in page.json?["conversations"]?.array ?? [] {
                    let head = try #require(row["head_seq"]?.integer)
                    #expect(row["last_message"]?["body"]?.string == "to \(head)")
                    #expect(row["last_message"]?["seq"]?.integer == head)
                    #expect(row["read_seq"]?.integer == 0)
                    seen.append(try #require(row["conversation_id"]?.string))
                }
                cursor = page.json?["next_cursor"]?.string
            } while cursor != nil
            #expect(seen.count == 5)
            #expect(Set(seen) == expected)
        }
    }
}

extension Sequence where Element: Sendable {
    func asyncMap<Value>(_ transform: (Element) async -> Value) async -> [Value] {
        var values: [Value] = []
        for element in self {
            values.append(await transform(element))
        }
        return values
    }
}
