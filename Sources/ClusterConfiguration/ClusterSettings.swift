// SPDX-License-Identifier: Apache-2.0

/// Everything that `cluster.yaml` and the environment say about one cluster, checked.
///
/// A value; made by ``load(path:environment:)``. What each key means, its default and its bounds stand once, in
/// ``KeyTable``; ``reference()`` prints them.
package struct ClusterSettings: Sendable {
    /// The cluster's name: nodes of another name are refused on the mesh.
    package var cluster = ""
    package var secrets = Secrets()
    package var redis = Redis()
    package var shards: [Shard] = []
    package var nodes: [Node] = []
    package var limits = Limits()
    package var rates = Rates()
    package var timeouts = Timeouts()
    package var tokens = Tokens()
    package var passwords = Passwords()
    package var tls = TLS()
    package var log = Log()

    /// Every value with where it came from, in the order of the table.
    package internal(set) var effectiveValues: [EffectiveValue] = []
    /// The folder that relative paths of secrets start at.
    var folder = "."

    init() {}

    /// The node of a name, or nil.
    /// Whether a file or the environment has this node; false of one that the command line alone describes.
    package func isListed(_ name: String) -> Bool {
        guard let index = self.nodes.firstIndex(where: { $0.name == name }) else { return false }
        let value = self.effectiveValues.first { $0.path == "nodes[\(index)].name" }
        if case .option = value?.origin { return false }
        return true
    }

    package func node(named name: String) -> Node? {
        self.nodes.first { $0.name == name }
    }

    /// The shard of a name, or nil.
    package func shard(named name: String) -> Shard? {
        self.shards.first { $0.name == name }
    }

    /// Whether a node, a shard or a cluster may have this name.
    package static func isName(_ text: String) -> Bool {
        (try? ValueKind.name.parse(text)) != nil
    }

    /// The same with shards that other nodes have told of, where the file lists none. What cannot be read is left out.
    ///
    /// - Parameter shards: names, and connection strings for libpq.
    package func knowing(_ shards: [(name: String, connection: String)]) -> ClusterSettings {
        guard self.shards.isEmpty else { return self }
        var settings = self
        settings.shards = shards.compactMap { shard in
            (try? ConnectionString(shard.connection)).map { Shard(name: shard.name, connection: $0) }
        }
        return settings
    }

    package var routers: [Node] { self.nodes.filter { $0.role == .router } }
    package var edges: [Node] { self.nodes.filter { $0.role == .edge } }
}

extension ClusterSettings {
    package struct Secrets: Sendable, Hashable {
        /// Proves on the mesh that a node belongs to the cluster.
        package var mesh = SecretSource.environment("")
        /// Signs access tokens.
        package var token = SecretSource.environment("")
        /// Show how nodes are through the admin interface; and change it.
        package var adminRead: SecretSource?
        package var adminOperate: SecretSource?
    }

    package struct Redis: Sendable, Hashable {
        package var url = RedisURL.unset
        package var password: SecretSource?
        package var sentinelPassword: SecretSource?
    }

    /// One Postgres database.
    package struct Shard: Sendable, Hashable {
        package var name = ""
        package var connection = ConnectionString.unset
        package var password: SecretSource?
    }

    package enum Role: String, Sendable, CaseIterable {
        case router
        case edge
    }

    /// One process.
    package struct Node: Sendable, Hashable {
        package var name = ""
        package var role = Role.edge
        /// Where a router listens for the mesh; nil for an edge.
        package var mesh: NetworkAddress?
        /// Where an edge serves clients, and a router its health and metrics.
        package var http = NetworkAddress.unset
        /// The host by which others reach it, where that is not the one that it listens on.
        package var advertise: String?

        /// Where other nodes dial it; nil for an edge.
        package var meshToDial: NetworkAddress? { self.mesh.map(self.told) }
        /// Where others ask it.
        package var httpToAsk: NetworkAddress { self.told(self.http) }

        private func told(_ address: NetworkAddress) -> NetworkAddress {
            self.advertise.flatMap { NetworkAddress(host: $0, port: address.port) } ?? address
        }
    }

