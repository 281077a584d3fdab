// SPDX-License-Identifier: Apache-2.0

/// What must hold between keys, once each is right by itself.
struct CrossChecks {
    /// Memory that one scrypt hash may take: 128 · r · N bytes (RFC 7914 §2).
    static let scryptBytesMax = 256 << 20

    private let settings: ClusterSettings
    private let unusable: Set<String>
    private let places: [String: ConfigurationProblem.Place]
    private(set) var problems: [ConfigurationProblem] = []

    init(
        _ settings: ClusterSettings,
        unusable: Set<String>,
        places: [String: ConfigurationProblem.Place]
    ) {
        self.settings = settings
        self.unusable = unusable
        self.places = places
        self.checkNames(settings.shards.map(\.name), of: "shards")
        self.checkNames(settings.nodes.map(\.name), of: "nodes")
        self.checkRoles()
        self.checkAddresses()
        self.checkRedis()
        self.checkShards()
        self.checkTimes()
        self.checkSizes()
        self.checkCertificates()
    }

    private mutating func checkNames(_ names: [String], of section: String) {
        var first: [String: Int] = [:]
        for (index, name) in names.enumerated() where self.isUsable("\(section)[\(index)].name") {
            if let earlier = first[name] {
                self.report(
                    "\(section)[\(index)].name",
                    "\(quoted(name)) is the name of \(section)[\(earlier)] too",
                    remedy: "give each its own name"
                )
            } else {
                first[name] = index
            }
        }
    }

    private mutating func checkRoles() {
        for (index, node) in self.settings.nodes.enumerated() {
            let path = "nodes[\(index)].mesh"
            guard self.isUsable("nodes[\(index)].role") else { continue }
            switch node.role {
            case .router where node.mesh == nil && self.isUsable(path):
                self.report(path, "a router needs it", remedy: "write the HOST:PORT that the other nodes dial")
            case .edge where node.mesh != nil:
                self.report(path, "an edge has none, it dials the routers", remedy: "remove it")
            case .router where node.meshToDial?.isWildcard == true && self.isUsable("nodes[\(index)].advertise"):
                self.report(
                    path,
                    "nobody can dial \(node.mesh?.host ?? "")",
                    remedy: "write the address that the others reach, or its host in `advertise`"
                )
            case .router, .edge: break
            }
        }
    }

    /// A wildcard says nothing about the machine, so two nodes may share one; a node cannot with itself.
    private mutating func checkAddresses() {
        var users: [String: String] = [:]
        for (index, node) in self.settings.nodes.enumerated() {
            let addresses = [("mesh", node.mesh), ("http", self.isUsable("nodes[\(index)].http") ? node.http : nil)]
            for case (let key, let address?) in addresses {
                let path = "nodes[\(index)].\(key)"
                if address.isWildcard {
                    if key == "http", node.mesh?.port == address.port {
                        self.report(
                            path,
                            "port \(address.port) is in use by nodes[\(index)].mesh",
                            remedy: "choose another port"
                        )
                    }
                } else if let user = users[address.normalized] {
                    self.report(path, "\(address) is in use by \(user)", remedy: "choose another port")
                } else {
                    users[address.normalized] = path
                }
            }
        }
    }

    private mutating func checkRedis() {
        let redis = self.settings.redis
        guard redis.sentinelPassword != nil, redis.url.primaryName == nil, self.isUsable("redis.url") else { return }
        self.report(
            "redis.sentinel_password",
            "redis.url names no sentinels",
            remedy: "remove it, or write redis-sentinel:// in redis.url"
        )
    }

    private mutating func checkShards() {
        // A router that the command line alone describes asks the others, by way of Redis.
        let hasListedRouter = self.settings.nodes.enumerated().contains { index, node in
            guard case .option = self.places["nodes[\(index)].role"] else { return node.role == .router }
            return false
        }
        if self.settings.shards.isEmpty, hasListedRouter, self.isUsable("shards") {
            self.report(
                "shards",
                "there is none, and a router needs them",
                remedy: "list at least one, starting with `- name: NAME`"
            )
        }
        var users: [String: Int] = [:]
        for (index, shard) in self.settings.shards.enumerated() {
            let path = "shards[\(index)].connection"
            guard self.isUsable(path) else { continue }
            if shard.connection.holdsPassword, shard.password != nil {
                self.report(
                    "shards[\(index)].password",
                    "the connection string holds a password too",
                    remedy: "take it out of the connection string"
                )
            }
            guard let database = shard.connection.database else { continue }
            if let other = users[database] {
                self.report(
                    path,
                    "it is the database of shards[\(other)] too",
                    remedy: "give each shard its own database"
                )
            } else {
                users[database] = index
            }
        }
    }

