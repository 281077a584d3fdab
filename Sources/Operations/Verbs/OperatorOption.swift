// SPDX-License-Identifier: Apache-2.0

/// An option of a verb, with what the command line's help and the admin interface's description say of it.
package struct OperatorOption: Sendable, Equatable {
    /// On the command line, without its dashes; nil of one that only the admin interface takes.
    package let name: String?
    /// What stands for its value in the help; nil of a flag.
    package let value: String?
    /// Its name for the admin interface: in the query of a `GET`, in the JSON body of a `POST`. Nil of one that only the
    /// command line takes.
    package let parameter: String?
    package let summary: String

    init(_ name: String?, value: String? = nil, parameter: String? = nil, _ summary: String) {
        self.name = name
        self.value = value
        self.parameter = parameter
        self.summary = summary
    }
}

extension OperatorOption {
    package static let json = OperatorOption("json", "Print JSON for programs.")
    package static let dryRun = OperatorOption("dry-run", "Say what would happen, and do nothing.")
    package static let orderDryRun = OperatorOption("dry-run", parameter: "dry_run", Self.dryRun.summary)
    static let shedDryRun = OperatorOption(nil, parameter: "dry_run", Self.dryRun.summary)
    /// What the command line says by itself.
    static let operatorName = OperatorOption(
        nil,
        parameter: "operator",
        "Who gives the order, for the log; the command line says USER@MACHINE."
    )

    // MARK: - Nodes

    package static let rate = OperatorOption(
        "rate",
        value: "n",
        parameter: "rate",
        "Edges: sessions that are asked to go in a second."
    )
    package static let window = OperatorOption(
        "window",
        value: "time",
        parameter: "window_ms",
        "Edges: within which each of them goes once it is asked."
    )
    static let count = OperatorOption(nil, parameter: "count", "How many sessions are to go; 0 ends it.")
    static let targets = OperatorOption(
        nil,
        parameter: "targets",
        "HOST:PORT of the edges to go to; none for all others that are ready."
    )
    package static let drainTimeout = OperatorOption(
        "timeout",
        value: "time",
        "How long to wait; the node goes on draining afterwards. (default: until it is empty)"
    )
    package static let noWait = OperatorOption("no-wait", "Give the order and do not wait.")
    package static let restartWith = OperatorOption(
        "restart-with",
        value: "command",
        "Starts a node again: run by /bin/sh, with {node}, {role} and {host}."
    )
    package static let only = OperatorOption("only", value: "nodes", "Only these nodes, with commas between them.")
    package static let rollRole = OperatorOption("role", value: "role", "Only nodes of this role: router or edge.")
    package static let from = OperatorOption("from", value: "node", "Begin with this node: those before it are done.")
    package static let emptyTimeout = OperatorOption(
        "timeout",
        value: "time",
        "How long to wait until a node is empty. (default: until it is)"
    )
    package static let backWithin = OperatorOption(
        "back-within",
        value: "time",
        "How long to wait until a node is back after the command."
    )
    package static let allowGap = OperatorOption(
        "allow-gap",
        "Go on where no other node of a role would serve meanwhile, or another node is out."
    )
    package static let drainAllowGap = OperatorOption(
        "allow-gap",
        parameter: "allow_gap",
        "Empty an edge although no other one is ready to take its sessions."
    )
    package static let walkDryRun = OperatorOption("dry-run", "Print the walk, and do nothing.")
    package static let threshold = OperatorOption(
        "threshold",
        value: "percent",
        "Above the average by so much an edge is uneven."
    )
    package static let stopShedding = OperatorOption("stop", "End what was begun before, and begin nothing.")
    package static let once = OperatorOption("once", "Print one interval and end.")
    package static let interval = OperatorOption("interval", value: "time", "Between two looks.")

    // MARK: - Slots and shards

    package static let ofShard = OperatorOption(
        "shard",
        value: "name",
        parameter: "shard",
        "Only what this shard holds."
    )
    package static let ofRouter = OperatorOption(
        "router",
        value: "name",
        parameter: "router",
        "Only what this router owns."
    )
    package static let connection = OperatorOption(
        "connection",
        value: "string",
        "How libpq reaches the database, without a password."
    )
    package static let weight = OperatorOption(
        "weight",
        value: "weight",
        "How much it takes, measured by the others: with 2 it gets twice the slots of one with 1."
    )
    package static let slotsAtATime = OperatorOption(
        "slots-at-a-time",
        value: "count",
        "Slots that are copied and handed over together, 1 to 512."
    )
    package static let pauseMax = OperatorOption(
        "pause-max",
        value: "time",
        "A hand-over that is slower is taken back and tried again; looked at before slots are given and taken, two transactions by which a pause can be longer."
    )
    package static let back = OperatorOption(
        "back",
        parameter: "back",
        "The way back: to where old copies say that slots came from; said once more after it, away from there again."
    )
    package static let startBack = OperatorOption("back", Self.back.summary)
    package static let force = OperatorOption(
        "force",
        "Also when its database cannot be reached, so that nobody sees whether it has old copies of slots."
    )
    package static let wait = OperatorOption(
        "wait",
        value: "time",
        "How long a shard that cannot be reached is tried again."
    )

    // MARK: - The rest

    package static let last = OperatorOption(
        "last",
        value: "n",
        parameter: "last",
        "How many of the newest orders, 1 to 10000."
    )
    package static let list = OperatorOption("list", "Say what is looked at, and why; look at nothing.")
    package static let doctorTimeout = OperatorOption(
        "timeout",
        value: "time",
        "How long each server and node has to answer."
    )
    package static let runRole = OperatorOption("role", value: "role", "What it does: edge or router.")
    package static let mesh = OperatorOption(
        "mesh",
        value: "host:port",
        "Routers: where it listens for the other nodes."
    )
    package static let http = OperatorOption(
        "http",
        value: "host:port",
        "Edges: where clients connect. Routers: health and metrics."
    )
    package static let advertise = OperatorOption(
        "advertise",
        value: "host",
        "The host by which others reach it, where that is not the one of --mesh and --http."
    )
}