    /// Bounds of queues, batches, frames and caches. Sizes are in bytes.
    package struct Limits: Sendable, Hashable {
        /// 0 for as many as there are processors.
        package var eventLoops = 0
        package var sessionsPerEdge = 0
        package var sessionUnsentBytes = 0
        package var websocketFrameBytes = 0
        package var httpBodyBytes = 0
        package var submitsInFlightPerSession = 0
        package var syncMessagesPerConversation = 0
        package var syncMessages = 0
        package var syncHeldBytes = 0
        package var syncsUnderWay = 0
        /// Conversations of one router.
        package var changedConversations = 0
        /// Members of the largest conversation that carries presence and typing.
        package var presenceMembers = 0
        package var shardQueueMessages = 0
        package var shardQueueBytes = 0
        package var batchMessages = 0
        package var batchBytes = 0
        /// Writing connections of one router to one shard.
        package var shardWriters = 0
        /// Reading connections of one router to one shard.
        package var shardReaders = 0
        package var cachedConversationsPerWriter = 0
        /// Members of a conversation whose receipts all of them are told of.
        package var receiptMembers = 0
        package var meshCreditItems = 0
        package var meshCreditBytes = 0
        package var meshQueueBytes = 0
        /// Nil is never to compress.
        package var meshCompressionThresholdBytes: Int?
        /// As LZ4 numbers its levels; below 0 is faster.
        package var meshCompressionLevel = 0
        /// The highest version of the mesh's protocol that a node speaks.
        package var meshVersionMax = 0
        /// Edges from which on the messages of a conversation are passed on by other routers.
        package var relayedFromEdges = 0
    }

    /// What one edge admits; nil is no limit.
    package struct Rates: Sendable, Hashable {
        package var connectionsPerAddress: Rate?
        package var connectionsPerNode: Rate?
        package var authenticationsPerNode: Rate?
        package var loginsPerAddress: Rate?
        package var loginFailuresPerUsername: Rate?
        package var refreshesPerAddress: Rate?
        package var requestsPerAddress: Rate?
        package var requestsPerUser: Rate?
        package var sendsPerUser: Rate?
        package var sendsPerNode: Rate?
        package var commandsPerSession: Rate?
        /// Sessions that an edge sends away when it stops.
        package var leavingPerNode: Rate?
        /// Clients that no rate per address holds for.
        package var exemptAddresses: [NetworkPrefix] = []
        /// Whose `X-Forwarded-For` is believed.
        package var trustedProxies: [NetworkPrefix] = []

        /// Without any limit.
        package init() {}
    }

    package struct Timeouts: Sendable, Hashable {
        package var authenticate = Duration.zero
        /// The longest time that a client is asked to wait before its `authenticate`.
        package var admissionWait = Duration.zero
        /// How long a session outlives its access token.
        package var tokenGrace = Duration.zero
        package var deliveryWait = Duration.zero
        package var commitInterval = Duration.zero
        package var request = Duration.zero
        /// The whole time that an edge tries to place one message.
        package var submit = Duration.zero
        package var statement = Duration.zero
        package var connect = Duration.zero
        package var redisCommand = Duration.zero
        /// Between two heartbeats on a mesh link.
        package var heartbeat = Duration.zero
        /// After this long without a frame a mesh link counts as dead.
        package var silence = Duration.zero
        package var nodeLease = Duration.zero
        package var leaseRenewal = Duration.zero
        package var clientHeartbeat = Duration.zero
        package var clientSilence = Duration.zero
        package var shutdown = Duration.zero
    }

    package struct Tokens: Sendable, Hashable {
        package var accessLifetime = Duration.zero
        package var refreshLifetime = Duration.zero
    }

    /// The cost of scrypt (RFC 7914) and how much of it an edge takes on at once.
    package struct Passwords: Sendable, Hashable {
        /// The logarithm to base 2 of scrypt's N.
        package var scryptLog2N = 0
        package var scryptR = 0
        package var scryptP = 0
        package var concurrentHashes = 0
        package var queuedHashesMax = 0
    }

    /// Raw values are those of swift-log.
    package enum LogLevel: String, Sendable, CaseIterable {
        case trace, debug, info, notice, warning, error, critical
    }

    package enum LogFormat: String, Sendable, CaseIterable {
        case text, json
    }

    package struct Log: Sendable, Hashable {
        package var level = LogLevel.info
        package var format = LogFormat.text
    }
}
