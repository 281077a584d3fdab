// SPDX-License-Identifier: Apache-2.0

import ClientProtocol
import LoadModel
import Messaging
import NIOCore
import TrunklineClient

/// The users and conversations of a run, as the cluster knows them; places are the numbers of the plan.
struct Population: Sendable {
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
            let credentials = try await concurrently(topology.userCount, limit: concurrency) { user in
                try await Self.register(
                    username: "load-\(runID)-\(user)",
                    password: password,
                    edge: topology.edge(of: user),
                    http: http
                )
            } progress: {
                progress.show("setup: \($0) of \(topology.userCount) users registered")
            }
            let conversations = try await concurrently(topology.members.count, limit: concurrency) { number in
                let members = topology.members[number]
                let request = CreateConversationRequest(
                    kind: topology.scenario.isDirect ? .direct : .group,
                    memberIDs: members.dropFirst().map { credentials[$0].user },
                    title: topology.scenario.isDirect ? nil : "Load \(runID) \(number)"
                )
                return try await http.createConversation(
                    request,
                    token: credentials[members[0]].accessToken,
                    edge: topology.edge(of: members[0])
                ).conversationID
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
