// SPDX-License-Identifier: Apache-2.0

import Messaging
import Synchronization
import TestSupport
import Testing

/// A sender that goes on through every fault: what is not acknowledged is sent again with the same id, over any edge,
/// until it is or the time is up. It writes down what it was told.
final class Traffic: Sendable {
    struct Acknowledged: Sendable {
        var seq: Int64
        var body: String
    }

    private struct State {
        var acknowledged: [Acknowledged] = []
        var refusals: [String] = []
        var isStopped = false
    }

    private let state = Mutex(State())
    let user: TestUser
    private let conversation: String
    private let ports: [UInt16]
    private let name: String

    init(_ user: TestUser, _ conversation: String, ports: [UInt16], name: String) {
        self.user = user
        self.conversation = conversation
        self.ports = ports
        self.name = name
    }

    var acknowledged: [Acknowledged] { self.state.withLock { $0.acknowledged } }
    /// Codes of errors that were answered on the way.
    var refusals: [String] { self.state.withLock { $0.refusals } }

    func stop() {
        self.state.withLock { $0.isStopped = true }
    }

    /// One message after the other, until it is stopped. Returns when the last one is acknowledged.
    func run() async throws {
        var number = 0
        var socket: PlainWebSocket?
        var edge = 0
        while !self.state.withLock({ $0.isStopped }) {
            number += 1
            let body = "\(self.name) \(number)"
            let fields = sendFields(self.conversation, body)
            let deadline = ContinuousClock.now + .seconds(60)
            while true {
                guard ContinuousClock.now < deadline else {
                    throw NeverHappened(description: "\(body) was never acknowledged")
                }
                if socket?.isEnded ?? true {
                    edge += 1
                    socket = try? await self.user.connect(port: self.ports[edge % self.ports.count])
                }
                guard let open = socket, let answer = try? await open.command("send_message", fields) else {
                    socket = nil
                    continue
                }
                if let seq = answer["seq"]?.integer {
                    self.state.withLock { $0.acknowledged.append(Acknowledged(seq: seq, body: body)) }
                    break
                }
                self.state.withLock { $0.refusals.append(answer["code"]?.string ?? "none") }
                // The pace of a client that repeats what was refused; nothing is concluded from the time.
                try await Task.sleep(for: .milliseconds(20))
            }
        }
    }

    /// Every acknowledged message is stored once under its number, and the numbers have no gaps.
    func audit(_ cluster: TestCluster, edge number: Int) async throws {
        let history = try await cluster.history(self.conversation, as: self.user, edge: number)
        #expect(history.map(\.seq) == Array(1...Int64(max(1, history.count))), "numbers without gaps")
        #expect(Set(history.map(\.id)).count == history.count, "one copy of each client message id")
        let stored = Dictionary(history.map { ($0.seq, $0.body) }, uniquingKeysWith: { first, _ in first })
        for message in self.acknowledged {
            #expect(stored[message.seq] == message.body, "acknowledged under \(message.seq)")
        }
        #expect(!self.acknowledged.isEmpty)
    }
}

/// Several senders at once while something is done to the cluster.
struct Load {
    let cluster: TestCluster
    let senders: [Traffic]
    let conversations: [String]

    /// Users on both edges, a conversation for each pair, enough of them that every shard and router has some.
    init(_ cluster: TestCluster, conversations count: Int = 8) async throws {
        self.cluster = cluster
        let ports = cluster.edges.map(\.httpPort)
        var senders: [Traffic] = []
        var conversations: [String] = []
        for index in 0..<count {
            let ada = try await cluster.register("ada")
            let bob = try await cluster.register("bob")
            let conversation = try await ada.createConversation("direct", with: [bob], port: ports[0])
            conversations.append(conversation)
            let start = index % ports.count
            senders.append(
                Traffic(ada, conversation, ports: Array(ports[start...] + ports[..<start]), name: "sender \(index)")
            )
        }
        self.senders = senders
        self.conversations = conversations
    }

    /// Runs the senders, does the fault in the middle, waits until all are acknowledged again, and audits.
    ///
    /// - Parameter edge: one that lives at the end, to read the conversations from.
    func run(
        messagesAround count: Int = 5,
        auditedFrom edge: Int = 1,
        _ fault: @escaping @Sendable () async throws -> Void
    ) async throws {
        try await withThrowingTaskGroup(of: Void.self) { group in
            for sender in self.senders {
                group.addTask { try await sender.run() }
            }
            try await self.progress(count)
            try await fault()
            try await self.progress(count)
            self.senders.forEach { $0.stop() }
            try await group.waitForAll()
        }
        for sender in self.senders {
            try await sender.audit(self.cluster, edge: edge)
        }
    }

    /// Waits until every sender has so many more acknowledgements than now.
    func progress(_ count: Int) async throws {
        let before = self.senders.map(\.acknowledged.count)
        try await eventually("every sender got \(count) more acknowledgements", within: .seconds(60)) {
            zip(self.senders, before).allSatisfy { $0.acknowledged.count >= $1 + count }
        }
    }
}
