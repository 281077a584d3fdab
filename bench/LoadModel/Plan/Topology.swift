// SPDX-License-Identifier: Apache-2.0

/// Who talks with whom, and who is connected where. Users, conversations, edges and loops are numbers from 0.
package struct Topology: Sendable {
    package enum Scenario: String, Sendable, Codable, CaseIterable {
        case direct
        case group
        /// Few members of each group send, all receive.
        case fanout
        /// As direct; then all connections are lost at once.
        case storm

        /// Whether users come in pairs.
        package var isDirect: Bool {
            switch self {
            case .direct, .storm: true
            case .group, .fanout: false
            }
        }
    }

    package let scenario: Scenario
    package let userCount: Int
    package let edgeCount: Int
    package let loopCount: Int
    /// The members of each conversation.
    package let members: [[Int]]
    /// The conversations of each user.
    package let conversations: [[Int]]
    /// Members of each conversation that send: the first ones.
    package let sendersMax: Int
    /// Members of each conversation that are connected: the first ones, unless they are among those of another.
    package let connectedMax: Int
    /// Users that are connected.
    package let connectedCount: Int
    private let isConnected: [Bool]

    /// Pairs: users 0 and 1, 2 and 3, and so on.
    ///
    /// - Parameter userCount: Even and at least 2.
    package static func direct(
        _ scenario: Scenario = .direct,
        userCount: Int,
        edgeCount: Int,
        loopCount: Int
    ) -> Topology {
        let members = (0..<(userCount / 2)).map { [2 * $0, 2 * $0 + 1] }
        return Topology(scenario, userCount, edgeCount, loopCount, members)
    }

    /// Groups of `groupSize` users each, dealt out in turn, so that every user is in as many groups as any other, give
    /// or take one.
    ///
    /// - Parameters:
    ///   - groupSize: At least 2, at most `userCount`.
    ///   - sendersMax: Members of each group that send; at least 1.
    ///   - connectedMax: Members of each group that are connected; not less than those that send.
    package static func groups(
        _ scenario: Scenario = .group,
        groupCount: Int,
        groupSize: Int,
        sendersMax: Int = .max,
        connectedMax: Int = .max,
        userCount: Int,
        edgeCount: Int,
        loopCount: Int
    ) -> Topology {
        let members = (0..<groupCount).map { group in
            (0..<groupSize).map { (group * groupSize + $0) % userCount }
        }
        return Topology(
            scenario,
            userCount,
            edgeCount,
            loopCount,
            members,
            sendersMax: sendersMax,
            connectedMax: connectedMax
        )
    }

    private init(
        _ scenario: Scenario,
        _ userCount: Int,
        _ edgeCount: Int,
        _ loopCount: Int,
        _ members: [[Int]],
        sendersMax: Int = .max,
        connectedMax: Int = .max
    ) {
        self.sendersMax = min(sendersMax, connectedMax)
        self.connectedMax = connectedMax
        var isConnected = Array(repeating: connectedMax == .max, count: userCount)
        for users in members {
            for user in users.prefix(connectedMax) { isConnected[user] = true }
        }
        self.isConnected = isConnected
        self.connectedCount = isConnected.count { $0 }
        self.scenario = scenario
        self.userCount = userCount
        self.edgeCount = edgeCount
        self.loopCount = loopCount
        self.members = members
        var conversations: [[Int]] = Array(repeating: [], count: userCount)
        for (conversation, users) in members.enumerated() {
            for user in users { conversations[user].append(conversation) }
        }
        self.conversations = conversations
    }

    package func isConnected(_ user: Int) -> Bool {
        self.isConnected[user]
    }

    /// The edge that the user connects to first. Neighbours, so both ends of a direct conversation, are on different
    /// ones, when there are two.
    package func edge(of user: Int) -> Int {
        user % self.edgeCount
    }

    /// The event loop that the user lives on; each loop has users of every edge.
    package func loop(of user: Int) -> Int {
        (user / self.edgeCount) % self.loopCount
    }
}
