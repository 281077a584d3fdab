// SPDX-License-Identifier: Apache-2.0

import Logging
import NIOCore
import NIOPosix
import Synchronization
import Wire

/// One node's end of the mesh: the links to its peers, and sending over them. Usable from any thread.
///
/// Every edge dials every router; of two routers the one with the smaller name dials; edges are never dialled. So there
/// is one link per pair, and when there are two for a moment, as after a connection that only one side has seen break,
/// the newer one stays.
///
/// The group must outlive the node, and ``shutdown()`` must be called before the node is let go of. The node keeps its
/// delegate.
package final class MeshNode: Sendable {
    package let identity: PeerIdentity
    package let settings: MeshSettings
    package let counters = MeshCounters()
    let group: any EventLoopGroup
    let delegate: any MeshDelegate
    let logger: Logger
    let state = Mutex(State())
    let logGate = Mutex(LogGate())
    /// Accepted connections that are not part of a link.
    let unlinked = Atomic(0)

    struct State {
        var diallers: [String: Dialler] = [:]
        var wanted: [String: MeshPeer] = [:]
        /// The newest link to each peer, whether it is up yet or not.
        var links: [String: Link] = [:]
        /// Those that are up: what is sent over.
        var published: [String: Link] = [:]
        var halves = HalfLinks()
        var listeners: [any Channel] = []
        var isShuttingDown = false
    }

    /// - Precondition: the names in the identity and settings have 1…255 bytes, the secret is not empty, and the credit
    ///   is positive.
    package init(
        identity: PeerIdentity,
        settings: MeshSettings,
        group: any EventLoopGroup,
        delegate: any MeshDelegate,
        logger: Logger
    ) {
        precondition((1...MeshLimits.nodeNameBytesMax).contains(identity.name.utf8.count), "a node's name")
        precondition((1...MeshLimits.clusterNameBytesMax).contains(settings.cluster.utf8.count), "a cluster's name")
        precondition(!settings.secret.isEmpty, "the cluster's secret is empty")
        precondition(settings.creditItems > 0 && settings.creditBytes > 0, "a node must grant credit")
        self.identity = identity
        self.settings = settings
        self.group = group
        self.delegate = delegate
        self.logger = logger
    }
}

// MARK: - Peers and links

extension MeshNode {
    /// The peers with a link that is up.
    package var peers: [PeerIdentity] {
        self.state.withLock { state in state.published.values.map { $0.peer } }
    }

    /// The life of that node to which there is a link, if there is one.
    package func peer(named name: String) -> PeerIdentity? {
        self.link(to: name)?.peer
    }

    /// The version of the protocol that was agreed with that node, if there is a link to it.
    package func version(of name: String) -> UInt16? {
        self.link(to: name)?.version
    }

    /// How each link is doing, by the name of the peer.
    package func linkStates() -> [LinkState] {
        let links = self.state.withLock { Array($0.published.values) }
        return links.compactMap { $0.status }.sorted { $0.peer.name < $1.peer.name }
    }

    /// Accepts connections; port 0 takes any that is free.
    ///
    /// - Returns: the address that is listened on.
    /// - Throws: what the system says when the address cannot be had; ``MeshError`` when the node is shutting down.
    package func listen(host: String, port: Int) async throws -> SocketAddress {
        let channel = try await ServerBootstrap(group: self.group)
            .serverChannelOption(.backlog, value: 256)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .childChannelOption(.tcpOption(.tcp_nodelay), value: 1)
            .childChannelOption(.writeBufferWaterMark, value: LaneOptions.writeBufferWaterMark)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture { try self.accept(channel) }
            }
            .bind(host: host, port: port)
            .get()
        let isWanted = self.state.withLock { state in
            guard !state.isShuttingDown else { return false }
            state.listeners.append(channel)
            return true
        }
        guard isWanted, let address = channel.localAddress else {
            try await channel.close()
            throw MeshError(.shuttingDown, mayHaveArrived: false, "\(self.identity.name) is shutting down")
        }
        return address
    }

    /// Says whom this node belongs together with. Those it has to dial by the rule are dialled until they are taken out
    /// of the list; the others are expected to dial. The link to a peer that was in an earlier list and is not in this
    /// one, or has moved, is closed.
    package func setPeers(_ peers: [MeshPeer]) {
        let wanted = Dictionary(peers.map { ($0.name, $0) }, uniquingKeysWith: { first, _ in first })
        let shell = self.diallerShell
        let (stopped, closed, started) = self.state.withLock { state -> ([Dialler], [Link], [Dialler]) in
            guard !state.isShuttingDown else { return ([], [], []) }
            let gone = state.wanted.values.filter { wanted[$0.name] != $0 }.map { $0.name }
            let stopped = gone.compactMap { state.diallers.removeValue(forKey: $0) }
            let closed = gone.compactMap { state.links[$0] }
            state.wanted = wanted
            var started: [Dialler] = []
            for peer in wanted.values where self.dials(peer) && state.diallers[peer.name] == nil {
                let dialler = Dialler(peer: peer, eventLoop: self.group.next(), shell: shell)
                state.diallers[peer.name] = dialler
                started.append(dialler)
            }
            return (stopped, closed, started)
        }
        for dialler in stopped { dialler.stop() }
        for link in closed { link.leave(reason: "\(self.identity.name) does not know \(link.peer.name) any more") }
        for dialler in started { dialler.start() }
    }

    /// Says goodbye on every link, fails what is pending and closes everything. Returns when all of it is done.
    package func shutdown() async {
        let (diallers, listeners, lanes, links) = self.state.withLock { state in
            state.isShuttingDown = true
            defer {
                state.diallers = [:]
                state.wanted = [:]
                state.listeners = []
            }
            return (state.diallers.values, state.listeners, state.halves.removeAll(), state.links.values)
        }
        for listener in listeners { try? await listener.close() }
        for dialler in diallers { dialler.stop() }
        for lane in lanes { lane.perform { $0.refuse(Refusal(.shuttingDown, "\(self.identity.name) is stopping")) } }
        for link in links { link.leave(reason: "\(self.identity.name) is stopping") }
        // The future of a link never fails.
        for link in links { try? await link.downFuture.get() }
    }

    private func dials(_ peer: MeshPeer) -> Bool {
        switch (self.identity.role, peer.role) {
        case (.edge, .router): true
        case (.router, .router): self.identity.name < peer.name
        case (.edge, .edge), (.router, .edge): false
        }
    }
}
