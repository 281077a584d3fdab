// SPDX-License-Identifier: Apache-2.0

import TestSupport
import Testing

extension ClusterTests {
    @Suite("Presence and typing", .serialized)
    struct PresenceTests {
        @Test("Two users on two edges see each other come, change and go")
        func bothDirections() async throws {
            let cluster = try await SharedCluster.shared.cluster()
            let (ada, bob, conversation) = try await Self.pair(cluster)
            let adas = try await ada.connect(port: cluster.edge(1))
            var first: [(id: String, status: String)] = []
            // For two seconds after their start the routers do not know who is away; the answer does not wait that long.
            try await eventually("the answer names the others") {
                first = try await adas.watch([conversation])
                return !first.isEmpty
            }
            #expect(first.map(\.id) == [bob.id])
            #expect(first.map(\.status) == ["offline"])
            var bobs = try await bob.connect(port: cluster.edge(2))
            try await adas.sees(bob, ["online"])
            let seen = try await bobs.watch([conversation])
            #expect(seen.map(\.status) == ["online"] && seen.map(\.id) == [ada.id])
            let answer = try await bobs.command("set_status", #""status":"busy""#)
            #expect(answer["type"]?.string == "status_set" && answer["status"]?.string == "busy")
            #expect(answer["visible_to"]?.string == "everyone")
            try await adas.sees(bob, ["online", "busy"])
            let put = try await ada.request(
                "PUT",
                "/api/users/status",
                port: cluster.edge(2),
                json: #"{"status":"away"}"#
            )
            #expect(put.status == 200 && put.json?["status"]?.string == "away")
            try await bobs.sees(ada, ["away"])
            bobs.send(opcode: 8, [0x03, 0xE8])
            try await adas.sees(bob, ["online", "busy", "offline"])
            let offline = adas.messages.last { $0["type"]?.string == "user_offline" }
            #expect(offline?["last_seen_at"]?.string != nil)
            // What was chosen belongs to the user, not to the session; when they were seen is stored.
            bobs = try await bob.connect(port: cluster.edge(1))
            try await adas.sees(bob, ["online", "busy", "offline", "busy"])
            let others = try await Self.login(ada, cluster.edge(2)).watch([conversation])
            #expect(others.map(\.status) == ["busy"])
        }

        @Test("Who reconnects at once, to the other edge too, is not seen to be away")
        func noFlap() async throws {
            let cluster = try await SharedCluster.shared.cluster()
            let (ada, bob, conversation) = try await Self.pair(cluster)
            let adas = try await ada.connect(port: cluster.edge(1))
            var bobs = try await bob.connect(port: cluster.edge(1))
            _ = try await adas.watch([conversation])
            try await adas.sees(bob, ["online"])
            let before = adas.seen(bob)
            for edge in [2, 1, 2, 2] {
                bobs.send(opcode: 8, [0x03, 0xE8])
                _ = try await bobs.waitUntilClosed()
                bobs = try await bob.connect(port: cluster.edge(edge))
            }
            // Whatever a flap had caused would have come before this.
            _ = try await bobs.command("set_status", #""status":"away""#)
            try await adas.sees(bob, ["away"])
            #expect(adas.seen(bob) == before + ["away"])
        }

        @Test("Strangers see nothing, nor does anybody of whom wants to be seen by nobody; the removed watch no more")
        func visibility() async throws {
            let cluster = try await SharedCluster.shared.cluster()
            let (ada, bob, conversation) = try await Self.pair(cluster, kind: "group")
            let eve = try await cluster.register("eve")
            let adas = try await ada.connect(port: cluster.edge(1))
            let bobs = try await bob.connect(port: cluster.edge(2))
            let eves = try await eve.connect(port: cluster.edge(2))
            let refused = try await eves.command("watch_presence", #""conversation_ids":["\#(conversation)"]"#)
            #expect(refused["type"]?.string == "error" && refused["code"]?.string == "not_found")
            _ = try await adas.watch([conversation])
            try await adas.sees(bob, ["online"])
            _ = try await bobs.command("set_status", #""visible_to":"nobody""#)
            try await adas.sees(bob, ["online", "offline"])
            #expect(adas.messages.last { $0["type"]?.string == "user_offline" }?["last_seen_at"] == nil)
            // Added: watched at once. Removed: not watched, and watching, no more.
            let path = "/api/conversations/\(conversation)/members"
            _ = try await ada.request("POST", path, port: cluster.edge(1), json: #"{"user_ids":["\#(eve.id)"]}"#)
            try await adas.sees(eve, ["online"])
            _ = try await eves.watch([conversation])
            try await eves.sees(ada, ["online"])
            let (ofEve, ofAda) = (adas.seen(eve), eves.seen(ada))
            _ = try await ada.request("DELETE", path + "/\(eve.id)", port: cluster.edge(1))
            _ = try await eves.message("Eve is told") { $0["type"]?.string == "member_removed" }
            _ = try await adas.message("Ada is told") { $0["type"]?.string == "member_removed" }
            _ = try await eves.command("set_status", #""status":"busy""#)
            _ = try await adas.command("set_status", #""status":"busy""#)
            _ = try await bobs.command("set_status", #""visible_to":"everyone","status":"away""#)
            try await adas.sees(bob, ["online", "offline", "away"])
            #expect(adas.seen(eve) == ofEve)
            #expect(eves.seen(ada) == ofAda)
        }

        @Test("Typing reaches the members and nobody else, on every device but the own one")
        func typing() async throws {
            let cluster = try await SharedCluster.shared.cluster()
            let (ada, bob, conversation) = try await Self.pair(cluster, kind: "group")
            let eve = try await cluster.register("eve")
            let adas = try await ada.connect(port: cluster.edge(1))
            let second = try await Self.login(ada, cluster.edge(2))
            let bobs = try await bob.connect(port: cluster.edge(2))
            let eves = try await eve.connect(port: cluster.edge(2))
            for _ in 0..<5 { adas.types(conversation) }
            eves.types(conversation)
            for socket in [bobs, second] {
                let event = try await socket.message("typing") { $0["type"]?.string == "typing" }
                #expect(event["conversation_id"]?.string == conversation && event["user_id"]?.string == ada.id)
                #expect(event["is_typing"]?.bool == true && event["expires_in_ms"]?.integer ?? 0 > 0)
            }
            adas.types(conversation, false)
            _ = try await bobs.message("the end of it") { $0["is_typing"]?.bool == false }
            // A message behind it: what was to come before has come.
            try await cluster.send(adas, conversation, "written")
            try await eventually("Bob has it") { bobs.received(conversation).count == 1 }
            #expect(bobs.typing == ["\(ada.id) true", "\(ada.id) false"], "merged, and nothing of Eve")
            #expect(adas.typing.isEmpty && eves.typing.isEmpty)
        }

        @Test("kill -9 of a user's edge: the watcher on the other edge sees it; whoever is back at once is never away")
        func killEdge() async throws {
            let cluster = try await TestCluster()
            let (ada, bob, conversation) = try await Self.pair(cluster)
            let adas = try await ada.connect(port: cluster.edge(1))
            let bobs = try await bob.connect(port: cluster.edge(2))
            _ = try await adas.watch([conversation])
            try await adas.sees(bob, ["online"])
            let start = ContinuousClock.now
            try cluster.kill("edge-2")
            try await adas.sees(bob, ["online", "offline"])
            print("offline was seen \(ContinuousClock.now - start) after kill -9 of the edge")
            _ = try await bobs.waitUntilClosed()
            _ = try await bob.connect(port: cluster.edge(1))
            try await adas.sees(bob, ["online", "offline", "online"])
        }

        @Test("kill -9 of a router: nobody is seen to go who is there, and what changes afterwards is seen")
        func killRouter() async throws {
            let cluster = try await TestCluster()
            let ada = try await cluster.register("ada")
            var friends: [(user: TestUser, socket: PlainWebSocket)] = []
            for _ in 0..<6 {
                let friend = try await cluster.register("friend")
                friends.append((friend, try await friend.connect(port: cluster.edge(2))))
            }
            let conversation = try await ada.createConversation(
                "group",
                with: friends.map(\.user),
                port: cluster.edge(1)
            )
            let adas = try await ada.connect(port: cluster.edge(1))
            _ = try await adas.watch([conversation])
            for friend in friends {
                try await adas.sees(friend.user, ["online"])
            }
            try cluster.kill("router-1")
            for friend in friends[..<3] { friend.socket.send(opcode: 8, [0x03, 0xE8]) }
            for friend in friends[..<3] { try await adas.sees(friend.user, ["online", "offline"]) }
            for friend in friends[3...] {
                try await eventually("a status is set by the owner as it is now", within: .seconds(40)) {
                    try await friend.socket.command("set_status", #""status":"busy""#)["type"]?.string == "status_set"
                }
                try await adas.sees(friend.user, ["online", "busy"])
            }
        }

        // MARK: - Pieces

        private static func pair(_ cluster: TestCluster, kind: String = "direct") async throws -> (
            TestUser, TestUser, String
        ) {
            let ada = try await cluster.register("ada")
            let bob = try await cluster.register("bob")
            return (ada, bob, try await ada.createConversation(kind, with: [bob], port: cluster.edge(1)))
        }

        /// Another device of the user, connected.
        private static func login(_ user: TestUser, _ port: UInt16) async throws -> PlainWebSocket {
            try await TestUser.login(user.username, port: port).connect(port: port)
        }
    }
}

extension PlainWebSocket {
    /// Watches, and returns what the answer says.
    fileprivate func watch(_ conversations: [String]) async throws -> [(id: String, status: String)] {
        let ids = conversations.map { "\"\($0)\"" }.joined(separator: ",")
        let answer = try await self.command("watch_presence", #""conversation_ids":[\#(ids)]"#)
        guard answer["type"]?.string == "presence_watched", let users = answer["users"]?.array else {
            throw NeverHappened(description: "not watched: \(answer)")
        }
        return users.map { ($0["user_id"]?.string ?? "", $0["status"]?.string ?? "") }
    }

    /// What this client was told of a user, in answers and events, without repetitions.
    fileprivate func seen(_ user: TestUser) -> [String] {
        var all: [String] = []
        for message in self.messages {
            let status: String? =
                switch message["type"]?.string {
                case "presence_watched":
                    message["users"]?.array?.first { $0["user_id"]?.string == user.id }?["status"]?.string
                case "user_online" where message["user_id"]?.string == user.id: message["status"]?.string
                case "user_offline" where message["user_id"]?.string == user.id: "offline"
                default: nil
                }
            if let status, all.last != status { all.append(status) }
        }
        return all
    }

    /// Waits until these are the last things that the client was told of a user.
    fileprivate func sees(_ user: TestUser, _ statuses: [String]) async throws {
        do {
            try await eventually("\(user.username) is seen as \(statuses)", within: .seconds(40)) {
                self.seen(user).suffix(statuses.count) == statuses[...]
            }
        } catch {
            Issue.record("\(user.username) was seen as \(self.seen(user)), not \(statuses)")
            throw error
        }
    }

    fileprivate func types(_ conversation: String, _ isTyping: Bool = true) {
        self.send(
            text: #"{"id":1,"type":"set_typing","conversation_id":"\#(conversation)","is_typing":\#(isTyping)}"#
        )
    }

    /// Who was told to type, in order.
    fileprivate var typing: [String] {
        self.messages.filter { $0["type"]?.string == "typing" }.map {
            "\($0["user_id"]?.string ?? "?") \($0["is_typing"]?.bool ?? false)"
        }
    }
}
