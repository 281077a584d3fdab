// SPDX-License-Identifier: Apache-2.0

import Messaging
import Synchronization
import TestSupport
import Testing

extension ClusterTests {
    @Suite("Receipts in a cluster")
    struct ReceiptTests {
        @Test("Direct, over two edges: delivered and read reach the sender, read state the reader's other device")
        func direct() async throws {
            let cluster = try await SharedCluster.shared.cluster()
            let ada = try await cluster.register("ada", edge: 1)
            let bob = try await cluster.register("bob", edge: 2)
            let laptop = try await TestUser.login(bob.username, port: cluster.edge(1))
            let conversation = try await ada.createConversation("direct", with: [bob], port: cluster.edge(1))
            let adas = try await ada.connect(port: cluster.edge(1))
            let bobs = try await bob.connect(port: cluster.edge(2))
            let laptops = try await laptop.connect(port: cluster.edge(1))
            for number in 1...3 { try await cluster.send(adas, conversation, "\(number)") }
            #expect(try await cluster.statuses(conversation, 3, as: ada) == ["sent"])

            let delivered = try await bobs.receipt("message_delivered", conversation, 3)
            #expect(delivered["type"]?.string == "receipt_stored")
            #expect(delivered["delivered_seq"]?.integer == 3 && delivered["read_seq"]?.integer == 0)
            try await eventually("Ada hears that Bob has them") {
                adas.events("message_delivered", conversation, of: bob).last == 3
            }
            #expect(try await cluster.statuses(conversation, 3, as: ada) == ["delivered"])

            let read = try await bobs.receipt("message_read", conversation, 2)
            #expect(read["delivered_seq"]?.integer == 3 && read["read_seq"]?.integer == 2)
            try await eventually("Ada and Bob's other device hear that Bob has read two") {
                [adas, laptops].allSatisfy { $0.events("message_read", conversation, of: bob).last == 2 }
            }
            #expect(try await cluster.statuses(conversation, 2, as: ada, edge: 2) == ["read"])
            #expect(try await cluster.statuses(conversation, 3, as: ada, edge: 2) == ["delivered"])
            #expect(laptops.events("message_delivered", conversation, of: bob).isEmpty, "no news for the own devices")

            // It does not go back, and the other device's watermark is the same one.
            let less = try await laptops.receipt("message_read", conversation, 1)
            #expect(less["delivered_seq"]?.integer == 3 && less["read_seq"]?.integer == 2)
            #expect(try await bobs.receipt("message_read", conversation, 4)["code"]?.string == "invalid_field")
            let list = try await bob.request("GET", "/api/conversations", port: cluster.edge(1))
            let row = list.json?["conversations"]?.array?.first
            #expect(row?["read_seq"]?.integer == 2 && row?["unread_count"]?.integer == 1)
        }

        @Test("A group over two edges, and the ways over REST")
        func group() async throws {
            let cluster = try await SharedCluster.shared.cluster()
            let ada = try await cluster.register("ada", edge: 1)
            let bob = try await cluster.register("bob", edge: 2)
            let eve = try await cluster.register("eve", edge: 2)
            let stranger = try await cluster.register("stranger", edge: 1)
            let conversation = try await ada.createConversation("group", with: [bob, eve], port: cluster.edge(2))
            let adas = try await ada.connect(port: cluster.edge(1))
            let bobs = try await bob.connect(port: cluster.edge(2))
            try await cluster.send(adas, conversation, "one")
            try await cluster.send(adas, conversation, "two")
            #expect(try await bobs.receipt("message_read", conversation, 2)["read_seq"]?.integer == 2)
            let put = try await eve.request(
                "PUT",
                "/api/messages/\(conversation).1/status",
                port: cluster.edge(1),
                json: #"{"status":"delivered"}"#
            )
            #expect(put.status == 200 && put.json?["delivered_seq"]?.integer == 1)
            try await eventually("both hear of both") {
                adas.events("message_read", conversation, of: bob) == [2]
                    && adas.events("message_delivered", conversation, of: eve) == [1]
                    && bobs.events("message_delivered", conversation, of: eve) == [1]
            }
            let status = try await cluster.status(conversation, 1, as: bob, edge: 2)
            #expect(status["recipient_count"]?.integer == 2)
            #expect(status["delivered_count"]?.integer == 2 && status["read_count"]?.integer == 1)
            let rows = status["recipients"]?.array ?? []
            let byUser = Dictionary(
                uniqueKeysWithValues: rows.map { ($0["user_id"]?.string ?? "", $0["status"]?.string ?? "") }
            )
            #expect(byUser == [bob.id: "read", eve.id: "delivered"])

            // Who is no member sees nothing and moves nothing.
            let path = "/api/messages/\(conversation).1/status"
            #expect(try await stranger.request("GET", path, port: cluster.edge(1)).status == 404)
            let json = #"{"status":"read"}"#
            #expect(try await stranger.request("PUT", path, port: cluster.edge(1), json: json).status == 404)
            let strangers = try await stranger.connect(port: cluster.edge(1))
            #expect(try await strangers.receipt("message_read", conversation, 1)["code"]?.string == "not_found")
            // Nor does who was removed, and nobody is told of it any more.
            _ = try await ada.request(
                "DELETE",
                "/api/conversations/\(conversation)/members/\(bob.id)",
                port: cluster.edge(1)
            )
            #expect(try await bobs.receipt("message_read", conversation, 2)["code"]?.string == "not_found")
            #expect(try await cluster.status(conversation, 1, as: ada)["recipient_count"]?.integer == 1)
        }

