// SPDX-License-Identifier: Apache-2.0

import ClientProtocol
import LoadModel
import Messaging
import NIOCore
import TrunklineClient

/// The users and conversations of a run, as the cluster knows them; places are the numbers of the plan.
struct Population: Sendable {
    /// By device.
    var credentials: [SessionCredentials]
    var conversations: [ConversationID]
    var conversationNumbers: [ConversationID: Int]

    /// Makes them all.
    static func make(
        _ topology: Topology,
        runID: String,
        concurrency: Int,
        http: TrunklineHTTP,
        progress: Progress
    ) async throws(TrunklineError) -> Population {
        do {
            let password = "load-" + String(UInt64.random(in: .min ... .max), radix: 36)
            let devices = try await concurrently(topology.userCount, limit: concurrency) { user in
                try await Self.logIn(
                    topology.devices(ofUser: user).map { topology.edge(of: $0) },
                    username: "load-\(runID)-\(user)",
                    password: password,
                    http: http
                )
            } progress: {
                progress.show("setup: \($0) of \(topology.userCount) users registered")
            }
            let credentials = devices.flatMap { $0 }
            let users = devices.map { $0[0].user }
            let conversations = try await concurrently(topology.members.count, limit: concurrency) { number in
                let members = topology.members[number]
                // What one request has no room for is added by further ones.
                let first = members.dropFirst().prefix(Limits.membersPerRequestMax - 1)
                let isDirect = topology.isDirect(number)
                let request = CreateConversationRequest(
                    kind: isDirect ? .direct : .group,
                    memberIDs: first.map { users[$0] },
                    title: isDirect ? nil : "Load \(runID) \(number)"
                )
                let owner = topology.devices(ofUser: members[0]).lowerBound
                let token = credentials[owner].accessToken
                let edge = topology.edge(of: owner)
                let id = try await http.createConversation(request, token: token, edge: edge).conversationID
                let rest = Array(members.dropFirst(1 + first.count))
                for start in stride(from: 0, to: rest.count, by: Limits.membersPerRequestMax) {
                    let part = rest[start..<min(start + Limits.membersPerRequestMax, rest.count)]
                    try await http.addMembers(part.map { users[$0] }, to: id, token: token, edge: edge)
                    progress.show("setup: \(1 + first.count + start + part.count) of \(members.count) members added")
                }
                return id
            } progress: {
                progress.show("setup: \($0) of \(topology.members.count) conversations made")
            }
            return Population(
                credentials: credentials,
                conversations: conversations,
                conversationNumbers: Dictionary(
                    conversations.enumerated().map { ($0.element, $0.offset) },
                    uniquingKeysWith: { first, _ in first }
                )
            )
        } catch {
            throw error as? TrunklineError ?? TrunklineError(.protocolViolation, "\(error)")
        }
    }

    /// A user with a device on each of these edges.
    private static func logIn(
        _ edges: [Int],
        username: String,
        password: String,
        http: TrunklineHTTP
    ) async throws(TrunklineError) -> [SessionCredentials] {
        var credentials = [try await Self.register(username: username, password: password, edge: edges[0], http: http)]
        for edge in edges.dropFirst() {
            let device = DeviceDescription(name: "trunkline-load \(credentials.count + 1)")
            let request = LoginRequest(username: username, password: password, device: device)
            credentials.append(SessionCredentials(try await http.login(request, edge: edge), now: .now()))
        }
        return credentials
    }

    /// When the answer to the registration was lost, logging in tells whether it had been done.
    private static func register(
        username: String,
        password: String,
        edge: Int,
        http: TrunklineHTTP
    ) async throws(TrunklineError) -> SessionCredentials {
        do {
            let device = DeviceDescription(name: "trunkline-load")
            let request = RegisterRequest(username: username, password: password, device: device)
            return SessionCredentials(try await http.register(request, edge: edge), now: .now())
        } catch  where error.isRetryable && !error.hadNoEffect {
            let request = LoginRequest(username: username, password: password)
            return SessionCredentials(try await http.login(request, edge: edge + 1), now: .now())
        }
    }
}
