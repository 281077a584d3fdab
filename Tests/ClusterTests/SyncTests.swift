// SPDX-License-Identifier: Apache-2.0

import Messaging
import TestSupport
import Testing

extension PlainWebSocket {
    /// The numbers that a client has which appends what comes, live or by a sync, and does nothing else.
    func appended(_ conversation: String) -> [Int64] {
        self.messages.flatMap { message -> [Int64] in
            switch message["type"]?.string {
            case "new_message":
                guard let content = message["message"], content["conversation_id"]?.string == conversation else {
                    return []
                }
                return [content["seq"]?.integer ?? -1]
            case "sync_messages":
                guard message["conversation_id"]?.string == conversation else { return [] }
                return message["messages"]?.array?.compactMap { $0["seq"]?.integer } ?? []
            default:
                return []
            }
        }
    }

    /// The last receipts of a sync, of one conversation.
    fileprivate func receipts(_ conversation: String) -> (state: Int64, byUser: [String: [Int64]])? {
        let last = self.messages.last {
            $0["type"]?.string == "sync_receipts" && $0["conversation_id"]?.string == conversation
        }
        guard let last, let state = last["state"]?.integer else { return nil }
        let rows = (last["receipts"]?.array ?? []).map { row in
            (row["user_id"]?.string ?? "", [row["delivered_seq"]?.integer ?? -1, row["read_seq"]?.integer ?? -1])
        }
        return (state, Dictionary(uniqueKeysWithValues: rows))
    }

    /// - Parameter states: with the cursors, where receipts are wanted.
    func sync(
        _ cursors: [String: Int64],
        states: [String: Int64]? = nil,
        resume: String? = nil
    ) async throws -> JSONValue {
        let fields = cursors.map { conversation, seq in
            let state = states?[conversation]
            return "\"\(conversation)\":\(state.map { "[\(seq),\($0)]" } ?? "\(seq)")"
        }.joined(separator: ",")
        let token = resume.map { ",\"resume\":\"\($0)\"" } ?? ""
        let receipts = states == nil ? "" : ",\"receipts\":true"
        let answer = try await self.command("sync", "\"cursors\":{\(fields)}\(receipts)\(token)")
        guard answer["type"]?.string == "synced" else {
            throw TestCluster.Failure(description: "not synced: \(answer)")
        }
        return answer
    }
}

extension TestUser {
    /// A WebSocket whose live events wait for a sync.
    func connectForSync(port: UInt16) async throws -> PlainWebSocket {
        let socket = try await onThread { try PlainWebSocket(port: port) }
        let answer = try await socket.command(
            "authenticate",
            #""token":"\#(self.token)","device_id":"\#(self.device)","sync":true"#
        )
        guard answer["type"]?.string == "authenticated" else {
            throw TestCluster.Failure(description: "not authenticated: \(answer)")
        }
        return socket
    }
}

extension TestCluster {
    /// Of all edges.
    fileprivate func edgeMetric(_ name: String) throws -> Double {
        try self.edges.reduce(0) { try $0 + self.metric(name, of: $1.name) }
    }
}