        @Test("A group over the configured size: no events but to the own devices, and counts that are right")
        func large() async throws {
            let cluster = try await TestCluster(shards: 1, settings: "limits:\n  receipt_members: 3\n")
            let ada = try await cluster.register("ada", edge: 1)
            var others: [TestUser] = []
            for _ in 0..<4 { others.append(try await cluster.register("other", edge: 2)) }
            let conversation = try await ada.createConversation("group", with: others, port: cluster.edge(1))
            let adas = try await ada.connect(port: cluster.edge(1))
            let second = try await TestUser.login(others[0].username, port: cluster.edge(1))
            let seconds = try await second.connect(port: cluster.edge(1))
            try await cluster.send(adas, conversation, "one")
            for (number, other) in others.enumerated() where number < 3 {
                let socket = try await other.connect(port: cluster.edge(2))
                let type = number == 0 ? "message_read" : "message_delivered"
                #expect(try await socket.receipt(type, conversation, 1)["type"]?.string == "receipt_stored")
            }
            try await eventually("the own device has the read state") {
                seconds.events("message_read", conversation, of: others[0]) == [1]
            }
            // What comes after the receipts on the same way shows that they did not come.
            try await cluster.send(seconds, conversation, "two")
            try await eventually("Ada has the next message") { adas.received(conversation).count == 1 }
            for other in others {
                for type in ["message_delivered", "message_read"] {
                    #expect(adas.events(type, conversation, of: other).isEmpty)
                }
            }
            for edge in 1...2 {
                let status = try await cluster.status(conversation, 1, as: ada, edge: edge)
                #expect(status["recipients"] == nil)
                #expect(status["recipient_count"]?.integer == 4)
                #expect(status["delivered_count"]?.integer == 3 && status["read_count"]?.integer == 1)
            }
        }

        @Test(
            "kill -9 of routers while receipts are stored: nothing goes back for anybody, and what was answered holds"
        )
        func killRouter() async throws {
            let cluster = try await TestCluster()
            var readers: [Reader] = []
            for index in 0..<6 {
                let ada = try await cluster.register("ada")
                let bob = try await cluster.register("bob")
                let conversation = try await ada.createConversation("direct", with: [bob], port: cluster.edge(1))
                let ports = cluster.edges.map(\.httpPort)
                readers.append(
                    Reader(cluster, ada, bob, conversation, port: ports[index % 2], watching: ports[(index + 1) % 2])
                )
            }
            let all = readers
            try await withThrowingTaskGroup(of: Void.self) { group in
                for reader in all { group.addTask { try await reader.run() } }
                func progress(_ count: Int) async throws {
                    let before = all.map(\.answered)
                    try await eventually("every reader got \(count) more answers", within: .seconds(60)) {
                        // One that failed gets no more answers, and its reason says more than that.
                        if let error = all.lazy.compactMap(\.failure).first { throw error }
                        return zip(all, before).allSatisfy { $0.answered >= $1 + count }
                    }
                }
                try await progress(3)
                try cluster.kill("router-1")
                try await progress(5)
                try cluster.start("router-1")
                try await cluster.waitUntilReady("router-1")
                try cluster.kill("router-2")
                try await progress(5)
                all.forEach { $0.stop() }
                try await group.waitForAll()
            }
            for reader in all { try await reader.audit() }
        }
    }
}

/// Ada writes, Bob reads and says so through every fault, and a second device of Ada's asks what has become of it.
private final class Reader: Sendable {
    private struct State {
        var answered: Int64 = 0
        var count = 0
        var isStopped = false
        var failure: (any Error)?
    }