    private mutating func checkTimes() {
        let timeouts = self.settings.timeouts
        let tokens = self.settings.tokens
        self.checkOrder("timeouts.heartbeat", timeouts.heartbeat, below: "timeouts.silence", timeouts.silence)
        self.checkOrder(
            "timeouts.lease_renewal",
            timeouts.leaseRenewal,
            below: "timeouts.node_lease",
            timeouts.nodeLease
        )
        self.checkOrder(
            "timeouts.client_heartbeat",
            timeouts.clientHeartbeat,
            below: "timeouts.client_silence",
            timeouts.clientSilence
        )
        self.checkOrder(
            "tokens.access_lifetime",
            tokens.accessLifetime,
            below: "tokens.refresh_lifetime",
            tokens.refreshLifetime
        )
    }

    private mutating func checkOrder(_ path: String, _ value: Duration, below other: String, _ bound: Duration) {
        guard self.isUsable(path), self.isUsable(other), value >= bound else { return }
        let text = UnitSystem.time.text(of: value.wholeMilliseconds)
        let boundText = UnitSystem.time.text(of: bound.wholeMilliseconds)
        self.report(
            path,
            "\(text) is not below \(other) (\(boundText))",
            remedy: "make it shorter, or the other longer"
        )
    }

    private mutating func checkSizes() {
        let limits = self.settings.limits
        self.checkFits(
            "limits.batch_bytes",
            limits.batchBytes,
            into: "limits.shard_queue_bytes",
            limits.shardQueueBytes,
            .size
        )
        self.checkFits(
            "limits.batch_messages",
            limits.batchMessages,
            into: "limits.shard_queue_messages",
            limits.shardQueueMessages,
            nil
        )
        let passwords = self.settings.passwords
        let bytes = 128 * passwords.scryptR << passwords.scryptLog2N
        if bytes > Self.scryptBytesMax, self.isUsable("passwords.scrypt_log2_n"), self.isUsable("passwords.scrypt_r") {
            self.report(
                "passwords.scrypt_log2_n",
                "with scrypt_r one hash takes \(UnitSystem.size.text(of: bytes)) of memory",
                remedy: "keep it within \(UnitSystem.size.text(of: Self.scryptBytesMax))"
            )
        }
    }

    private mutating func checkFits(
        _ path: String,
        _ value: Int,
        into other: String,
        _ bound: Int,
        _ units: UnitSystem?
    ) {
        guard self.isUsable(path), self.isUsable(other), value > bound else { return }
        let text = units?.text(of: value) ?? String(value)
        let boundText = units?.text(of: bound) ?? String(bound)
        self.report(
            path,
            "\(text) is more than \(other) (\(boundText))",
            remedy: "make it smaller, or the other larger"
        )
    }

    /// A certificate without its key is of no use, and half a section is a mistake and not a wish.
    private mutating func checkCertificates() {
        let (clients, mesh) = (self.settings.tls.clients, self.settings.tls.mesh)
        self.checkWhole("tls.clients", ["certificate": clients.certificate, "private_key": clients.privateKey])
        self.checkWhole(
            "tls.mesh",
            ["certificate": mesh.certificate, "private_key": mesh.privateKey, "authority": mesh.authority]
        )
    }

    private mutating func checkWhole(_ group: String, _ values: [String: String?]) {
        let given = values.filter { $0.value != nil }.keys.sorted()
        let missing = values.filter { $0.value == nil && self.isUsable("\(group).\($0.key)") }.keys.sorted()
        guard let first = given.first, !missing.isEmpty else { return }
        self.problems.append(
            ConfigurationProblem(
                group,
                at: self.places["\(group).\(first)"],
                "\(missing.joined(separator: " and ")) \(missing.count == 1 ? "is" : "are") missing beside "
                    + given.joined(separator: " and "),
                remedy: "set all of \(values.keys.sorted().joined(separator: ", ")), or none"
            )
        )
    }

    private func isUsable(_ path: String) -> Bool {
        !self.unusable.contains(path)
    }

    private mutating func report(_ path: String, _ message: String, remedy: String) {
        self.problems.append(ConfigurationProblem(path, at: self.places[path], message, remedy: remedy))
    }
}

extension UnitSystem? {
    fileprivate static let size: UnitSystem? = UnitSystem.size
}

extension ConnectionString {
    /// What tells two databases apart, or nil where a service file decides it.
    fileprivate var database: String? {
        guard self["service"] == nil, let name = self["dbname"] else { return nil }
        let host = self["hostaddr"] ?? self["host"] ?? ""
        return "\(host == "localhost" ? "127.0.0.1" : host) \(self["port"] ?? "5432") \(name)"
    }
}
