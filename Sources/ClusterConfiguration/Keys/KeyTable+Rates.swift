// SPDX-License-Identifier: Apache-2.0

extension KeyTable {
    /// What one edge admits. The defaults let people do what people do, many of them behind one address, and bound
    /// what a program in a loop can do. A burst is what comes together in earnest: an office that reconnects at once, a
    /// client that catches up after a week.
    static let rates: [SettingKey<ClusterSettings>] = [
        // An office or a carrier's network of some hundred clients behind one address comes back at once when an edge
        // stops; after that new clients of one address come one by one.
        .rate(
            "connections_per_address",
            \.rates.connectionsPerAddress,
            default: Rate(50, per: .second, burst: 1000),
            "New connections from one client address (of IPv6, one /64)."
        ),
        // Accepting, reading the head and upgrading costs some 0.2 ms of a core.
        .rate(
            "connections_per_node",
            \.rates.connectionsPerNode,
            default: Rate(2000, per: .second, burst: 4000),
            "New connections of one edge, whoever they come from. Health, readiness and metrics are always answered."
        ),
        // Checking the token is the least of it: a session is written to Redis, told to every router, and then reads
        // what it missed from Postgres. 500 a second bring 20,000 sessions back within the standard admission_wait.
        .rate(
            "authentications_per_node",
            \.rates.authenticationsPerNode,
            default: Rate(500, per: .second, burst: 2000),
            "Sessions that begin on one edge. The others are each given a later turn, so a storm comes in at this rate."
        ),
        // A log-in costs a whole core for some 50 ms: an edge with two hashing threads does about 40 a second.
        .rate(
            "logins_per_address",
            \.rates.loginsPerAddress,
            default: Rate(5, per: .second, burst: 100),
            "Log-ins and registrations from one client address."
        ),
        // Enough for somebody who tries all passwords that it might be; 8,640 guesses a day at one account otherwise.
        .rate(
            "login_failures_per_username",
            \.rates.loginFailuresPerUsername,
            default: Rate(6, per: .minute, burst: 10),
            "Wrong passwords for one username. While it is used up, right ones are refused too."
        ),
        .rate(
            "refreshes_per_address",
            \.rates.refreshesPerAddress,
            default: Rate(50, per: .second, burst: 1000),
            "Refresh tokens exchanged from one client address."
        ),
        .rate(
            "requests_per_address",
            \.rates.requestsPerAddress,
            default: Rate(500, per: .second, burst: 5000),
            "REST requests from one client address, those for health, readiness and metrics apart."
        ),
        // Catching up in some hundred conversations is some hundred requests at once.
        .rate(
            "requests_per_user",
            \.rates.requestsPerUser,
            default: Rate(100, per: .second, burst: 2000),
            "REST requests of one user."
        ),
        // A person sends about one a second, a bot that answers many people some dozen.
        .rate(
            "sends_per_user",
            \.rates.sendsPerUser,
            default: Rate(100, per: .second, burst: 2000),
            "Messages that one user sends, over WebSocket and REST together."
        ),
        // About what two cores of an edge can carry; the routers refuse by their own queues when they cannot.
        .rate(
            "sends_per_node",
            \.rates.sendsPerNode,
            default: Rate(20_000, per: .second, burst: 40_000),
            "Messages that all users of one edge send."
        ),
        // Above what the other rates allow one session in earnest, so it bounds the rest: pings, errors, nonsense.
        .rate(
            "commands_per_session",
            \.rates.commandsPerSession,
            default: Rate(300, per: .second, burst: 3000),
            "Commands and ping frames of one WebSocket."
        ),
        // 20,000 sessions are gone within half of the standard timeouts.shutdown; the other edges let them in at their own
        // rate.
        .rate(
            "leaving_per_node",
            \.rates.leavingPerNode,
            default: Rate(2000, per: .second, burst: 100),
            """
            Sessions that an edge sends away when it is stopped without `trunkline drain`. Who is left two seconds before \
            timeouts.shutdown goes at once.
            """
        ),
        // A proxy on the edge's own machine that trusted_proxies does not name makes all clients look like one.
        .networks(
            "exempt_addresses",
            \.rates.exemptAddresses,
            default: "127.0.0.0/8 ::1",
            "Clients without a limit per address: programs on the same machine, an own load generator."
        ),
        .networks(
            "trusted_proxies",
            \.rates.trustedProxies,
            default: NetworkPrefix.noneWord,
            "Proxies whose X-Forwarded-For is believed; the client is its rightmost address that is not one of them."
        ),
    ]
}
