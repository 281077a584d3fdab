// SPDX-License-Identifier: Apache-2.0

import Messaging

/// Every key of `cluster.yaml`, once: reading, defaults, environment, checks, `config show` and `config reference`
/// all follow this table.
enum KeyTable {
    /// Bytes that the JSON around a message's body may need: names of fields, ids, and escapes.
    private static let envelopeBytes = 4 << 10

    static let cluster: [SettingKey<ClusterSettings>] = [
        .name("cluster", \.cluster, "The cluster's name. Nodes of another cluster are refused on the mesh.")
    ]

    static let secrets: [SettingKey<ClusterSettings>] = [
        .secret(
            "mesh_secret",
            \.secrets.mesh,
            defaultVariable: "TRUNKLINE_MESH_SECRET",
            "Proves on the mesh that a node belongs to the cluster. At least 16 bytes, the same on all nodes."
        ),
        .secret(
            "token_secret",
            \.secrets.token,
            defaultVariable: "TRUNKLINE_TOKEN_SECRET",
            "Signs access tokens. At least 16 bytes, the same on all edges."
        ),
        .optionalSecret(
            "admin_operate",
            \.secrets.adminOperate,
            "Lets an operator change things through the routers' admin interface, which is off without it. At least 16 bytes."
        ),
        .optionalSecret(
            "admin_read",
            \.secrets.adminRead,
            "Lets somebody look at nodes there, and change nothing. At least 16 bytes."
        ),
    ]

    static let redis: [SettingKey<ClusterSettings>] = [
        .redisURL(
            "url",
            \.redis.url,
            "The Redis that holds the registry and the nodes' leases. Of several servers the one that is the primary is used; sentinels are asked which one that is."
        ),
        .optionalSecret("password", \.redis.password, "The password of Redis."),
        .optionalSecret(
            "sentinel_password",
            \.redis.sentinelPassword,
            "The password of the sentinels, where they have one."
        ),
    ]

    static let shard: [SettingKey<ClusterSettings.Shard>] = [
        .name("name", \.name, "The shard's name. The shard map refers to it, so it stays when the database moves."),
        .connection(
            "connection",
            \.connection,
            "How to reach its database; may list several hosts with target_session_attrs=read-write for fail-over."
        ),
        .optionalSecret("password", \.password, "The password of the database's user."),
    ]

    static let node: [SettingKey<ClusterSettings.Node>] = [
        .name("name", \.name, "The node's name, as in `trunkline run NAME`."),
        .choice("role", \.role, default: .required, "A router owns slots and Postgres; an edge serves clients."),
        .optionalAddress(
            "mesh",
            \.mesh,
            "Routers only: where the router listens, and where the other nodes dial it."
        ),
        .address("http", \.http, "Edges: where clients connect. Routers: health and metrics."),
        .optionalHost(
            "advertise",
            \.advertise,
            "The host by which others reach the node, where that is not the one of `mesh` and `http`: they may be 0.0.0.0 then."
        ),
    ]

