// SPDX-License-Identifier: Apache-2.0

/// Who talks with whom, and who is connected where. Users, devices, conversations, edges and loops are numbers from 0.
///
/// The devices of a user are neighbours: those of user 3, when each has two, are 6 and 7.
package struct Topology: Sendable {
    /// Where things run.
    package struct Places: Sendable {
        package var edges: Int
        package var loops: Int

        package init(edges: Int, loops: Int) {
            self.edges = edges
            self.loops = loops
        }
    }

    package let scenario: Scenario
    package let userCount: Int
    package let devicesPerUser: Int
    package let edgeCount: Int
    package let loopCount: Int
    /// The users of each conversation: pairs first, then groups.
    package let members: [[Int]]
    /// Conversations that are pairs: the first ones.
    package let directCount: Int
    /// Of a hundred messages, those that go to a pair.
    package let directPercent: Int
    /// The conversations of each user.
    package let conversations: [[Int]]
    /// Members of each conversation that send: the first ones.
    package let sendersMax: Int
    /// Members of each conversation that are connected: the first ones, unless they are among those of another.
    package let connectedMax: Int
    /// Users that are connected, with all their devices.
    package let connectedCount: Int
    /// Users who come into each conversation and go out of it; they are no members at first.
    package let guests: [[Int]]
    /// Members of each conversation that are away at first: the last ones. They do not send.
    package let awayCount: Int
    /// Devices that a message of each conversation goes to: the connected ones but for the one that sent it.
    package let receivers: [Int]
    private let isConnected: [Bool]

    /// Pairs: users 0 and 1, 2 and 3, and so on.
    ///
    /// - Parameter userCount: Even and at least 2.
    package static func direct(
        _ scenario: Scenario = .direct,
        userCount: Int,
        devicesPerUser: Int = 1,
        edgeCount: Int,
        loopCount: Int
    ) -> Topology {
        Topology(
            scenario,
            userCount,
            devicesPerUser,
            Places(edges: edgeCount, loops: loopCount),
            pairs: Self.pairs(of: userCount)
        )
    }

    /// Users that nobody talks with.
    package static func quiet(userCount: Int, devicesPerUser: Int = 1, edgeCount: Int, loopCount: Int) -> Topology {
        Topology(.idle, userCount, devicesPerUser, Places(edges: edgeCount, loops: loopCount))
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
        devicesPerUser: Int = 1,
        edgeCount: Int,
        loopCount: Int
    ) -> Topology {
        Topology(
            scenario,
            userCount,
            devicesPerUser,
            Places(edges: edgeCount, loops: loopCount),
            groups: Self.dealt(Array(repeating: groupSize, count: groupCount), userCount),
            sendersMax: sendersMax,
            connectedMax: connectedMax
        )
    }

    /// Groups with guests, or with members that are away at first: everybody in one of them.
    ///
    /// - Parameters:
    ///   - guests: Of each group, beside its members.
    ///   - away: Of the members of each group; less than all.
    package static func changing(
        _ scenario: Scenario,
        groupCount: Int,
        groupSize: Int,
        guests: Int = 0,
        away: Int = 0,
        devicesPerUser: Int = 1,
        edgeCount: Int,
        loopCount: Int
    ) -> Topology {
        let places = groupCount * groupSize
        return Topology(
            scenario,
            places + groupCount * guests,
            devicesPerUser,
            Places(edges: edgeCount, loops: loopCount),
            groups: Self.dealt(Array(repeating: groupSize, count: groupCount), places),
            guests: (0..<groupCount).map { group in (0..<guests).map { places + group * guests + $0 } },
            awayCount: away,
            sendersMax: groupSize - away
        )
    }

    /// Pairs and groups: everybody is in one pair, and in groups of ``GroupSizes``.
    ///
    /// - Parameters:
    ///   - userCount: Even and at least 4.
    ///   - largestGroup: At least 3, at most `userCount`.
    package static func mixed(
        groupCount: Int,
        largestGroup: Int,
        directPercent: Int,
        userCount: Int,
        devicesPerUser: Int,
        edgeCount: Int,
        loopCount: Int
    ) -> Topology {
        Topology(
            .mixed,
            userCount,
            devicesPerUser,
            Places(edges: edgeCount, loops: loopCount),
            pairs: Self.pairs(of: userCount),
            groups: Self.dealt(GroupSizes.spread(groupCount, upTo: largestGroup), userCount),
            directPercent: directPercent
        )
    }

    private static func pairs(of userCount: Int) -> [[Int]] {
        (0..<(userCount / 2)).map { [2 * $0, 2 * $0 + 1] }
    }

    /// Members of groups of these sizes, in turn.
    private static func dealt(_ sizes: [Int], _ userCount: Int) -> [[Int]] {
        var next = 0
        return sizes.map { size in
            defer { next = (next + size) % userCount }
            return (0..<size).map { (next + $0) % userCount }
        }
    }

    /// - Parameter directPercent: Nil for what the numbers of pairs and groups say by themselves: one kind only.
    private init(
        _ scenario: Scenario,
        _ userCount: Int,
        _ devicesPerUser: Int,
        _ places: Places,
        pairs: [[Int]] = [],
        groups: [[Int]] = [],
        guests: [[Int]] = [],
        awayCount: Int = 0,
        directPercent: Int? = nil,
        sendersMax: Int = .max,
        connectedMax: Int = .max
    ) {
        let members = pairs + groups
        self.scenario = scenario
        self.userCount = userCount
        self.devicesPerUser = devicesPerUser
        self.edgeCount = places.edges
        self.loopCount = places.loops
        self.members = members
        self.directCount = pairs.count
        self.guests = guests.isEmpty ? Array(repeating: [], count: members.count) : guests
        self.awayCount = awayCount
        self.directPercent = directPercent ?? (groups.isEmpty ? 100 : 0)
        self.sendersMax = min(sendersMax, connectedMax)
        self.connectedMax = connectedMax
        var isConnected = Array(repeating: connectedMax == .max, count: userCount)
        for users in members {
            for user in users.prefix(connectedMax) { isConnected[user] = true }
        }
        self.isConnected = isConnected
        self.connectedCount = isConnected.count { $0 }
        self.receivers = members.map { users in max(0, users.count { isConnected[$0] } * devicesPerUser - 1) }
        var conversations: [[Int]] = Array(repeating: [], count: userCount)
        for (conversation, users) in members.enumerated() {
            for user in users { conversations[user].append(conversation) }
        }
        self.conversations = conversations
    }

    package var deviceCount: Int { self.userCount * self.devicesPerUser }
    package var connectedDeviceCount: Int { self.connectedCount * self.devicesPerUser }

    package func user(ofDevice device: Int) -> Int { device / self.devicesPerUser }

    package func devices(ofUser user: Int) -> Range<Int> {
        user * self.devicesPerUser..<(user + 1) * self.devicesPerUser
    }

    /// Devices that are away at first.
    package var awayDevices: [Int] {
        guard self.awayCount > 0 else { return [] }
        return self.members.flatMap { $0.suffix(self.awayCount).flatMap { self.devices(ofUser: $0) } }
    }

    package func isConnected(_ user: Int) -> Bool {
        self.isConnected[user]
    }

    /// Whether the conversation is a pair.
    package func isDirect(_ conversation: Int) -> Bool {
        conversation < self.directCount
    }

    /// The edge that the device connects to first. Neighbours, so both ends of a direct conversation and the devices of
    /// one user, are on different ones, when there are two.
    package func edge(of device: Int) -> Int {
        (self.user(ofDevice: device) + device % self.devicesPerUser) % self.edgeCount
    }

    /// The event loop that the device lives on; each loop has devices of every edge.
    package func loop(of device: Int) -> Int {
        (device / self.edgeCount) % self.loopCount
    }
}
