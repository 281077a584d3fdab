// SPDX-License-Identifier: Apache-2.0

import FaultModel
import Glibc
import Synchronization
import TestSupport

/// A cluster of real processes in which every connection that a node dials goes through a relay.
///
/// Each node has its own rendition of `cluster.yaml`: what it listens on is the real address, what it dials is a relay
/// that belongs to this node alone. Clients of the library reach the edges through relays too, so that all of them can
/// be dropped at once.
final class FaultyCluster: Sendable {
    typealias Node = TestCluster.Node

    struct Failure: Error, CustomStringConvertible {
        var description: String
    }

    struct RelayKey: Hashable, Sendable, Comparable {
        /// The node that dials, or ``clients``.
        var from: String
        /// A node, or an address of Redis or of a shard as ``FaultyCluster/place(_:_:)`` names it.
        var to: String

        static func < (left: Self, right: Self) -> Bool { (left.from, left.to) < (right.from, right.to) }
    }

    static let clients = "clients"
    static let redisName = "redis"
    static let database = TestCluster.database

    let shape: ClusterShape
    let shards: [ReplicatedShard]
    let redis: ReplicatedRedis
    let nodes: [Node]
    let relays: [RelayKey: TCPRelay]
    let folder: String
    let watch: NodeWatch
    /// Why no disk can be filled; nil when one can.
    let diskProblem: String?
    private let keepsFolder = Mutex(false)

    private static let readyWithin: Duration = .seconds(60)
    /// Twice what a node may take (`timeouts.shutdown`).
    private static let stopsWithin: Duration = .seconds(40)
    /// Room for the data, the log and what is kept of it for the replica.
    private static let diskMebibytes = 320

    /// Starts everything and waits until every node is ready.
    init(shape: ClusterShape, wantsSmallDisk: Bool, seed: UInt64) async throws {
        self.shape = shape
        let ports = try TCPConnection.stablePorts(2 * shape.shards + 2 * shape.routers + shape.edges + 2)
        let problem: String? = wantsSmallDisk ? Self.diskProblem() : "not asked for"
        self.diskProblem = problem
        async let shards = Self.startShards(Array(ports.prefix(2 * shape.shards)), withDisk: problem == nil)
        let redisPorts = Array(ports[(2 * shape.shards)..<(2 * shape.shards + 2)])
        self.redis = try await onThread { try ReplicatedRedis(ports: redisPorts) }
        var rest = ports.dropFirst(2 * shape.shards + 2)
        let routers = (1...shape.routers).map { index in
            Node(name: "router-\(index)", meshPort: rest.removeFirst(), httpPort: rest.removeFirst())
        }
        let edges = (1...shape.edges).map { index in
            Node(name: "edge-\(index)", meshPort: nil, httpPort: rest.removeFirst())
        }
        self.nodes = routers + edges
        self.folder = try Self.makeFolder()
        self.shards = try await shards
        self.relays = try Self.makeRelays(self.nodes, self.shards, redisPorts, seed: seed)
        self.watch = NodeWatch(self.nodes)
        try self.writeConfigurations()
        try await self.migrate()
        try await self.writeDownHistory()
        for node in self.nodes { try self.start(node.name) }
        for node in self.nodes { try await self.waitUntilReady(node.name) }
        self.watch.begin()
    }

    deinit {
        self.watch.end()
        for relay in self.relays.values { relay.end() }
        if !self.keepsFolder.withLock({ $0 }) { Self.remove(self.folder) }
    }

    /// The logs stay when the cluster goes, for the one who looks for the reason of a violation.
    func keepFolder() {
        self.keepsFolder.withLock { $0 = true }
    }

    var routers: [Node] { self.nodes.filter(\.isRouter) }
    var edges: [Node] { self.nodes.filter { !$0.isRouter } }

    /// The name of one of the two addresses of a shard, or of Redis.
    static func place(_ shard: String, _ index: Int) -> String { "\(shard)/\(index)" }

    func relays(where fits: (RelayKey) -> Bool) -> [TCPRelay] {
        self.relays.filter { fits($0.key) }.sorted { $0.key < $1.key }.map(\.value)
    }

    /// Where clients of the library connect, by edge.
    var clientPorts: [UInt16] {
        self.edges.compactMap { self.relays[RelayKey(from: Self.clients, to: $0.name)]?.port }
    }

    // MARK: - Nodes

    func start(_ name: String) throws {
        let process = try GuardedProcess(
            [TestCluster.program("trunkline"), "run", name],
            environment: self.environment(of: name),
            output: "\(self.folder)/\(name).log"
        )
        self.watch.started(name, process)
    }

    func signal(_ name: String, _ number: Int32) {
        self.watch.process(name)?.signal(number)
    }

    /// As a crash would end it. Returns when the process is gone.
    func kill(_ name: String) async throws {
        self.watch.expectEnd(name)
        let process = self.watch.process(name)
        process?.signal(SIGKILL)
        try await eventually("\(name) is gone", within: .seconds(20)) { process?.exitStatus != nil }
    }

