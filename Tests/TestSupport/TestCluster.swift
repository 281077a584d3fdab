// SPDX-License-Identifier: Apache-2.0

import Glibc
import Synchronization

/// A whole cluster of real processes on loopback: routers, edges, one Postgres server per shard, one Redis.
///
/// The nodes are the program as it was built beside the tests. Everything ends with the object, or with the tests.
package final class TestCluster: Sendable {
    package struct Failure: Error, CustomStringConvertible {
        package var description: String

        package init(description: String) {
            self.description = description
        }
    }

    package struct Node: Sendable, Hashable {
        package var name: String
        package var meshPort: UInt16?
        package var httpPort: UInt16

        package var isRouter: Bool { self.meshPort != nil }
        package var url: String { "http://127.0.0.1:\(self.httpPort)" }

        package init(name: String, meshPort: UInt16?, httpPort: UInt16) {
            self.name = name
            self.meshPort = meshPort
            self.httpPort = httpPort
        }
    }

    package static let cluster = "test"
    package static let meshSecret = "mesh secret of the tests, 32 bytes"
    package static let tokenSecret = "token secret of the tests, 32 bytes"
    package static let operateSecret = "operate secret of the tests"
    package static let readSecret = "read secret of the tests"
    package static let database = "trunkline"

    /// How the cluster is told where Redis is.
    package enum RedisSetup: Sendable {
        case alone
        /// A primary and its replica, both named.
        case pair
        /// A primary and its replica, known to a sentinel.
        case sentinel
    }

    package let shards: [PostgresServer]
    /// The primary, to begin with.
    package let redis: RedisServer
    package let redisReplica: RedisServer?
    private let redisSentinel: RedisSentinel?
    package let nodes: [Node]
    package let folder: String
    /// Whether nodes speak TLS, to clients and each other, with certificates that ``authorityPath`` has signed.
    package let isSecured: Bool
    private let settings: String
    private let processes = Mutex<[String: GuardedProcess]>([:])
    private let joined = Mutex<[Node]>([])
    private let variables: Mutex<[String: [String: String]]>

    /// Starts everything and waits until every node is ready.
    ///
    /// - Parameters:
    ///   - settings: further lines of `cluster.yaml`.
    ///   - durability: of the Postgres servers.
    ///   - redis: whether there is another one to take its place.
    ///   - isSecured: TLS everywhere.
    ///   - variables: of single nodes, by their names; see ``change(_:to:)``.
    package init(
        routers: Int = 2,
        edges: Int = 2,
        shards: Int = 2,
        settings: String = "",
        durability: PostgresServer.Durability = .withoutFsync,
        redis: RedisSetup = .alone,
        isSecured: Bool = false,
        variables: [String: [String: String]] = [:]
    ) async throws {
        self.shards = try (0..<shards).map { _ in try PostgresServer(durability: durability) }
        self.redis = try RedisServer()
        self.redisReplica = redis == .alone ? nil : try RedisServer(replicaOf: self.redis)
        self.redisSentinel = redis == .sentinel ? try RedisSentinel(watching: self.redis) : nil
        self.isSecured = isSecured
        self.settings = settings + (isSecured ? Self.certificateSettings : "")
        self.variables = Mutex(variables)
        self.folder = try Self.makeFolder()
        self.nodes = try Self.makeNodes(routers: routers, edges: edges)
        for server in self.shards {
            try server.createDatabase(Self.database)
        }
        try self.writeConfiguration()
        if isSecured {
            try await self.trunkline("certs", "authority", "--out", self.folder)
            for node in self.nodes { try await self.makeCertificate(of: node.name) }
        }
        try await self.trunkline("migrate")
        for node in self.nodes {
            try self.start(node.name)
        }
        for node in self.nodes {
            try await self.waitUntilReady(node.name)
        }
    }

    deinit {
        let processes = self.processes.withLock { processes in
            defer { processes = [:] }
            return processes.values.map { $0 }
        }
        for process in processes {
            process.signal(SIGKILL)
        }
        if let entries = opendir(self.folder) {
            while let entry = readdir(entries) {
                let name = withUnsafeBytes(of: entry.pointee.d_name) { bytes in
                    String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
                }
                if name != ".", name != ".." { unlink(self.folder + "/" + name) }
            }
            closedir(entries)
        }
        rmdir(self.folder)
    }

    package var edges: [Node] { self.nodes.filter { !$0.isRouter } }
    package var routers: [Node] { self.nodes.filter(\.isRouter) }

    package func node(_ name: String) throws -> Node {
        let known = self.nodes + self.joined.withLock { $0 }
        guard let node = known.first(where: { $0.name == name }) else {
            throw Failure(description: "the cluster has no node \(name)")
        }
        return node
    }

    // MARK: - Nodes

    package func start(_ name: String) throws {
        try self.run(name, [])
    }

    /// Starts a node that `cluster.yaml` does not list.
    ///
    /// - Parameters:
    ///   - file: the lines of the `cluster.yaml` that it reads; nil for that of the cluster.
    ///   - host: where it listens.
    ///   - port: the one of `http`; nil for any that is free.
    ///   - advertise: the host that it tells others; nil for the one where it listens.
    ///   - environment: what it has of it that the others have not, or otherwise.
    ///   - filesMax: its hard limit of open files; nil for that of the tests.
    @discardableResult
    package func join(
        _ name: String,
        isRouter: Bool = false,
        file: String? = nil,
        host: String = "127.0.0.1",
        port: UInt16? = nil,
        advertise: String? = nil,
        environment: [String: String] = [:],
        filesMax: Int? = nil
    ) throws -> Node {
        let ports = try TCPConnection.freePorts(2)
        let node = Node(name: name, meshPort: isRouter ? ports[0] : nil, httpPort: port ?? ports[1])
        self.joined.withLock { $0.append(node) }
        var options = ["--role", isRouter ? "router" : "edge", "--http", "\(host):\(node.httpPort)"]
        if let advertise { options += ["--advertise", advertise] }
        if let port = node.meshPort { options += ["--mesh", "127.0.0.1:\(port)"] }
        if let file {
            let path = "\(self.folder)/\(name).yaml"
            try Self.write(file, to: path)
            options += ["--config", path]
        }
        try self.run(name, options, environment: environment, filesMax: filesMax)
        return node
    }

    /// What the environment of a node has beside that of all, from its next start on.
    package func change(_ name: String, to variables: [String: String]) {
        self.variables.withLock { $0[name] = variables }
    }

    private func run(
        _ name: String,
        _ options: [String],
        environment: [String: String] = [:],
        filesMax: Int? = nil
    ) throws {
        let limit = filesMax.map { ["/usr/bin/prlimit", "--nofile=\($0)", "--"] } ?? []
        let own = self.variables.withLock { $0[name] ?? [:] }
        let process = try GuardedProcess(
            limit + [Self.program("trunkline"), "run", name] + options,
            environment: self.environment.merging(own) { $1 }.merging(environment) { $1 },
            output: self.log(of: name)
        )
        self.processes.withLock { $0[name] = process }
    }

    package func process(_ name: String) throws -> GuardedProcess {
        guard let process = self.processes.withLock({ $0[name] }) else {
            throw Failure(description: "\(name) was not started")
        }
        return process
    }

    /// As a crash would end it.
    package func kill(_ name: String) throws {
        try self.process(name).signal(SIGKILL)
    }

    /// As an operator would stop it. Returns the exit status.
    @discardableResult
    package func stop(_ name: String) async throws -> Int32 {
        let process = try self.process(name)
        process.signal(SIGTERM)
        try await eventually("\(name) has stopped", within: .seconds(40)) { process.exitStatus != nil }
        return process.exitStatus ?? -1
    }

    /// Runs the program to its end, and returns what it said. Throws when it fails.
    @discardableResult
    package func trunkline(_ arguments: String...) async throws -> String {
        let command = try GuardedProcess(
            [Self.program("trunkline")] + arguments,
            environment: self.environment,
            output: self.folder + "/command.log"
        )
        let words = arguments.joined(separator: " ")
        try await eventually("trunkline \(words) ends", within: .seconds(60)) { command.exitStatus != nil }
        guard command.exitStatus == 0 else {
            throw Failure(description: "trunkline \(words) failed:\n\(command.text)")
        }
        return command.text
    }

    package func isReady(_ name: String) throws -> Bool {
        // These connections speak no TLS, and a router's HTTP neither.
        if self.isSecured, try !self.node(name).isRouter { return try self.process(name).text.contains(" ready ") }
        return try self.get("/ready", of: name)?.hasPrefix("HTTP/1.1 200") ?? false
    }

    package func waitUntilReady(_ name: String) async throws {
        let process = try self.process(name)
        do {
            try await eventually("\(name) is ready", within: .seconds(40)) {
                if let status = process.exitStatus {
                    throw Failure(description: "\(name) ended with status \(status)")
                }
                return try self.isReady(name)
            }
        } catch {
            throw Failure(description: "\(error)\n\(process.text.suffix(4000))")
        }
    }

    /// One line per node, for the one who reads a failure.
    package func logs(last characters: Int = 3000) -> String {
        self.nodes.map { node in
            let text = self.processes.withLock { $0[node.name] }?.text ?? ""
            return "--- \(node.name)\n\(text.suffix(characters))"
        }.joined(separator: "\n")
    }

    /// The value of a metric, summed over its labels unless they are a part of the name; 0 when there is none.
    package func metric(_ name: String, of node: String) throws -> Double {
        guard let answer = try self.get("/metrics", of: node) else { return 0 }
        return answer.split(whereSeparator: \.isNewline).reduce(into: 0) { sum, line in
            guard line.hasPrefix(name), line.dropFirst(name.count).first.map({ $0 == " " || $0 == "{" }) ?? false,
                let value = line.split(separator: " ").last.flatMap({ Double($0) })
            else { return }
            sum += value
        }
    }

    /// The whole answer to a GET, or nil when nothing answers.
    package func get(_ path: String, of name: String) throws -> String? {
        try self.request("GET", path, of: name)
    }

    /// The whole answer to a request, or nil when nothing answers.
    package func request(
        _ method: String,
        _ path: String,
        of name: String,
        token: String? = nil,
        body: String = ""
    ) throws -> String? {
        let connection = try? TCPConnection(port: try self.node(name).httpPort)
        guard let connection else { return nil }
        var head = "\(method) \(path) HTTP/1.1\r\nHost: test\r\nConnection: close\r\n"
        if let token { head += "Authorization: Bearer \(token)\r\n" }
        if method != "GET" { head += "Content-Length: \(body.utf8.count)\r\n" }
        connection.send(Array((head + "\r\n" + body).utf8))
        let answer = connection.receiveAll()
        return answer.isEmpty ? nil : String(decoding: answer, as: UTF8.self)
    }

    // MARK: - Configuration

    package var configurationPath: String { self.folder + "/cluster.yaml" }

    package var environment: [String: String] {
        [
            "TRUNKLINE_CONFIG": self.configurationPath,
            "TRUNKLINE_MESH_SECRET": Self.meshSecret,
            "TRUNKLINE_TOKEN_SECRET": Self.tokenSecret,
            "TRUNKLINE_SECRETS__ADMIN_OPERATE__ENV": "OPERATE_SECRET",
            "TRUNKLINE_SECRETS__ADMIN_READ__ENV": "READ_SECRET",
            "OPERATE_SECRET": Self.operateSecret,
            "READ_SECRET": Self.readSecret,
            "PATH": "/usr/bin:/bin",
            // A crash is part of some tests; its report would only hold it up.
            "SWIFT_BACKTRACE": "enable=no",
        ]
    }

    /// A program that was built beside the tests.
    package static func program(_ name: String) -> String {
        let folder = CommandLine.arguments[0].split(separator: "/", omittingEmptySubsequences: false).dropLast()
        return (folder + [Substring(name)]).joined(separator: "/")
    }

    private static let certificateSettings = """
        tls:
          clients:
            certificate: "{node}.pem"
            private_key: "{node}.key"
          mesh:
            certificate: "{node}.pem"
            private_key: "{node}.key"
            authority: authority.pem

        """

    package var authorityPath: String { self.folder + "/authority.pem" }

    /// Makes one, in place of the one that is there.
    package func makeCertificate(of node: String, days: Int = 30) async throws {
        try await self.trunkline(
            "certs",
            "node",
            node,
            "--authority",
            self.folder,
            "--out",
            self.folder,
            "--days",
            "\(days)",
            "--force"
        )
    }

    private func log(of name: String) -> String { "\(self.folder)/\(name).log" }

    package var redisURL: String {
        if let sentinel = self.redisSentinel {
            return "redis-sentinel://127.0.0.1:\(sentinel.port)#\(RedisSentinel.primaryName)"
        }
        return self.redisReplica.map { self.redis.url(with: $0) } ?? self.redis.url
    }

    private func writeConfiguration() throws {
        var text = "cluster: \(Self.cluster)\nredis:\n  url: \(self.redisURL)\nshards:\n"
        for (index, server) in self.shards.enumerated() {
            text += "  - name: shard-\(index + 1)\n"
            text += "    connection: \(server.connectionString(database: Self.database))\n"
        }
        text += "nodes:\n"
        for node in self.nodes {
            text += "  - name: \(node.name)\n    role: \(node.isRouter ? "router" : "edge")\n"
            if let port = node.meshPort { text += "    mesh: 127.0.0.1:\(port)\n" }
            text += "    http: 127.0.0.1:\(node.httpPort)\n"
        }
        // Hashing is made cheap here; that it is not in earnest is the business of other tests.
        if !self.settings.contains("passwords:") { text += "passwords:\n  scrypt_log2_n: 10\n" }
        // Tests send as fast as they are answered, on a machine that nobody else needs; the limits have tests of their own.
        if !self.settings.contains("rates:") {
            text += "rates:\n  sends_per_user: 10000/s burst 10000\n  commands_per_session: 10000/s burst 10000\n"
        }
        text += self.settings
        try Self.write(text, to: self.configurationPath)
    }

    private static func write(_ text: String, to path: String) throws {
        guard let file = fopen(path, "w") else {
            throw Failure(description: "no configuration could be written: errno \(errno)")
        }
        defer { fclose(file) }
        fputs(text, file)
    }

    private static func makeNodes(routers: Int, edges: Int) throws -> [Node] {
        var ports = try TCPConnection.freePorts(routers * 2 + edges)
        let routerNodes = (1...max(1, routers)).map { index in
            Node(name: "router-\(index)", meshPort: ports.removeLast(), httpPort: ports.removeLast())
        }
        let edgeNodes = (1...max(1, edges)).map { index in
            Node(name: "edge-\(index)", meshPort: nil, httpPort: ports.removeLast())
        }
        return routerNodes + edgeNodes
    }

    private static func makeFolder() throws -> String {
        var template = Array("/tmp/trunkline-cluster-XXXXXX".utf8CString)
        let path = template.withUnsafeMutableBufferPointer { buffer in
            buffer.baseAddress.flatMap { mkdtemp($0) }.map { String(cString: $0) }
        }
        guard let path else { throw Failure(description: "no folder could be made: errno \(errno)") }
        return path
    }
}