extension ClusterTests {
    @Suite("Sync in a cluster", .serialized)
    struct SyncTests {
        @Test("300 conversations, 5 changed while away: those five are read, and no head is compared")
        func onlyWhatChanged() async throws {
            let cluster = try await TestCluster()
            let ada = try await cluster.register("ada")
            let bob = try await cluster.register("bob")
            let port = cluster.edge(1)
            var conversations: [String] = []
            for _ in 0..<300 {
                conversations.append(try await ada.createConversation("group", with: [bob], port: port))
            }
            let sender = try await ada.connect(port: port)
            for conversation in conversations { try await cluster.send(sender, conversation, "first") }
            let first = try await bob.connectForSync(port: port)
            let synced = try await first.sync([:])
            #expect(synced["changed"]?.integer == 300)
            #expect(synced["full"]?.bool == true)
            for conversation in conversations { #expect(first.appended(conversation) == [1]) }
            let token = try #require(synced["resume"]?.string)
            first.send(opcode: 8, [])
            _ = try await first.waitUntilClosed()

            let changed = conversations.shuffled().prefix(5)
            for conversation in changed {
                for number in 0..<3 { try await cluster.send(sender, conversation, "missed \(number)") }
            }
            let compared = try await onThread {
                try cluster.edgeMetric("trunkline_edge_sync_conversations_compared_total")
            }
            let pages = try await onThread { try cluster.edgeMetric("trunkline_edge_sync_pages_total") }
            // Over the other edge: the token is the routers', not the edge's.
            let again = try await bob.connectForSync(port: cluster.edge(2))
            let cursors = Dictionary(uniqueKeysWithValues: conversations.map { ($0, Int64(1)) })
            let answer = try await again.sync(cursors, resume: token)
            #expect(answer["full"]?.bool == false)
            #expect(answer["changed"]?.integer == 5)
            for conversation in conversations {
                #expect(again.appended(conversation) == (changed.contains(conversation) ? [2, 3, 4] : []))
            }
            let comparedAfter = try await onThread {
                try cluster.edgeMetric("trunkline_edge_sync_conversations_compared_total")
            }
            let pagesAfter = try await onThread { try cluster.edgeMetric("trunkline_edge_sync_pages_total") }
            #expect(comparedAfter == compared)
            #expect(pagesAfter - pages == 5)
        }

        @Test("A router is killed while a device is away: everything is compared, and nothing is lost")
        func killedRouter() async throws {
            let cluster = try await TestCluster()
            let ada = try await cluster.register("ada")
            let bob = try await cluster.register("bob")
            let port = cluster.edge(1)
            var conversations: [String] = []
            for _ in 0..<20 { conversations.append(try await ada.createConversation("group", with: [bob], port: port)) }
            let sender = try await ada.connect(port: port)
            for conversation in conversations { try await cluster.send(sender, conversation, "first") }
            let first = try await bob.connectForSync(port: port)
            let token = try #require(try await first.sync([:])["resume"]?.string)
            first.send(opcode: 8, [])
            for conversation in conversations { try await cluster.send(sender, conversation, "before") }
            try cluster.kill("router-1")
            for conversation in conversations { try await cluster.send(sender, conversation, "after") }
            let again = try await bob.connectForSync(port: port)
            let cursors = Dictionary(uniqueKeysWithValues: conversations.map { ($0, Int64(1)) })
            let answer = try await again.sync(cursors, resume: token)
            #expect(answer["full"]?.bool == true)
            #expect(answer["changed"]?.integer == 20)
            for conversation in conversations { #expect(again.appended(conversation) == [2, 3]) }
            // With the token of this sync it is cheap again.
            let fresh = try #require(answer["resume"]?.string)
            let last = Dictionary(uniqueKeysWithValues: conversations.map { ($0, Int64(3)) })
            #expect(try await again.sync(last, resume: fresh)["full"]?.bool == false)
        }

        @Test("A session that is open when a router is killed is told to resync")
        func openSession() async throws {
            let cluster = try await TestCluster()
            let bob = try await cluster.register("bob")
            let socket = try await bob.connectForSync(port: cluster.edge(1))
            _ = try await socket.sync([:])
            try cluster.kill("router-2")
            _ = try await socket.message("resync") { $0["type"]?.string == "resync" }
            #expect(try await socket.sync([:])["resume"]?.string != nil)
        }

        @Test("A router that is stopped costs no open session a resync")
        func stoppedRouter() async throws {
            let cluster = try await TestCluster(routers: 3)
            let ada = try await cluster.register("ada")
            let bob = try await cluster.register("bob")
            let port = cluster.edge(1)
            var conversations: [String] = []
            for _ in 0..<30 {
                conversations.append(try await ada.createConversation("group", with: [bob], port: port))
            }
            let socket = try await bob.connectForSync(port: port)
            _ = try await socket.sync([:])
            let sender = try await ada.connect(port: port)
            for conversation in conversations { try await cluster.send(sender, conversation, "one") }
            try await cluster.stop("router-1")
            for conversation in conversations { try await cluster.send(sender, conversation, "two") }
            for conversation in conversations {
                try await eventually("it is live") { socket.appended(conversation) == [1, 2] }
            }
            #expect(!socket.messages.contains { $0["type"]?.string == "resync" })
        }

        @Test(
            "Sessions that open and sync again and again under traffic: a naive client has each message once, in order"
        )
        func underTraffic() async throws {
            let cluster = try await SharedCluster.shared.cluster()
            let ada = try await cluster.register("ada")
            let bob = try await cluster.register("bob")
            let conversation = try await ada.createConversation("group", with: [bob], port: cluster.edge(1))
            let traffic = Traffic(ada, conversation, ports: [cluster.edge(1)], name: "traffic")
            try await withThrowingTaskGroup(of: Void.self) { group in
                group.addTask { try await traffic.run() }
                var have: [Int64] = []
                var token: String?
                for round in 0..<40 {
                    let socket = try await bob.connectForSync(port: cluster.edge(round % 2 + 1))
                    let before = have.count
                    token = try await socket.sync([conversation: Int64(have.count)], resume: token)["resume"]?.string
                    try await eventually("something new came") { !socket.appended(conversation).isEmpty }
                    if round % 3 == 0 { token = try await socket.command("ping")["resume"]?.string }
                    socket.send(opcode: 8, [])
                    _ = try await socket.waitUntilClosed()
                    have += socket.appended(conversation)
                    #expect(have.count > before)
                    #expect(have == Array(1...Int64(have.count)), "round \(round)")
                }
                traffic.stop()
                try await group.waitForAll()
                let socket = try await bob.connectForSync(port: cluster.edge(1))
                _ = try await socket.sync([conversation: Int64(have.count)], resume: token)
                have += socket.appended(conversation)
                #expect(have == Array(1...Int64(max(1, traffic.acknowledged.count))))
            }
        }

        @Test("Receipts alone, missed: the own read state and the others', by the token and by comparison")
        func receipts() async throws {
            let cluster = try await SharedCluster.shared.cluster()
            let ada = try await cluster.register("ada")
            let bob = try await cluster.register("bob")
            let laptop = try await TestUser.login(bob.username, port: cluster.edge(1))
            let port = cluster.edge(1)
            var conversations: [String] = []
            for _ in 0..<3 { conversations.append(try await ada.createConversation("group", with: [bob], port: port)) }
            let adas = try await ada.connect(port: port)
            for conversation in conversations {
                for number in 1...3 { try await cluster.send(adas, conversation, "\(number)") }
            }
            let cursors = Dictionary(uniqueKeysWithValues: conversations.map { ($0, Int64(3)) })
            let first = try await bob.connectForSync(port: cluster.edge(2))
            let token = try #require(try await first.sync([:], states: [:])["resume"]?.string)
            #expect(conversations.allSatisfy { first.appended($0) == [1, 2, 3] })
            first.send(opcode: 8, [])
            _ = try await first.waitUntilClosed()

            // Bob reads on another device, Ada what nobody wrote.
            let (read, shown, silent) = (conversations[0], conversations[1], conversations[2])
            let laptops = try await laptop.connect(port: port)
            func say(_ socket: PlainWebSocket, _ conversation: String, _ seq: Int64) async throws {
                let fields = #""conversation_id":"\#(conversation)","seq":\#(seq)"#
                #expect(try await socket.command("message_read", fields)["type"]?.string == "receipt_stored")
            }
            try await say(laptops, read, 2)
            try await say(adas, shown, 3)

            let again = try await bob.connectForSync(port: cluster.edge(2))
            let answer = try await again.sync(cursors, states: [:], resume: token)
            #expect(answer["full"]?.bool == false && answer["changed"]?.integer == 0)
            #expect(again.receipts(read)?.byUser == [ada.id: [0, 0], bob.id: [2, 2]])
            #expect(again.receipts(shown)?.byUser == [ada.id: [3, 3], bob.id: [0, 0]])
            #expect(again.receipts(silent) == nil)

            // Without a token the state says what is known; then only what came since.
            let state = try #require(again.receipts(read)?.state)
            try await say(laptops, shown, 1)
            let compared = try await bob.connectForSync(port: port)
            let full = try await compared.sync(cursors, states: [read: state])
            #expect(full["full"]?.bool == true && full["changed"]?.integer == 0)
            #expect(compared.receipts(read) == nil)
            #expect(compared.receipts(shown)?.byUser == [ada.id: [3, 3], bob.id: [1, 1]])
            // Whoever does not ask is not sent any.
            _ = try await compared.sync(cursors)
            #expect(compared.receipts(read) == nil)
        }

        @Test("A gap over the limit is said plainly with where to page from, and no token is given")
        func tooFar() async throws {
            let cluster = try await TestCluster(
                routers: 1,
                edges: 1,
                shards: 1,
                settings: "limits:\n  sync_messages_per_conversation: 10\n"
            )
            let ada = try await cluster.register("ada")
            let bob = try await cluster.register("bob")
            let port = cluster.edge(1)
            let long = try await ada.createConversation("group", with: [bob], port: port)
            let short = try await ada.createConversation("group", with: [bob], port: port)
            let sender = try await ada.connect(port: port)
            for number in 0..<15 { try await cluster.send(sender, long, "\(number)") }
            for number in 0..<10 { try await cluster.send(sender, short, "\(number)") }
            let socket = try await bob.connectForSync(port: port)
            let answer = try await socket.sync([long: 2])
            let tooFar = try #require(answer["too_far"]?.array?.first)
            #expect(tooFar["conversation_id"]?.string == long)
            #expect(tooFar["head_seq"]?.integer == 15)
            #expect(tooFar["after"]?.integer == 2)
            #expect(answer["resume"] == nil)
            #expect(socket.appended(short) == Array(1...10))
            #expect(socket.appended(long).isEmpty)
            try await cluster.send(sender, long, "live")
            try await eventually("live goes on above the gap") { socket.appended(long) == [16] }
            #expect(try await cluster.history(long, as: bob).count == 16)
            #expect(try await socket.sync([long: 16, short: 10])["resume"]?.string != nil)
        }

        @Test("Removed, added and renamed while away", arguments: [true, false])
        func membership(withToken: Bool) async throws {
            let cluster = try await SharedCluster.shared.cluster()
            let ada = try await cluster.register("ada")
            let bob = try await cluster.register("bob")
            let port = cluster.edge(1)
            let left = try await ada.createConversation("group", with: [bob], port: port)
            let renamed = try await ada.createConversation("group", with: [bob], port: port)
            let joined = try await ada.createConversation("group", with: [], port: port)
            let sender = try await ada.connect(port: port)
            try await cluster.send(sender, joined, "before Bob")
            let first = try await bob.connectForSync(port: port)
            let token = try #require(try await first.sync([:])["resume"]?.string)
            first.send(opcode: 8, [])
            _ = try await first.waitUntilClosed()
            for (method, path, json) in [
                ("DELETE", "/api/conversations/\(left)/members/\(bob.id)", nil),
                ("PUT", "/api/conversations/\(renamed)", #"{"title":"New"}"#),
                ("POST", "/api/conversations/\(joined)/members", #"{"user_ids":["\#(bob.id)"]}"#),
            ] as [(String, String, String?)] {
                let answer = try await ada.request(method, path, port: port, json: json)
                #expect(answer.status < 300, "\(path)")
            }
            try await cluster.send(sender, left, "without Bob")
            try await cluster.send(sender, joined, "with Bob")
            let again = try await bob.connectForSync(port: cluster.edge(2))
            let answer = try await again.sync([left: 0, renamed: 0], resume: withToken ? token : nil)
            #expect(answer["full"]?.bool == !withToken)
            #expect(answer["removed"]?.array?.compactMap(\.string) == [left])
            let updated = Set(answer["updated"]?.array?.compactMap(\.string) ?? [])
            #expect(updated == (withToken ? [renamed, joined] : [joined]))
            #expect(again.appended(joined) == [2])
            #expect(again.appended(left).isEmpty)
        }

        @Test(
            "A slow reader gets resync and then, by a sync, everything once and in order; the other one sees nothing of it"
        )
        func slowReader() async throws {
            let cluster = try await SharedCluster.shared.cluster()
            let ada = try await cluster.register("ada")
            let bob = try await cluster.register("bob")
            let eve = try await cluster.register("eve")
            let port = cluster.edge(1)
            let conversation = try await ada.createConversation("group", with: [bob, eve], port: port)
            let sender = try await ada.connect(port: port)
            let eves = try await eve.connectForSync(port: port)
            _ = try await eves.sync([:])
            let slow = try await onThread { try PlainWebSocket(port: port, reads: false) }
            slow.send(
                text:
                    #"{"id":1,"type":"authenticate","token":"\#(bob.token)","device_id":"\#(bob.device)","sync":true}"#
            )
            slow.send(text: #"{"id":2,"type":"sync","cursors":{}}"#)
            let text = String(repeating: "x", count: 60_000)
            let count: Int64 = 200
            for batch in 1...2 {
                // Without waiting for each answer: the slow one must not be given up before there is enough.
                for number in 0..<count / 2 {
                    sender.send(
                        text: #"{"id":\#(number),"type":"send_message",\#(sendFields(conversation, text))}"#
                    )
                }
                try await eventually("half of them are delivered", within: .seconds(60)) {
                    eves.appended(conversation).count == batch * Int(count) / 2
                }
            }
            slow.startReading()
            _ = try await slow.message("resync") { $0["type"]?.string == "resync" }
            let have = Int64(slow.appended(conversation).count)
            #expect(have < count)
            _ = try await slow.sync([conversation: have])
            #expect(slow.appended(conversation) == Array(1...count))
            #expect(eves.appended(conversation) == Array(1...count))
            #expect(!eves.messages.contains { $0["type"]?.string == "resync" })
        }
    }
}