    /// As an operator would stop it. Returns the exit status; nil when it did not stop in time and was killed.
    func stop(_ name: String) async throws -> Int32? {
        self.watch.expectEnd(name)
        let process = self.watch.process(name)
        process?.signal(SIGTERM)
        do {
            try await eventually("\(name) has stopped", within: Self.stopsWithin) { process?.exitStatus != nil }
        } catch is NeverHappened {
            try await self.kill(name)
            return nil
        }
        return process?.exitStatus
    }

    /// Nil when it is ready.
    func unreadyReason(_ name: String) async -> String? {
        guard let node = self.nodes.first(where: { $0.name == name }) else { return "there is no \(name)" }
        let answer = try? await onThread {
            try PlainHTTP.request("GET", "/ready", port: node.httpPort, timeoutSeconds: 2)
        }
        guard let answer else { return "it does not answer" }
        return answer.status == 200 ? nil : String(decoding: answer.body, as: UTF8.self)
    }

    private func waitUntilReady(_ name: String) async throws {
        let log = "\(self.folder)/\(name).log"
        do {
            try await eventually("\(name) is ready", within: Self.readyWithin) {
                if let status = self.watch.process(name)?.exitStatus {
                    throw Failure(description: "\(name) ended with status \(status)")
                }
                return await self.unreadyReason(name) == nil
            }
        } catch {
            self.keepFolder()
            throw Failure(description: "\(error); see \(log)")
        }
    }

    // MARK: - Start

    private static func diskProblem() -> String? {
        do {
            _ = try SmallDisk(mebibytes: 1)
            return nil
        } catch {
            return "\(error)"
        }
    }

    /// The last shard is the one whose disk can be filled.
    private static func startShards(_ ports: [UInt16], withDisk: Bool) async throws -> [ReplicatedShard] {
        let count = ports.count / 2
        return try await withThrowingTaskGroup(of: (Int, ReplicatedShard).self) { group in
            for index in 0..<count {
                let own = Array(ports[(2 * index)..<(2 * index + 2)])
                group.addTask {
                    let shard = try await onThread {
                        try ReplicatedShard(
                            name: "shard-\(index + 1)",
                            ports: own,
                            database: Self.database,
                            diskMebibytes: withDisk && index == count - 1 ? Self.diskMebibytes : nil
                        )
                    }
                    return (index, shard)
                }
            }
            var shards: [Int: ReplicatedShard] = [:]
            for try await (index, shard) in group { shards[index] = shard }
            return (0..<count).compactMap { shards[$0] }
        }
    }

    private static func makeRelays(
        _ nodes: [Node],
        _ shards: [ReplicatedShard],
        _ redisPorts: [UInt16],
        seed: UInt64
    ) throws -> [RelayKey: TCPRelay] {
        var targets: [(RelayKey, UInt16)] = []
        for node in nodes {
            for (index, port) in redisPorts.enumerated() {
                targets.append((RelayKey(from: node.name, to: Self.place(Self.redisName, index)), port))
            }
            for router in nodes where router.name != node.name {
                guard let port = router.meshPort else { continue }
                targets.append((RelayKey(from: node.name, to: router.name), port))
            }
            if node.isRouter {
                for shard in shards {
                    for (index, port) in shard.ports.enumerated() {
                        targets.append((RelayKey(from: node.name, to: Self.place(shard.name, index)), port))
                    }
                }
            } else {
                targets.append((RelayKey(from: Self.clients, to: node.name), node.httpPort))
            }
        }
        var random = SeededRandom(seed: seed)
        var relays: [RelayKey: TCPRelay] = [:]
        for ((key, target), port) in zip(targets, try TCPConnection.stablePorts(targets.count)) {
            relays[key] = try TCPRelay(port: port, target: target, seed: random.next())
        }
        return relays
    }

    private func migrate() async throws {
        let migrate = try GuardedProcess(
            [TestCluster.program("trunkline"), "migrate"],
            environment: self.environment(of: self.routers[0].name),
            output: self.folder + "/migrate.log"
        )
        try await eventually("the schema is migrated", within: .seconds(60)) { migrate.exitStatus != nil }
        guard migrate.exitStatus == 0 else { throw Failure(description: "migrate failed:\n\(migrate.text)") }
    }

    private static func makeFolder() throws -> String {
        var template = Array("/tmp/trunkline-faults-XXXXXX".utf8CString)
        let path = template.withUnsafeMutableBufferPointer { buffer in
            buffer.baseAddress.flatMap { mkdtemp($0) }.map { String(cString: $0) }
        }
        guard let path else { throw Failure(description: "no folder could be made: errno \(errno)") }
        return path
    }

    private static func remove(_ folder: String) {
        if let entries = opendir(folder) {
            while let entry = readdir(entries) {
                let name = withUnsafeBytes(of: entry.pointee.d_name) { bytes in
                    String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
                }
                if name != ".", name != ".." { unlink(folder + "/" + name) }
            }
            closedir(entries)
        }
        rmdir(folder)
    }
}
