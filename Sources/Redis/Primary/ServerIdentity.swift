// SPDX-License-Identifier: Apache-2.0

/// What a server says of itself in the introduction.
struct ServerIdentity: Hashable, Sendable {
    enum Role: Hashable, Sendable {
        case primary
        case replica
        case sentinel
        /// It does not tell: a proxy, or a user who may not ask.
        case unknown
    }

    /// The server's own name for its present life (`run_id`); empty when it does not tell.
    var runID = ""
    var role = Role.unknown
    /// Which stream of changes the server followed before it became a primary (`master_replid2`): another one after
    /// each time that it was a replica in between, in the same life.
    var formerReplication = ""

    init() {}

    /// - Parameters:
    ///   - server: the answer to `INFO server`.
    ///   - replication: the answer to `INFO replication`.
    init(server: RedisValue, replication: RedisValue) {
        if let information = server.text.map(RedisInformation.init) {
            self.runID = String(information["run_id"]?.prefix(Self.bytesMax) ?? "")
            if information["redis_mode"] == "sentinel" { self.role = .sentinel }
        }
        guard self.role != .sentinel, let information = replication.text.map(RedisInformation.init) else { return }
        self.role = Self.role(information)
        self.formerReplication = String(information["master_replid2"]?.prefix(Self.bytesMax) ?? "")
    }

    /// - Parameter replication: the answer to `INFO replication`.
    static func role(_ replication: RedisValue) -> Role {
        replication.text.map { Self.role(RedisInformation($0)) } ?? .unknown
    }

    private static func role(_ replication: RedisInformation) -> Role {
        switch replication["role"] {
        case "master": .primary
        case "slave": .replica
        default: .unknown
        }
    }

    /// Both identifiers have 40.
    private static let bytesMax = 64
}

extension RedisValue {
    /// Whether only a server that is no primary, or not yet, answers this: to a write; to anything while it has lost its
    /// primary; while it takes over the data of one. Versions before 7 put it behind words of their own in a script.
    var isAnswerOfNoPrimary: Bool {
        guard let text = self.errorText else { return false }
        return text.hasPrefix("READONLY ") || text.hasPrefix("MASTERDOWN ") || text.hasPrefix("LOADING ")
            || (text.hasPrefix("ERR ") && text.contains("-READONLY "))
    }
}
