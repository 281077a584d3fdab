// SPDX-License-Identifier: Apache-2.0

/// What is limited, under the names of the keys in `rates` of `cluster.yaml`; also the label of the counter.
enum RateName: String, Sendable, CaseIterable {
    case connectionsPerAddress = "connections_per_address"
    case connectionsPerNode = "connections_per_node"
    case authenticationsPerNode = "authentications_per_node"
    case loginsPerAddress = "logins_per_address"
    case loginFailuresPerUsername = "login_failures_per_username"
    case refreshesPerAddress = "refreshes_per_address"
    case requestsPerAddress = "requests_per_address"
    case requestsPerUser = "requests_per_user"
    case sendsPerUser = "sends_per_user"
    case sendsPerNode = "sends_per_node"
    case commandsPerSession = "commands_per_session"

    /// What the client is told.
    var sentence: String {
        switch self {
        case .connectionsPerAddress: "Too many new connections from your address."
        case .connectionsPerNode: "Too many new connections at this edge."
        case .authenticationsPerNode: "Too many sessions begin at this edge; you have a turn after the pause."
        case .loginsPerAddress: "Too many log-ins and registrations from your address."
        case .loginFailuresPerUsername: "Too many wrong passwords for this username."
        case .refreshesPerAddress: "Too many refresh tokens exchanged from your address."
        case .requestsPerAddress: "Too many requests from your address."
        case .requestsPerUser: "Too many requests of this user."
        case .sendsPerUser: "Too many messages of this user."
        case .sendsPerNode: "Too many messages at this edge."
        case .commandsPerSession: "Too many commands in this session."
        }
    }
}
