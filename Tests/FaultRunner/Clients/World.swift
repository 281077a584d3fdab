// SPDX-License-Identifier: Apache-2.0

import FaultModel
import Messaging
import TestSupport

/// The population with the ids that the cluster gave it.
struct World: Sendable {
    var population: Population
    /// By device.
    var accounts: [TestUser]
    /// By user and by conversation.
    var users: [UserID]
    var conversations: [ConversationID]
    var userNumbers: [UserID: Int]
    var conversationNumbers: [ConversationID: Int]

    struct Failure: Error, CustomStringConvertible {
        var description: String
    }

    /// Registers everybody and creates every conversation.
    ///
    /// - Parameter ports: of the edges.
    static func create(_ population: Population, ports: [UInt16]) async throws -> World {
        var accounts: [Int: TestUser] = [:]
        try await withThrowingTaskGroup(of: (Int, TestUser).self) { group in
            for device in population.devices where device.number < population.users {
                group.addTask {
                    (device.number, try await TestUser.register("user\(device.user)", port: ports[device.edge]))
                }
            }
            for try await (number, account) in group { accounts[number] = account }
        }
        try await withThrowingTaskGroup(of: (Int, TestUser).self) { group in
            for device in population.devices where device.number >= population.users {
                group.addTask {
                    (device.number, try await TestUser.login("user\(device.user)", port: ports[device.edge]))
                }
            }
            for try await (number, account) in group { accounts[number] = account }
        }
        let byDevice = population.devices.compactMap { accounts[$0.number] }
        for user in population.hiddenUsers { try await Self.hide(byDevice[user], port: ports[0]) }
        let users = try (0..<population.users).map { try Self.identifier(byDevice[$0].id, UserID.self) }
        var conversations: [ConversationID] = []
        for plan in population.conversations {
            let id = try await byDevice[plan.owner].createConversation(
                plan.isDirect ? "direct" : "group",
                with: plan.members.dropFirst().map { byDevice[$0] },
                port: ports[plan.number % ports.count]
            )
            conversations.append(try Self.identifier(id, ConversationID.self))
        }
        return World(
            population: population,
            accounts: byDevice,
            users: users,
            conversations: conversations,
            userNumbers: Dictionary(uniqueKeysWithValues: zip(users, users.indices)),
            conversationNumbers: Dictionary(uniqueKeysWithValues: zip(conversations, conversations.indices))
        )
    }

    private static func hide(_ user: TestUser, port: UInt16) async throws {
        let answer = try await user.request("PUT", "/api/users/status", port: port, json: #"{"visible_to":"nobody"}"#)
        guard answer.status == 200 else { throw Failure(description: "a status was answered with \(answer.status)") }
    }

    /// The conversations that a user is in from the beginning.
    func conversations(of user: Int) -> [Int] {
        self.population.conversations.filter { $0.members.contains(user) || $0.comers.contains(user) }.map(\.number)
    }

    private static func identifier<Kind>(_ text: String, _ kind: Identifier<Kind>.Type) throws -> Identifier<Kind> {
        guard let id = Identifier<Kind>(text) else { throw Failure(description: "\(text) is not an id") }
        return id
    }
}

/// The body of a message follows from its id, so that whoever has the message can tell whether it is intact.
enum MessageText {
    static func of(_ id: ClientMessageID) -> String {
        let count = Int(id.bytes.last ?? 0)
        return "\(id) " + String(repeating: "x", count: count)
    }
}