    private let cluster: TestCluster
    private let ada: TestUser
    private let bob: TestUser
    private let conversation: String
    private let port: UInt16
    private let watchingPort: UInt16
    private let state = Mutex(State())

    init(
        _ cluster: TestCluster,
        _ ada: TestUser,
        _ bob: TestUser,
        _ conversation: String,
        port: UInt16,
        watching: UInt16
    ) {
        self.cluster = cluster
        self.ada = ada
        self.bob = bob
        self.conversation = conversation
        self.port = port
        self.watchingPort = watching
    }

    var answered: Int { self.state.withLock { $0.count } }
    var failure: (any Error)? { self.state.withLock { $0.failure } }

    func stop() {
        self.state.withLock { $0.isStopped = true }
    }

    func run() async throws {
        do {
            try await self.readOn()
        } catch {
            self.state.withLock { $0.failure = error }
            throw error
        }
    }

    private func readOn() async throws {
        // Routers end meanwhile: a session that says `sync` would be told to say it again.
        let adas = try await self.ada.connect(port: self.watchingPort, syncs: false)
        let bobs = try await self.bob.connect(port: self.port, syncs: false)
        var last: Int64 = 0
        while !self.state.withLock({ $0.isStopped }) {
            let fields = sendFields(self.conversation, "next")
            let seq = try await Self.untilDone { try await adas.command("send_message", fields)["seq"]?.integer }
            let before = self.state.withLock { $0.answered }
            let answer = try await Self.untilDone {
                try await bobs.receipt("message_read", self.conversation, seq)["read_seq"]?.integer
            }
            #expect(answer >= seq && answer >= before, "what was answered does not go back")
            self.state.withLock { state in
                state.answered = max(state.answered, answer)
                state.count += 1
            }
            let shown = try await Self.untilDone { try await self.storedRead() }
            #expect(shown >= answer && shown >= last, "what REST shows does not go back, and holds what was answered")
            last = shown
        }
        let expected = self.state.withLock { $0.answered }
        try await eventually("Ada was told of the last receipt", within: .seconds(30)) {
            adas.events("message_read", self.conversation, of: self.bob).max() == expected
        }
    }

    /// At the end the database has what was answered, and never more than there are messages.
    func audit() async throws {
        let expected = self.state.withLock { $0.answered }
        let stored = try await self.storedRead()
        #expect(stored == expected)
    }

    private func storedRead() async throws -> Int64? {
        let path = "/api/conversations/\(self.conversation)/receipts"
        let answer = try await self.ada.request("GET", path, port: self.watchingPort)
        return answer.json?["receipts"]?.array?.first { $0["user_id"]?.string == self.bob.id }?["read_seq"]?.integer
    }

    /// Repeats what was refused for a reason that passes.
    private static func untilDone(_ body: () async throws -> Int64?) async throws -> Int64 {
        let deadline = ContinuousClock.now + .seconds(60)
        while ContinuousClock.now < deadline {
            if let value = try await body() { return value }
            // The pace of a client that repeats; nothing is concluded from the time.
            try await Task.sleep(for: .milliseconds(20))
        }
        throw NeverHappened(description: "it was refused for a minute")
    }
}

extension PlainWebSocket {
    fileprivate func receipt(_ type: String, _ conversation: String, _ seq: Int64) async throws -> JSONValue {
        try await self.command(type, #""conversation_id":"\#(conversation)","seq":\#(seq)"#)
    }

    /// What came of a member in a conversation, in its order.
    fileprivate func events(_ type: String, _ conversation: String, of user: TestUser) -> [Int64] {
        self.messages.filter {
            $0["type"]?.string == type && $0["conversation_id"]?.string == conversation
                && $0["user_id"]?.string == user.id
        }.compactMap { $0["seq"]?.integer }
    }
}

extension TestCluster {
    fileprivate func status(
        _ conversation: String,
        _ seq: Int,
        as user: TestUser,
        edge number: Int = 1
    ) async throws -> JSONValue {
        let answer = try await user.request(
            "GET",
            "/api/messages/\(conversation).\(seq)/status",
            port: self.edge(number)
        )
        #expect(answer.status == 200)
        return answer.json ?? .null
    }

    fileprivate func statuses(
        _ conversation: String,
        _ seq: Int,
        as user: TestUser,
        edge number: Int = 1
    ) async throws -> [String] {
        try await self.status(conversation, seq, as: user, edge: number)["recipients"]?.array?
            .compactMap { $0["status"]?.string } ?? []
    }
}
