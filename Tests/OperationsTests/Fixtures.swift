// SPDX-License-Identifier: Apache-2.0

import ClusterConfiguration
import Directory
import Glibc
import Logging
import Messaging
import Redis
import Synchronization
import TestSupport

@testable import Operations

/// A cluster of one router and one edge on the given ports.
func makeSettings(
    redisPort: UInt16 = 6390,
    redisURL: String? = nil,
    shards: [String] = ["host=127.0.0.1 port=5441 dbname=trunkline user=trunkline"],
    routerMesh: Int = 7101,
    routerHTTP: Int = 8101,
    edgeHTTP: Int = 8201
) throws -> ClusterSettings {
    let shardLines = shards.enumerated().map { index, connection in
        "  - name: shard-\(index + 1)\n    connection: \(connection)"
    }
    return try ClusterSettings.parse(
        yaml: """
            cluster: testing
            redis:
              url: \(redisURL ?? "redis://127.0.0.1:\(redisPort)")
            shards:
            \(shardLines.joined(separator: "\n"))
            nodes:
              - name: router-1
                role: router
                mesh: 127.0.0.1:\(routerMesh)
                http: 127.0.0.1:\(routerHTTP)
              - name: edge-1
                role: edge
                http: 127.0.0.1:\(edgeHTTP)
            """
    )
}

let testSecrets = ResolvedSecrets(
    mesh: Secret("0123456789abcdef"),
    token: Secret("0123456789abcdef"),
    redisPassword: nil,
    shardPasswords: [:]
)

/// Takes the lines that a node logs, so that a test can say how often something was said.
final class LogRecorder: Sendable {
    private let recorded = Mutex<[String]>([])

    var lines: [String] { self.recorded.withLock { $0 } }

    func count(of text: String) -> Int {
        self.lines.count { $0.contains(text) }
    }

    var logger: Logger {
        Logger(label: "test") { _ in Handler(recorder: self) }
    }

    private struct Handler: LogHandler {
        let recorder: LogRecorder
        var logLevel = Logger.Level.trace
        var metadata: Logger.Metadata = [:]

        init(recorder: LogRecorder) {
            self.recorder = recorder
        }

        subscript(metadataKey key: String) -> Logger.MetadataValue? {
            get { self.metadata[key] }
            set { self.metadata[key] = newValue }
        }

        func log(event: LogEvent) {
            let metadata = (event.metadata ?? [:]).sorted { $0.key < $1.key }.map { " \($0.key)=\($0.value)" }
            self.recorder.recorded.withLock { $0.append("\(event.level) \(event.message)\(metadata.joined())") }
        }
    }
}

/// One Redis with a connection to it, and leases in it.
struct LeaseBed: Sendable {
    let server: RedisServer
    let connection: RedisConnection
    let leases: NodeLeases
    let log = LogRecorder()

    init() async throws {
        let server = try await blocking { try RedisServer() }
        self.server = server
        self.connection = try RedisConnection(
            configuration: RedisConfiguration(endpoint: RedisEndpoint(host: "127.0.0.1", port: server.port)),
            logger: self.log.logger
        )
        self.leases = NodeLeases(connection: self.connection, cluster: "testing")
    }

    func lease(_ name: String, state: NodeState = .starting, role: Directory.NodeRole = .router) -> NodeLease {
        NodeLease(
            name: name,
            incarnation: .generate(),
            role: role,
            state: state,
            meshAddress: "127.0.0.1:7101",
            httpAddress: "127.0.0.1:8101",
            version: "0.1.0",
            since: WallClock.now()
        )
    }

    func keeper(
        _ lease: NodeLease,
        timeToLive: Duration = .seconds(2),
        isFoundByLeaseAlone: Bool = false
    ) -> LeaseKeeper {
        LeaseKeeper(
            leases: self.leases,
            lease: lease,
            timeToLive: timeToLive,
            renewal: .milliseconds(100),
            isFoundByLeaseAlone: isFoundByLeaseAlone,
            logger: self.log.logger
        )
    }

    func end() async {
        await self.connection.shutdown()
    }

    /// The lease of a name as Redis has it.
    func stored(_ name: String) async throws -> NodeLease? {
        try await self.leases.leases().leases.first { $0.name == name }
    }
}

/// Carries out a call that blocks without taking a thread of the pool from the other tests.
func blocking<Value: Sendable>(_ body: @escaping @Sendable () throws -> Value) async throws -> Value {
    let result = await onOwnThread(named: "test") { Result { try body() } }
    guard let result else { throw Unexpected(description: "the system has no thread left") }
    return try result.get()
}

/// Something that a test cannot go on with.
struct Unexpected: Error, CustomStringConvertible {
    var description: String
}

/// A port of loopback that nothing listened on a moment ago.
func freePort() throws -> Int {
    let listener = try Listener()
    defer { listener.close() }
    return listener.port
}

/// A socket that listens on a free port of loopback and accepts nobody.
struct Listener {
    let descriptor: Int32
    let port: Int

    init() throws {
        self.descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let descriptor = self.descriptor
        let listens = withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { address in
                bind(descriptor, address, length) == 0 && listen(descriptor, 8) == 0
                    && getsockname(descriptor, address, &length) == 0
            }
        }
        guard listens else { throw Unexpected(description: "no port to listen on: errno \(errno)") }
        self.port = Int(UInt16(bigEndian: address.sin_port))
    }

    func close() {
        Glibc.close(self.descriptor)
    }
}
