// SPDX-License-Identifier: Apache-2.0

import Logging
import Messaging
import NIOCore
import NIOPosix
import Synchronization
import TestSupport

@testable import Mesh

/// Nodes on loopback that are shut down when the test is over.
final class Cluster: Sendable {
    static let group = MultiThreadedEventLoopGroup(numberOfThreads: 2)
    static let secret = Array("a secret of the test cluster".utf8)

    private let nodes = Mutex<[MeshNode]>([])

    /// Settings that make tests quick.
    static func settings(_ change: (inout MeshSettings) -> Void = { _ in }) -> MeshSettings {
        var settings = MeshSettings(cluster: "test", secret: Self.secret)
        settings.heartbeatInterval = .milliseconds(50)
        settings.silenceLimit = .seconds(5)
        settings.handshakeTimeout = .seconds(5)
        settings.reconnectDelayMin = .milliseconds(10)
        settings.reconnectDelayMax = .milliseconds(100)
        change(&settings)
        return settings
    }

    static func run(_ body: (Cluster) async throws -> Void) async throws {
        let cluster = Cluster()
        do {
            try await body(cluster)
        } catch {
            await cluster.shutdown()
            throw error
        }
        await cluster.shutdown()
    }

    private func shutdown() async {
        for node in self.nodes.withLock({ $0 }) { await node.shutdown() }
    }

    func node(
        _ name: String,
        _ role: NodeRole,
        _ delegate: any MeshDelegate,
        incarnation: Incarnation = .generate(),
        settings: MeshSettings = Cluster.settings(),
        group: MultiThreadedEventLoopGroup = Cluster.group,
        log: LogLines? = nil
    ) -> MeshNode {
        let handler: any LogHandler = if let log { log } else { SwiftLogNoOpLogHandler() }
        let node = MeshNode(
            identity: PeerIdentity(name: name, incarnation: incarnation, role: role),
            settings: settings,
            group: group,
            delegate: delegate,
            logger: Logger(label: "test", factory: { _ in handler })
        )
        self.nodes.withLock { $0.append(node) }
        return node
    }

    /// An edge and a router with a link between them.
    func pair(
        edge: any MeshDelegate,
        router: any MeshDelegate,
        settings: MeshSettings = Cluster.settings()
    ) async throws -> (edge: MeshNode, router: MeshNode, address: SocketAddress) {
        let routerNode = self.node("router", .router, router, settings: settings)
        let edgeNode = self.node("edge", .edge, edge, settings: settings)
        let address = try await routerNode.listen(host: "127.0.0.1", port: 0)
        edgeNode.setPeers([.at(address, "router")])
        try await Self.linked(edgeNode, routerNode)
        return (edgeNode, routerNode, address)
    }

    static func linked(_ one: MeshNode, _ other: MeshNode) async throws {
        try await eventually("\(one.identity.name) and \(other.identity.name) are linked") {
            one.peer(named: other.identity.name) == other.identity
                && other.peer(named: one.identity.name) == one.identity
        }
    }
}

extension MeshPeer {
    static func at(_ address: SocketAddress, _ name: String, role: NodeRole = .router) -> MeshPeer {
        MeshPeer(name: name, role: role, host: "127.0.0.1", port: address.port ?? 0)
    }
}

extension MeshNode {
    /// A request with a text, as the test mostly needs it.
    func ask(
        _ text: String,
        kind: UInt16 = 1,
        to node: String = "router",
        within time: TimeAmount = .seconds(20)
    ) async -> Result<MeshResponse, MeshError> {
        do throws(MeshError) {
            return .success(
                try await self.request(
                    kind: kind,
                    slot: 3,
                    epoch: 4,
                    payload: ByteBuffer(string: text),
                    to: node,
                    deadline: .now() + time
                )
            )
        } catch {
            return .failure(error)
        }
    }

    /// Many requests at once, without waiting for any.
    func askMany(_ count: Int, to node: String, within time: TimeAmount = .seconds(20)) -> Answers {
        let answers = Answers()
        for index in 0..<count {
            self.request(
                kind: 1,
                slot: 0,
                epoch: 0,
                payload: ByteBuffer(string: "\(index)"),
                to: node,
                deadline: .now() + time
            ) { answers.add(index, $0) }
        }
        return answers
    }
}

/// What became of many requests, in the order in which it was told.
final class Answers: Sendable {
    private let results = Mutex<[(index: Int, result: Result<MeshResponse, MeshError>)]>([])

    func add(_ index: Int, _ result: Result<MeshResponse, MeshError>) {
        self.results.withLock { $0.append((index, result)) }
    }

    var count: Int { self.results.withLock { $0.count } }
    var succeeded: [Int] {
        self.results.withLock { $0.compactMap { if case .success = $0.result { $0.index } else { nil } } }
    }
    var errors: [MeshError] {
        self.results.withLock { $0.compactMap { if case .failure(let error) = $0.result { error } else { nil } } }
    }
    func count(_ code: MeshError.Code) -> Int { self.errors.count { $0.code == code } }
}
