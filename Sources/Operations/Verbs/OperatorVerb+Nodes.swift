// SPDX-License-Identifier: Apache-2.0

extension OperatorVerb {
    package static let status = OperatorVerb(
        "status",
        "Show what lives, what is ready, and who owns what.",
        .read,
        .routers(.get, "/admin/status"),
        options: [.json]
    )
    package static let nodes = OperatorVerb(
        "nodes",
        "List the nodes: those of the file and those that have joined.",
        .read,
        .routers(.get, "/admin/nodes"),
        options: [.json]
    )
    package static let top = OperatorVerb(
        "top",
        "Show live what the nodes do: sessions, messages, queues, processor and memory.",
        .read,
        .commandLine("it asks every node for its /metrics again and again"),
        options: [.json, .once, .interval]
    )
    /// How far a node is that is being drained.
    static let condition = OperatorVerb(
        "node condition",
        "Say how one node is, and what would be lost if it went now.",
        .read,
        .routers(.get, "/admin/nodes/NODE"),
        arguments: ["NODE"],
        isCommand: false
    )
    package static let drain = OperatorVerb(
        "drain",
        "Empty a node without anybody noticing, and wait until it is safe to remove.",
        .operate,
        .routers(.post, "/admin/nodes/NODE/drain"),
        arguments: ["NODE"],
        options: [.rate, .window, .drainTimeout, .orderDryRun, .noWait, .drainAllowGap, .operatorName]
    )
    package static let undrain = OperatorVerb(
        "undrain",
        "Take a node back that was being drained.",
        .operate,
        .routers(.post, "/admin/nodes/NODE/undrain"),
        arguments: ["NODE"],
        options: [.orderDryRun, .operatorName]
    )
    package static let remove = OperatorVerb(
        "remove",
        "Take a node that has ended out of the cluster's records, if nothing is lost by that.",
        .operate,
        .routers(.post, "/admin/nodes/NODE/remove"),
        arguments: ["NODE"],
        options: [.orderDryRun, .operatorName]
    )
    package static let roll = OperatorVerb(
        "roll",
        "Start every node again, one after the other, without anybody noticing: a restart or an upgrade.",
        .operate,
        .commandLine("it runs your command for each node, after a drain that routers carry out"),
        options: [
            .rate, .window, .restartWith, .only, .rollRole, .from, .emptyTimeout, .backWithin, .allowGap, .walkDryRun,
        ]
    )
    package static let rebalanceConnections = OperatorVerb(
        "rebalance connections",
        "Have edges with more sessions than the average send some to those with fewer.",
        .operate,
        .commandLine("it looks at all edges and gives each an order to shed, which routers carry out"),
        options: [.rate, .window, .threshold, .stopShedding, .dryRun]
    )
    static let shed = OperatorVerb(
        "shed",
        "Have so many sessions of an edge go to other edges, at a rate.",
        .operate,
        .routers(.post, "/admin/nodes/NODE/shed"),
        arguments: ["NODE"],
        options: [.rate, .window, .count, .targets, .shedDryRun, .operatorName],
        isCommand: false
    )
    package static let log = OperatorVerb(
        "log",
        "Show what operators have ordered: drains, moves of slots, changes of shards.",
        .read,
        .routers(.get, "/admin/log"),
        options: [.last, .json]
    )
    package static let doctor = OperatorVerb(
        "doctor",
        "Find what is wrong with the configuration, the servers and the nodes, and say how to mend it.",
        .read,
        .routers(.get, "/admin/doctor"),
        options: [.json, .list, .doctorTimeout]
    )

    static let aboutNodes: [OperatorVerb] = [
        .status, .nodes, .top, .condition, .drain, .undrain, .remove, .roll, .rebalanceConnections, .shed, .log,
        .doctor,
    ]

    // MARK: - Conversations, users, messages

    package static let owner = OperatorVerb(
        "owner",
        "Say where a conversation is, which router owns it, why, and which edges hear of it.",
        .read,
        .routers(.get, "/admin/conversations/CONVERSATION/owner"),
        arguments: ["CONVERSATION"],
        options: [.json]
    )
    /// What the owner tells those who work ``owner`` out.
    static let audience = OperatorVerb(
        "audience",
        "Say which edges hear of a conversation, as far as this router has it in memory.",
        .read,
        .routers(.get, "/admin/conversations/CONVERSATION"),
        arguments: ["CONVERSATION"],
        isCommand: false
    )
    package static let sessions = OperatorVerb(
        "sessions",
        "Show where a user is connected.",
        .read,
        .routers(.get, "/admin/users/USER/sessions"),
        arguments: ["USER"],
        options: [.json]
    )
    package static let trace = OperatorVerb(
        "trace",
        "Show the way of one message, with times: where it is stored, for whom it is, who has got and read it.",
        .read,
        .routers(.get, "/admin/messages/MESSAGE"),
        arguments: ["MESSAGE"],
        options: [.json]
    )

    static let aboutMessages: [OperatorVerb] = [
        .owner, .audience, .sessions, .trace,
    ]
}
