// SPDX-License-Identifier: Apache-2.0

/// How a device behaves, and by what program it is played.
package enum DeviceBehaviour: String, Sendable, CaseIterable {
    /// The client library, always there.
    case session
    /// A WebSocket written by hand that asks REST for what it misses; always there.
    case socket
    /// A socket that comes and goes every few seconds.
    case flapping
    /// A socket that is away for long and then back for a moment.
    case sleeping
    /// A socket that reads slower than messages come.
    case slow

    /// Whether it is there whenever the cluster lets it be, and so is to have what is acknowledged soon.
    package var isSteady: Bool {
        switch self {
        case .session, .socket: true
        case .flapping, .sleeping, .slow: false
        }
    }
}

/// Who talks to whom in a run. Pure: the same seed gives the same people. All numbers count from 0.
package struct Population: Sendable, Equatable {
    package struct Device: Sendable, Equatable {
        package var number: Int
        package var user: Int
        package var behaviour: DeviceBehaviour
        /// Where it connects first.
        package var edge: Int
        package var seed: UInt64
    }

    package struct Conversation: Sendable, Equatable {
        package var number: Int
        package var isDirect: Bool
        /// Who creates it; the first of ``members``.
        package var owner: Int
        /// At the beginning.
        package var members: [Int]
        /// Who is added and removed all the time; not among ``members``.
        package var comers: [Int]
    }

    /// Sends one message after the other in one conversation, from one device of the client library.
    package struct Sender: Sendable, Equatable {
        package var number: Int
        package var user: Int
        package var device: Int
        package var conversation: Int
        /// After an acknowledgement, before the next message. Nil for a quiet one: it sends one message while a fault is at
        /// work, and nothing until the next, so that what goes missing is not found by what follows it.
        package var pauseMilliseconds: ClosedRange<Int>?
        package var seed: UInt64
    }

    package var users: Int
    package var devices: [Device] = []
    package var conversations: [Conversation] = []
    package var senders: [Sender] = []

    private static let stayers = 20
    private static let comers = 4
    /// The further devices, each of another user.
    private static let furtherDevices: [DeviceBehaviour] = [
        .session, .session, .socket, .socket, .flapping, .flapping, .sleeping, .slow,
    ]
    private static let directs = 8
    private static let quietDirects = 6
    private static let groups = 3

    /// - Parameter edges: How many edges there are to connect to.
    package init(edges: Int, using generator: inout some RandomNumberGenerator) {
        self.users = Self.stayers + Self.comers
        for user in 0..<Self.stayers { self.addDevice(user, .session, edges, &generator) }
        for user in Self.stayers..<self.users { self.addDevice(user, .socket, edges, &generator) }
        let owners = Array(0..<Self.stayers).shuffled(using: &generator)
        for (user, behaviour) in zip(owners, Self.furtherDevices) { self.addDevice(user, behaviour, edges, &generator) }

        var pairs: Set<[Int]> = []
        while pairs.count < Self.directs + Self.quietDirects {
            let pair = Array((0..<Self.stayers).shuffled(using: &generator).prefix(2))
            guard pairs.insert(pair.sorted()).inserted else { continue }
            let isQuiet = pairs.count > Self.directs
            let number = self.addConversation(isDirect: true, pair, comers: [])
            self.addSender(pair[0], number, isQuiet ? nil : 150...600, &generator)
        }
        for _ in 0..<Self.groups {
            let size = Int.random(in: 8...20, using: &generator)
            let members = Array((0..<Self.stayers).shuffled(using: &generator).prefix(size))
            let number = self.addConversation(isDirect: false, members, comers: [])
            self.addSender(members[0], number, 400...1200, &generator)
            self.addSender(members[1], number, 400...1200, &generator)
        }
        let members = Array((0..<Self.stayers).shuffled(using: &generator).prefix(8))
        let changing = self.addConversation(isDirect: false, members, comers: Array(Self.stayers..<self.users))
        self.addSender(members[1], changing, 100...400, &generator)
        self.addSender(members[2], changing, 100...400, &generator)
    }

    /// Who is visible to nobody from the beginning.
    package var hiddenUsers: Range<Int> { Self.stayers - 2..<Self.stayers }
    /// Who chooses another status all the time, on the first device.
    package var choosingUsers: Range<Int> { 0..<4 }
    /// Whose devices leave for good when everything has arrived; each has one.
    package var leavingUsers: Range<Int> { Self.stayers..<Self.stayers + 2 }

    /// Who stays in a conversation from its beginning to the end of the run.
    package func stayers(of conversation: Int) -> [Int] {
        self.conversations[conversation].members
    }

    private mutating func addDevice(
        _ user: Int,
        _ behaviour: DeviceBehaviour,
        _ edges: Int,
        _ generator: inout some RandomNumberGenerator
    ) {
        self.devices.append(
            Device(
                number: self.devices.count,
                user: user,
                behaviour: behaviour,
                edge: Int.random(in: 0..<edges, using: &generator),
                seed: generator.next()
            )
        )
    }

    private mutating func addConversation(isDirect: Bool, _ members: [Int], comers: [Int]) -> Int {
        let number = self.conversations.count
        self.conversations.append(
            Conversation(number: number, isDirect: isDirect, owner: members[0], members: members, comers: comers)
        )
        return number
    }

    /// The user's first device sends; devices of stayers begin with one of the client library.
    private mutating func addSender(
        _ user: Int,
        _ conversation: Int,
        _ pause: ClosedRange<Int>?,
        _ generator: inout some RandomNumberGenerator
    ) {
        self.senders.append(
            Sender(
                number: self.senders.count,
                user: user,
                device: user,
                conversation: conversation,
                pauseMilliseconds: pause,
                seed: generator.next()
            )
        )
    }
}