    static let limits: [SettingKey<ClusterSettings>] = [
        .integer(
            "sessions_per_edge",
            \.limits.sessionsPerEdge,
            default: 20_000,
            1...1_000_000,
            "Client connections of one edge; more are refused."
        ),
        .integer(
            "event_loops",
            \.limits.eventLoops,
            default: 0,
            0...1024,
            "Threads of a node that carry out its network traffic; 0 for one per processor. Fewer when nodes share a machine."
        ),
        .size(
            "session_unsent_bytes",
            \.limits.sessionUnsentBytes,
            default: 1 << 20,
            64 << 10...1 << 30,
            "Bytes that may wait for one slow client; beyond, it gets no live messages until it has caught up."
        ),
        .size(
            "websocket_frame_bytes",
            \.limits.websocketFrameBytes,
            default: 128 << 10,
            Limits.messageBodyBytesMax + Self.envelopeBytes...16 << 20,
            "The largest WebSocket message from a client; a larger one closes the connection."
        ),
        .size(
            "http_body_bytes",
            \.limits.httpBodyBytes,
            default: 256 << 10,
            Limits.messageBodyBytesMax + Self.envelopeBytes...16 << 20,
            "The largest body of a REST request; a larger one is refused."
        ),
        .integer(
            "submits_in_flight_per_session",
            \.limits.submitsInFlightPerSession,
            default: 128,
            1...10_000,
            "Messages of one session that wait for their answer; more are refused as overloaded."
        ),
        .integer(
            "sync_messages_per_conversation",
            \.limits.syncMessagesPerConversation,
            default: 1000,
            1...1_000_000,
            "Messages that a sync brings of one conversation; with more missing it tells where to page from."
        ),
        .integer(
            "sync_messages",
            \.limits.syncMessages,
            default: 10_000,
            1...10_000_000,
            "Messages that one sync brings; for conversations beyond it tells where to page from."
        ),
        .size(
            "sync_held_bytes",
            \.limits.syncHeldBytes,
            default: 256 << 10,
            0...64 << 20,
            "Live events held for one session while it is brought up to date; what is beyond is read again."
        ),
        .integer(
            "syncs_under_way",
            \.limits.syncsUnderWay,
            default: 64,
            1...100_000,
            "Questions to routers that one edge has under way for syncs; more wait for their turn."
        ),
        .integer(
            "changed_conversations",
            \.limits.changedConversations,
            default: 65_536,
            16...16_777_216,
            "Conversations whose last change a router remembers, so that a sync looks at what changed only."
        ),
        .integer(
            "presence_members",
            \.limits.presenceMembers,
            default: 256,
            0...Limits.watchedUsersMax,
            "Members of the largest conversation that carries presence and typing; 0 turns both off."
        ),
        .integer(
            "shard_queue_messages",
            \.limits.shardQueueMessages,
            default: 20_000,
            100...1_000_000,
            "Messages that wait at one router for one shard; more are refused as overloaded."
        ),
        .size(
            "shard_queue_bytes",
            \.limits.shardQueueBytes,
            default: 64 << 20,
            1 << 20...4 << 30,
            "Bytes that wait at one router for one shard; more are refused as overloaded."
        ),
        .integer(
            "batch_messages",
            \.limits.batchMessages,
            default: 512,
            1...10_000,
            "Messages in one transaction of a writer."
        ),
        .size(
            "batch_bytes",
            \.limits.batchBytes,
            default: 4 << 20,
            128 << 10...256 << 20,
            "Bytes of messages in one transaction of a writer."
        ),
        .integer(
            "shard_writers",
            \.limits.shardWriters,
            default: 2,
            1...64,
            "Connections of one router to one shard for writing. A conversation always uses the same one."
        ),
        .integer(
            "shard_readers",
            \.limits.shardReaders,
            default: 2,
            1...64,
            "Connections of one router to one shard for reading."
        ),
        .integer(
            "cached_conversations_per_writer",
            \.limits.cachedConversationsPerWriter,
            default: 50_000,
            100...10_000_000,
            "Conversations that one writer keeps in memory; the one unused for longest goes."
        ),
        .integer(
            "receipt_members",
            \.limits.receiptMembers,
            default: 64,
            0...Limits.membersShownMax,
            "Members of a conversation whose receipts all of them get; in larger ones receipts are counted on request."
        ),
        .integer(
            "mesh_credit_items",
            \.limits.meshCreditItems,
            default: 4096,
            16...1_000_000,
            "Frames that a peer may send on one link before they are taken."
        ),
        .size(
            "mesh_credit_bytes",
            \.limits.meshCreditBytes,
            default: 8 << 20,
            256 << 10...1 << 30,
            "Bytes that a peer may send on one link before they are taken."
        ),
        .size(
            "mesh_queue_bytes",
            \.limits.meshQueueBytes,
            default: 32 << 20,
            1 << 20...4 << 30,
            "Bytes that wait to be sent on one link; durable traffic beyond is refused, ephemeral traffic dropped."
        ),
        .sizeOrOff(
            "mesh_compression_threshold",
            \.limits.meshCompressionThresholdBytes,
            default: 256,
            0...64 << 10,
            "A block smaller than this is sent uncompressed, as is one that LZ4 does not shrink by a sixteenth."
        ),
        .integer(
            "mesh_compression_level",
            \.limits.meshCompressionLevel,
            default: 1,
            -64...9,
            "LZ4's level: 1 is its fast algorithm, from -1 down faster and larger, 3 to 9 smaller and slower to send."
        ),
        .integer(
            "mesh_version_max",
            \.limits.meshVersionMax,
            default: Int(MeshVersion.newest),
            Int(MeshVersion.oldest)...Int(MeshVersion.newest),
            """
            The highest version of the mesh's protocol that a node speaks. Hold it at the older program's during an upgrade \
            that may be taken back.
            """
        ),
        .integer(
            "relayed_from_edges",
            \.limits.relayedFromEdges,
            default: 48,
            2...1_000_000,
            """
            Edges of one conversation from which on its messages go through other routers, each of which passes them on to a \
            share of the edges, instead of over a link of the owner to each.
            """
        ),
    ]

