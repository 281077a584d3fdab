// SPDX-License-Identifier: Apache-2.0

import TestSupport

/// One cluster for the tests that break nothing.
actor SharedCluster {
    static let shared = SharedCluster()

    private var starting: Task<TestCluster, any Error>?

    func cluster() async throws -> TestCluster {
        if let starting = self.starting { return try await starting.value }
        let task = Task { try await TestCluster(settings: Self.settings) }
        self.starting = task
        return try await task.value
    }

    private static let settings = """
        timeouts:
          authenticate: 2s
        limits:
          session_unsent_bytes: 256KiB

        """
}

/// Names that no other test uses.
actor Names {
    static let shared = Names()

    private var count = 0

    func next(_ prefix: String = "user") -> String {
        self.count += 1
        return "\(prefix)\(self.count)"
    }
}

extension TestCluster {
    /// The port of an edge, counted from 1.
    func edge(_ number: Int) -> UInt16 {
        self.edges[number - 1].httpPort
    }

    func register(_ prefix: String = "user", edge number: Int = 1) async throws -> TestUser {
        try await TestUser.register(await Names.shared.next(prefix), port: self.edge(number))
    }

    /// Sends a message and returns its number; the answer must be that it was stored.
    @discardableResult
    func send(_ socket: PlainWebSocket, _ conversation: String, _ body: String) async throws -> Int64 {
        let answer = try await socket.command("send_message", sendFields(conversation, body))
        guard answer["type"]?.string == "message_sent", let seq = answer["seq"]?.integer else {
            throw Failure(description: "not sent: \(answer)")
        }
        return seq
    }

    /// The whole conversation as REST tells it, read page by page.
    func history(_ conversation: String, as user: TestUser, edge number: Int = 1) async throws -> [(
        seq: Int64, body: String, id: String
    )] {
        var all: [(seq: Int64, body: String, id: String)] = []
        while true {
            let after = all.last?.seq ?? 0
            let answer = try await user.request(
                "GET",
                "/api/conversations/\(conversation)/messages?after=\(after)&limit=200",
                port: self.edge(number)
            )
            guard answer.status == 200, let page = answer.json?["messages"]?.array else {
                throw Failure(description: "history: \(answer.status) \(String(decoding: answer.body, as: UTF8.self))")
            }
            all += page.compactMap { message in
                guard let seq = message["seq"]?.integer, let body = message["body"]?.string,
                    let id = message["client_message_id"]?.string
                else { return nil }
                return (seq, body, id)
            }
            if answer.json?["has_more"]?.bool != true { return all }
        }
    }
}
