// SPDX-License-Identifier: Apache-2.0

extension OperatorVerb {
    /// Whoever changes shards needs their databases' rights and a connection that lasts for as long as the change.
    private static let byPostgres = "it speaks with Postgres itself, whose rights are what it needs"

    package static let shards = OperatorVerb(
        "shards",
        "Show the shards: their slots and weights, who owns the slots, what moves.",
        .read,
        .routers(.get, "/admin/shards"),
        options: [.json]
    )
    package static let slots = OperatorVerb(
        "slots",
        "Show which slots belong to which shard and router, as ranges.",
        .read,
        .routers(.get, "/admin/slots"),
        options: [.json, .ofShard, .ofRouter]
    )
    package static let ring = OperatorVerb(
        "ring",
        "Show how many slots each router owns, as the shards' views have it.",
        .read,
        .routers(.get, "/admin/ring"),
        options: [.json]
    )
    package static let shardAdd = OperatorVerb(
        "shard add",
        "Make an empty database part of the cluster.",
        .operate,
        .commandLine(Self.byPostgres),
        arguments: ["SHARD"],
        options: [.connection, .weight, .dryRun]
    )
    package static let shardWeight = OperatorVerb(
        "shard weight",
        "Say how many slots a shard is to have, measured by the others.",
        .operate,
        .commandLine(Self.byPostgres),
        arguments: ["SHARD", "WEIGHT"],
        options: [.dryRun]
    )
    package static let shardDrain = OperatorVerb(
        "shard drain",
        "Move everything that a shard holds to the others.",
        .operate,
        .commandLine(Self.byPostgres),
        arguments: ["SHARD"],
        options: [.slotsAtATime, .pauseMax, .dryRun]
    )
    package static let shardRemove = OperatorVerb(
        "shard remove",
        "Let an empty shard go.",
        .operate,
        .commandLine(Self.byPostgres),
        arguments: ["SHARD"],
        options: [.force, .dryRun]
    )
    package static let movePlan = OperatorVerb(
        "move plan",
        "Show which slots would move, and where to.",
        .read,
        .routers(.get, "/admin/move/plan"),
        options: [.back, .json]
    )
    package static let moveStart = OperatorVerb(
        "move start",
        "Move slots so that each shard has its share.",
        .operate,
        .commandLine(Self.byPostgres),
        options: [.slotsAtATime, .pauseMax, .startBack, .dryRun]
    )
    package static let moveStatus = OperatorVerb(
        "move status",
        "Show how far a move is, and who carries it out.",
        .read,
        .routers(.get, "/admin/move"),
        options: [.json]
    )
    package static let movePause = OperatorVerb(
        "move pause",
        "Have a move stop between two batches.",
        .operate,
        .commandLine(Self.byPostgres),
        options: [.dryRun]
    )
    package static let moveResume = OperatorVerb(
        "move resume",
        "Go on with a move that was paused, or broken off in whatever way.",
        .operate,
        .commandLine(Self.byPostgres),
        options: [.slotsAtATime, .pauseMax, .dryRun]
    )
    package static let moveAbort = OperatorVerb(
        "move abort",
        "End a move: every slot stays where it is now.",
        .operate,
        .commandLine(Self.byPostgres),
        options: [.dryRun]
    )
    package static let moveVerify = OperatorVerb(
        "move verify",
        "Compare the old copies of moved slots with what their new shards have.",
        .read,
        .commandLine("it reads every row of the old copies, which may take minutes")
    )
    package static let moveConfirm = OperatorVerb(
        "move confirm",
        "Remove the old copies of moved slots, after comparing them once more.",
        .operate,
        .commandLine(Self.byPostgres),
        options: [.dryRun]
    )
    package static let migrate = OperatorVerb(
        "migrate",
        "Bring every Postgres shard to the schema of this program.",
        .operate,
        .commandLine("it is run before the first router is started, and before those of a new version"),
        options: [.wait, .dryRun]
    )

    static let aboutShards: [OperatorVerb] = [
        .shards, .slots, .ring, .shardAdd, .shardWeight, .shardDrain, .shardRemove, .movePlan, .moveStart, .moveStatus,
        .movePause, .moveResume, .moveAbort, .moveVerify, .moveConfirm, .migrate,
    ]
}
