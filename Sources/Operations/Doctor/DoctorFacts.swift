// SPDX-License-Identifier: Apache-2.0

import ClusterConfiguration
import Directory
import Mesh
import Messaging
import Storage

/// All that `trunkline doctor` found out, for its checks to judge. A value; whoever reads it asks nobody else.
package struct DoctorFacts: Sendable {
    package typealias Seen = ClusterObservation.Seen

    package struct SecretFile: Sendable, Hashable {
        /// The path of the key that names it.
        package var key: String
        package var path: String

        package init(key: String, path: String) {
            self.key = key
            self.path = path
        }
    }

    /// A certificate of a node here.
    package struct Certificate: Sendable, Equatable {
        package var node: String
        /// `clients` or `mesh`.
        package var use: String
        package var secondsLeft: Int

        package init(node: String, use: String, secondsLeft: Int) {
            self.node = node
            self.use = use
            self.secondsLeft = secondsLeft
        }
    }

    /// What would keep a node here from starting.
    package struct CertificateTrouble: Sendable, Equatable {
        package var node: String
        package var problem: ConfigurationProblem

        package init(node: String, problem: ConfigurationProblem) {
            self.node = node
            self.problem = problem
        }
    }

    /// A shard of the file, or one that the shards' catalog tells of.
    package struct Shard: Sendable {
        package var name: String
        /// Where its connection is described, without a password.
        package var key: String
        package var survey: Seen<ShardSurvey>

        package init(name: String, key: String, survey: Seen<ShardSurvey>) {
            self.name = name
            self.key = key
            self.survey = survey
        }
    }

    /// The machine that the doctor runs on.
    package struct Machine: Sendable {
        /// Files and sockets that a process may have open once it has raised its soft limit to the hard one.
        package var filesMax: Int?
        /// Files with secrets in them that every user of the machine can read.
        package var exposedFiles: [SecretFile] = []
        /// Keys whose secrets have the same value.
        package var repeatedSecrets: [[String]] = []

        package init() {}
    }

    package struct RedisServer: Sendable, Equatable {
        package struct Replica: Sendable, Equatable {
            package var address: String
            /// Whether it follows; one that gets its first copy does not yet.
            package var isLinked: Bool
        }

        package var version = ""
        package var isReplica = false
        /// Of a replica: whether it hears from its primary.
        package var hearsPrimary = false
        /// Of a primary, as it names them; nil when it does not tell.
        package var replicas: [Replica]?
        package var evictionPolicy = ""
        /// Bytes; 0 is no limit.
        package var memoryMax = 0
        package var memoryUsed = 0
        package var clients = 0
        package var clientsMax: Int?
        /// Whether the last attempt to write its data to disk failed.
        package var saveFailed = false
        package var clockAheadMilliseconds: Int64 = 0

        package init() {}
    }

    /// What was found at one of the addresses of `redis.url`, or where a sentinel says that the primary is.
    package struct RedisMember: Sendable {
        package var address: String
        package var server: Seen<RedisServer>
    }

    package struct RedisSentinel: Sendable {
        package var address: String
        /// Where it says that the primary is.
        package var primary: Seen<String>
    }

    /// A node of the file, or one that has joined.
    package struct Node: Sendable {
        package var name: String
        package var role: Directory.NodeRole
        package var isListed: Bool
        package var lease: NodeLease?
        /// Where it is asked.
        package var http: NetworkAddress?
        /// Where a router is dialled.
        package var mesh: NetworkAddress?
        package var readiness: Seen<ClusterObservation.Probe>?
        /// The name of the node that answers at ``http``; nil when none does, or another program.
        package var answersAs: String?
        package var version: String?
        package var filesMax: Int?
        /// Handshakes that it refused since it was started, by reason.
        package var refusals: [String: Int] = [:]
        /// Exact to a second.
        package var clockAheadMilliseconds: Int64?
        /// Of a router that runs: whether it would take us as a node of its cluster. Nil where it was not asked.
        package var handshake: MeshProbe.Outcome?
        /// Of a router that runs, by the key of the secret that it was shown as an operator: the status of its answer.
        package var admissions: [String: Int] = [:]
        /// Whether its addresses are of this machine.
        package var isHere = false
        /// By the key, as in `mesh`: why it could not listen there if it were started now.
        package var portsTaken: [String: String] = [:]

        package init(name: String, role: Directory.NodeRole, isListed: Bool) {
            self.name = name
            self.role = role
            self.isListed = isListed
        }

        package var isRunning: Bool { self.lease != nil || self.answersAs == self.name }
        package var isReady: Bool {
            if case .value(let probe) = self.readiness { probe.ready } else { false }
        }
    }

    package var settings: ClusterSettings
    package var secretProblems: [ConfigurationProblem] = []
    package var machine = Machine()
    package var certificates: [Certificate] = []
    package var certificateTroubles: [CertificateTrouble] = []
    /// The nodes whose certificates routers can be shown from here; empty where links do not speak TLS, too.
    package var credentials: [String] = []
    /// Those of the file in its order, then those of the catalog.
    package var shards: [Shard] = []
    /// The server that nodes use: the one that is named, the primary of several.
    package var redis: Seen<RedisServer> = .unreachable("it was not asked")
    /// All servers where there may be several.
    package var redisMembers: [RedisMember] = []
    package var redisSentinels: [RedisSentinel] = []
    package var leases: Seen<NodeLeases.Listing> = .unreachable("Redis was not asked")
    /// Those of the file in its order, then those that have joined.
    package var nodes: [Node] = []
    /// Of this program.
    package var version = ProgramVersion.current

    package init(settings: ClusterSettings) {
        self.settings = settings
    }

    // MARK: - What several checks ask

    /// The routers that there are, running or not.
    package var routerCount: Int { self.nodes.count { $0.role == .router } }

    /// Descriptors that an edge needs: one for each session, and for links, Redis, requests under way and files.
    package var filesOfAnEdge: Int { self.settings.limits.sessionsPerEdge + 512 }
}
