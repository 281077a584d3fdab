// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import ClientProtocol
import LoadModel
import Messaging
import TrunklineClient

/// The command line.
struct LoadCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "trunkline-load",
        abstract: "Puts a steady load on a Trunkline cluster, measures it, and audits what became of every message.",
        discussion: """
            It registers users, makes conversations and opens WebSockets through the public API of the edges it is \
            given, and then sends at a fixed rate whatever the answers do (an open loop): all latencies are measured \
            from the planned time of a message, so a stall is counted for every message that it held up.

            Afterwards it compares, for each conversation, what was acknowledged with what arrived at each device and \
            with the history that the cluster shows over REST. Edges and routers may die meanwhile: sessions move to \
            a living edge, send again what has no answer, and catch up.

            The scenario storm cuts all connections at once in the middle of the measured time, and tells how long the \
            sessions took to be back (authenticated, and brought up to date), what they were told meanwhile, and how \
            much memory the nodes took. Connections that are lost for another reason, such as an edge that was killed \
            by hand, count the same in every scenario.

            Exit codes, which keep their meaning: 0 the audit held. 1 the audit found violations. 2 the command line is \
            wrong. 3 users, conversations or connections could not be made, or the audit held and the file of --json or --html \
            could not be written. 4 the audit held, but more messages failed for good than \
            --allow-failures, or the rate was not reached, or sessions stayed away. 5 the audit held, but the storm was not weathered: not \
            everybody was back within --storm-limit, an error other than rate_limited was seen, or a node took more \
            memory than --memory-limit.

            On a terminal a block that is redrawn every second shows rates, percentiles, errors and what the nodes take; \
            elsewhere it is a line a second. --json and --html write everything to files, over time too; \
            `trunkline-load compare A.json B.json` compares two runs (`trunkline-load compare --help`).

            Example: trunkline-load --edge http://127.0.0.1:8201 --edge http://127.0.0.1:8202 --scenario direct \
            --users 40 --rate 500 --duration 10s
            """,
        version: "trunkline-load \(ProgramVersion.current)"
    )

    @Option(
        name: .customLong("edge"),
        help: ArgumentHelp("An edge, once for each; users are spread over them.", valueName: "url"),
        transform: { text in
            guard let edge = EdgeAddress(text) else {
                throw ValidationError("An edge is given as http://HOST:PORT, not as \(text).")
            }
            return edge
        }
    )
    var edges: [EdgeAddress] = []

    @Option(
        help:
            "direct: pairs of users, the two on different edges. group: groups in which everybody sends. fanout: groups in which few send to many. storm: as direct, and all connections are cut at once. (default: direct)",
        transform: { text in
            guard let scenario = Topology.Scenario(rawValue: text) else {
                throw ValidationError("The scenario is direct, group, fanout or storm, not \(text).")
            }
            return scenario
        }
    )
    var scenario = Topology.Scenario.direct

    @Option(
        help:
            "Users. Without it: 40 for direct, 5000 for storm; as many as the groups have places, for group at most 200."
    )
    var users: Int?

    @Option(help: ArgumentHelp("Members of each group. (default: 20, for fanout 1000)", valueName: "n"))
    var groupSize: Int?

    @Option(help: ArgumentHelp("Groups; a user can be in several. (default: 4, for fanout 1)", valueName: "n"))
    var groups: Int?

    @Option(help: ArgumentHelp("Members of each group that send. (default: all, for fanout 4)", valueName: "n"))
    var senders: Int?

    @Option(
        name: .customLong("protocol"),
        help: "What the devices speak: json or binary. An edge that does not know binary is spoken JSON with.",
        transform: { text in
            switch text {
            case "json": ClientSubprotocol.json
            case "binary": ClientSubprotocol.binary
            default: throw ValidationError("The protocol is json or binary, not \(text).")
            }
        }
    )
    var subprotocol = ClientSubprotocol.json

    @Option(
        help: ArgumentHelp(
            "Members of each group that are connected; the others only are members. (default: all)",
            valueName: "n"
        )
    )
    var connected: Int?

    @Option(help: ArgumentHelp("Messages offered per second, by all users together.", valueName: "per-second"))
    var rate = 200.0

    @Option(
        help: ArgumentHelp(
            "Measured time, such as 10s, 500ms or 2m. (default: 10s, for storm 30s)",
            valueName: "time"
        ),
        transform: Self.span
    )
    var duration: TimeSpan?

    @Option(
        help: ArgumentHelp("Time before it at the same rate; audited, not measured. (default: 2s)", valueName: "time"),
        transform: Self.span
    )
    var warmup = TimeSpan(nanoseconds: 2_000_000_000)

    @Option(
        help: ArgumentHelp("How long to wait at the end for answers and deliveries. (default: 30s)", valueName: "time"),
        transform: Self.span
    )
    var drain = TimeSpan(nanoseconds: 30_000_000_000)

    @Option(
        help: ArgumentHelp(
            "How long one message is tried before it counts as failed. (default: 30s)",
            valueName: "time"
        ),
        transform: Self.span
    )
    var sendTimeLimit = TimeSpan(nanoseconds: 30_000_000_000)

    @Option(help: ArgumentHelp("Bytes of each body.", valueName: "bytes"))
    var bodyBytes = 200

    @Option(help: "Decides who sends where and what; the same seed makes the same load.")
    var seed: UInt64 = 1

    @Option(help: "Part of the usernames, so that runs do not meet: 1 to 16 of a-z, 0-9 and -. Drawn when not given.")
    var runID: String?

    @Option(help: ArgumentHelp("Messages that may fail for good before the exit code is 4.", valueName: "n"))
    var allowFailures = 0

    @Option(help: ArgumentHelp("Requests at once while users and conversations are made.", valueName: "n"))
    var setupConcurrency = 8

    @Option(
        help: ArgumentHelp("How long all sessions may take to connect. (default: 60s)", valueName: "time"),
        transform: Self.span
    )
    var setupTimeout = TimeSpan(nanoseconds: 60_000_000_000)

    @Option(help: ArgumentHelp("Threads that send and receive.", valueName: "n"))
    var eventLoops = 2

    @Option(
        help: ArgumentHelp(
            "Of storm: how long a session may take to be back before the exit code is 5. (default: 15s)",
            valueName: "time"
        ),
        transform: Self.span
    )
    var stormLimit = TimeSpan(nanoseconds: 15_000_000_000)

    @Option(
        name: .customLong("metrics"),
        help: ArgumentHelp(
            "A node beside the edges, such as a router, whose memory and processor time are watched; once for each.",
            valueName: "url"
        ),
        transform: { text in
            guard let node = EdgeAddress(text) else {
                throw ValidationError("A node is given as http://HOST:PORT, not as \(text).")
            }
            return node
        }
    )
    var watchedNodes: [EdgeAddress] = []

    @Option(
        help: ArgumentHelp(
            "Of storm: resident memory of each watched node before the exit code is 5. (default: 64 and 1 for each 64 users)",
            valueName: "MiB"
        )
    )
    var memoryLimit: Int?

    @Option(name: .customLong("json"), help: ArgumentHelp("Write everything to this file.", valueName: "file"))
    var jsonFile: String?

    @Option(name: .customLong("html"), help: ArgumentHelp("Write a page with plots to this file.", valueName: "file"))
    var htmlFile: String?

    @Flag(help: "Only the summary, no progress.")
    var quiet = false

    private static func span(_ text: String) throws -> TimeSpan {
        guard let span = TimeSpan(text) else {
            throw ValidationError("A time is a number with ms, s, m or h, such as 10s, not \(text).")
        }
        return span
    }

    /// Bounds of what one process can do; more load takes several.
    private static let connectionsMax = 18_000
    private static let usersMax = 200_000
    private static let eventLoopsMax = 64

    mutating func validate() throws {
        func require(_ holds: Bool, _ message: String) throws {
            if !holds { throw ValidationError(message) }
        }
        try require(!self.edges.isEmpty, "At least one --edge http://HOST:PORT is needed.")
        try require(self.rate > 0 && self.rate <= 1e6, "--rate is above 0 and at most 1000000.")
        try require(self.measuredTime.nanoseconds > 0, "--duration is above 0.")
        let bodyMax = Limits.messageBodyBytesMax
        try require((1...bodyMax).contains(self.bodyBytes), "--body-bytes is 1 to \(bodyMax).")
        try require((1...Self.eventLoopsMax).contains(self.eventLoops), "--event-loops is 1 to \(Self.eventLoopsMax).")
        try require((1...256).contains(self.setupConcurrency), "--setup-concurrency is 1 to 256.")
        try require(self.allowFailures >= 0, "--allow-failures is not negative.")
        let users = self.userCount
        try require((2...Self.usersMax).contains(users), "--users is 2 to \(Self.usersMax).")
        switch self.scenario {
        case .direct, .storm:
            try require(users.isMultiple(of: 2), "--users is even: in this scenario they come in pairs.")
        case .group, .fanout:
            let sizeMax = min(users, Limits.conversationMembersMax)
            try require((2...sizeMax).contains(self.membersPerGroup), "--group-size is 2 to \(sizeMax).")
            try require((1...100_000).contains(self.groupCount), "--groups is 1 to 100000.")
            try require((1...self.membersPerGroup).contains(self.sendersPerGroup), "--senders is 1 to --group-size.")
            try require(
                (self.sendersPerGroup...self.membersPerGroup).contains(self.connected ?? self.membersPerGroup),
                "--connected is --senders to --group-size."
            )
        }
        if self.scenario == .storm {
            try require(self.stormLimit.nanoseconds > 0, "--storm-limit is above 0.")
            try require(self.memoryLimit.map { (1...1 << 20).contains($0) } ?? true, "--memory-limit is 1 to 1048576.")
        } else {
            try require(self.memoryLimit == nil, "--memory-limit goes with --scenario storm.")
        }
        if let runID = self.runID {
            let allowed = "abcdefghijklmnopqrstuvwxyz0123456789-".utf8
            try require(
                (1...16).contains(runID.utf8.count) && runID.utf8.allSatisfy { allowed.contains($0) },
                "--run-id is 1 to 16 of a-z, 0-9 and -."
            )
        }
        let connections = self.plan?.topology.connectedCount ?? 0
        try require(connections <= Self.connectionsMax, "At most \(Self.connectionsMax) users are connected.")
        try require(self.plan != nil, "--rate times --duration is no message at all, or too many.")
    }

    var userCount: Int {
        if let users = self.users { return users }
        return switch self.scenario {
        case .direct: 40
        case .storm: 5000
        case .group: max(self.membersPerGroup, min(200, self.placesInGroups))
        case .fanout: self.placesInGroups
        }
    }

    private var placesInGroups: Int {
        self.groupCount.multipliedReportingOverflow(by: self.membersPerGroup).partialValue
    }

    var membersPerGroup: Int { self.groupSize ?? (self.scenario == .fanout ? 1000 : 20) }
    var groupCount: Int { self.groups ?? (self.scenario == .fanout ? 1 : 4) }
    var sendersPerGroup: Int { self.senders ?? (self.scenario == .fanout ? 4 : self.membersPerGroup) }

    var measuredTime: TimeSpan {
        self.duration ?? TimeSpan(nanoseconds: self.scenario == .storm ? 30_000_000_000 : 10_000_000_000)
    }

    /// When the storm comes, in nanoseconds after the start: in the middle of the measured time.
    var stormAt: Int64? {
        self.scenario == .storm ? self.warmup.nanoseconds + self.measuredTime.nanoseconds / 2 : nil
    }

    /// Nil when there would be nothing to send, or too much.
    var plan: MessagePlan? {
        let topology =
            switch self.scenario {
            case .direct, .storm:
                Topology.direct(
                    self.scenario,
                    userCount: self.userCount,
                    edgeCount: self.edges.count,
                    loopCount: self.eventLoops
                )
            case .group, .fanout:
                Topology.groups(
                    self.scenario,
                    groupCount: self.groupCount,
                    groupSize: self.membersPerGroup,
                    sendersMax: self.sendersPerGroup,
                    connectedMax: self.connected ?? .max,
                    userCount: self.userCount,
                    edgeCount: self.edges.count,
                    loopCount: self.eventLoops
                )
            }
        return MessagePlan(
            topology: topology,
            messagesPerSecond: self.rate,
            warmUpNanoseconds: self.warmup.nanoseconds,
            durationNanoseconds: self.measuredTime.nanoseconds,
            seed: self.seed
        )
    }
}