    static let timeouts: [SettingKey<ClusterSettings>] = [
        .time(
            "authenticate",
            \.timeouts.authenticate,
            default: .seconds(10),
            .milliseconds(100) ... .seconds(120),
            "How long a new WebSocket may stay without `authenticate`."
        ),
        .time(
            "admission_wait",
            \.timeouts.admissionWait,
            default: .seconds(60),
            .seconds(1) ... .seconds(600),
            "How long a client may be asked to wait for rates.authentications_per_node; later ones are turned away."
        ),
        .time(
            "token_grace",
            \.timeouts.tokenGrace,
            default: .seconds(30),
            .milliseconds(0) ... .seconds(600),
            "How long a session goes on after its access token ended, unless the client shows a fresh one."
        ),
        .time(
            "delivery_wait",
            \.timeouts.deliveryWait,
            default: .milliseconds(5),
            .milliseconds(0) ... .milliseconds(100),
            "How long an edge that is busy lets events wait at most, to write several at once; 0 for never."
        ),
        .time(
            "commit_interval",
            \.timeouts.commitInterval,
            default: .milliseconds(2),
            .milliseconds(0) ... .milliseconds(100),
            "The least time between two transactions of a writer: what comes faster shares one. 0 for none."
        ),
        .time(
            "request",
            \.timeouts.request,
            default: .seconds(10),
            .milliseconds(100) ... .seconds(300),
            "How long a request other than a message may take."
        ),
        .time(
            "submit",
            \.timeouts.submit,
            default: .seconds(15),
            .milliseconds(100) ... .seconds(300),
            "The whole time that an edge tries to place one message, across routers that come and go."
        ),
        .time(
            "statement",
            \.timeouts.statement,
            default: .seconds(5),
            .milliseconds(100) ... .seconds(300),
            "How long one statement of Postgres may take."
        ),
        .time(
            "connect",
            \.timeouts.connect,
            default: .seconds(3),
            .milliseconds(100) ... .seconds(60),
            "How long opening a connection to Postgres, Redis or a node may take."
        ),
        .time(
            "redis_command",
            \.timeouts.redisCommand,
            default: .seconds(1),
            .milliseconds(10) ... .seconds(60),
            "How long one command of Redis may take."
        ),
        .time(
            "heartbeat",
            \.timeouts.heartbeat,
            default: .milliseconds(250),
            .milliseconds(10) ... .seconds(10),
            "Between two heartbeats on a mesh link."
        ),
        .time(
            "silence",
            \.timeouts.silence,
            default: .milliseconds(1500),
            .milliseconds(50) ... .seconds(60),
            "After this long without a frame a mesh link counts as dead."
        ),
        .time(
            "node_lease",
            \.timeouts.nodeLease,
            default: .seconds(2),
            .milliseconds(200) ... .seconds(120),
            "How long a node counts as alive after it last renewed its lease."
        ),
        .time(
            "lease_renewal",
            \.timeouts.leaseRenewal,
            default: .milliseconds(500),
            .milliseconds(50) ... .seconds(60),
            "Between two renewals of a node's lease."
        ),
        .time(
            "client_heartbeat",
            \.timeouts.clientHeartbeat,
            default: .seconds(30),
            .seconds(1) ... .seconds(600),
            "How often a client is told to send something."
        ),
        .time(
            "client_silence",
            \.timeouts.clientSilence,
            default: .seconds(75),
            .seconds(2) ... .seconds(1800),
            "After this long without anything from a client its connection is closed."
        ),
        .time(
            "shutdown",
            \.timeouts.shutdown,
            default: .seconds(20),
            .seconds(1) ... .seconds(3600),
            "How long a node that was asked to stop may finish what it has accepted."
        ),
    ]

    static let tokens: [SettingKey<ClusterSettings>] = [
        .time(
            "access_lifetime",
            \.tokens.accessLifetime,
            default: .seconds(15 * 60),
            .seconds(1) ... .seconds(86_400),
            "How long an access token is good."
        ),
        .time(
            "refresh_lifetime",
            \.tokens.refreshLifetime,
            default: .seconds(30 * 86_400),
            .seconds(60) ... .seconds(400 * 86_400),
            "How long a refresh token is good."
        ),
    ]

    static let passwords: [SettingKey<ClusterSettings>] = [
        .integer(
            "scrypt_log2_n",
            \.passwords.scryptLog2N,
            default: 14,
            10...20,
            "Cost of scrypt: the logarithm to base 2 of N."
        ),
        .integer("scrypt_r", \.passwords.scryptR, default: 8, 1...16, "Size of scrypt's blocks."),
        .integer("scrypt_p", \.passwords.scryptP, default: 1, 1...16, "Scrypt's parallelism."),
        .integer(
            "concurrent_hashes",
            \.passwords.concurrentHashes,
            default: 2,
            1...64,
            "Passwords that one edge hashes at once, each on a thread of its own."
        ),
        .integer(
            "queued_hashes_max",
            \.passwords.queuedHashesMax,
            default: 256,
            0...100_000,
            "Log-ins and registrations that wait for a hash; more are refused as overloaded."
        ),
    ]

    static let log: [SettingKey<ClusterSettings>] = [
        .choice("level", \.log.level, default: .defaulted("info"), "The least severe level that is written."),
        .choice("format", \.log.format, default: .defaulted("text"), "Lines for people or JSON for programs."),
    ]
}
