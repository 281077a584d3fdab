// SPDX-License-Identifier: Apache-2.0

import Messaging
import Placement
import Router
import Storage

/// The nodes, the shards, the registry, and a link between every two nodes that talk to each other.
package final class SimulatedCluster {
    /// The product's default.
    private static let silence = UInt64.milliseconds(1500)

    let world: World
    let map: ShardMap
    package let registry: SimulatedRegistry
    package private(set) var shards: [String: SimulatedShard] = [:]
    private var states: [String: ShardState] = [:]
    package private(set) var routers: [SimulatedRouter] = []
    package private(set) var edges: [SimulatedEdge] = []
    package private(set) var links: [SimulatedLink] = []
    private var linkOfPair: [String: SimulatedLink] = [:]
    /// For ``Defect/deliverAfterRemoval`` and the audit: who was ever removed from a conversation.
    private var removed: [ConversationID: [UserID]] = [:]

    package init?(world: World, routers: Int, edges: Int, shards: Int) {
        self.world = world
        let names = (1...shards).map { "shard-\($0)" }
        guard let map = ShardMap(dealing: names) else { return nil }
        self.map = map
        self.registry = SimulatedRegistry(world: world)
        for name in names {
            self.shards[name] = SimulatedShard(name: name, world: world)
            self.states[name] = ShardState(name: name, world: world)
        }
        self.routers = (1...routers).map { SimulatedRouter(name: "router-\($0)", cluster: self) }
        self.edges = (1...edges).map { SimulatedEdge(name: "edge-\($0)", cluster: self) }
        for (index, router) in self.routers.enumerated() {
            for other in self.routers[(index + 1)...] { self.connect(router, other) }
        }
        for edge in self.edges {
            for router in self.routers { self.connect(edge, router) }
        }
    }

    private func connect(_ first: SimulatedNode, _ second: SimulatedNode) {
        let link = SimulatedLink(world: self.world, first, second, silence: Self.silence, redials: true)
        self.links.append(link)
        self.linkOfPair[Self.pair(first, second)] = link
        link.open(self.ends(of: first, towards: second, link), self.ends(of: second, towards: first, link))
    }

    private func ends(of node: SimulatedNode, towards peer: SimulatedNode, _ link: SimulatedLink) -> SimulatedLink.Ends
    {
        if let router = node as? SimulatedRouter {
            return SimulatedLink.Ends(
                up: { [unowned link] in router.linkUp(peer, link) },
                down: { router.linkDown(peer) }
            )
        }
        guard let edge = node as? SimulatedEdge, let router = peer as? SimulatedRouter else {
            return SimulatedLink.Ends(up: {}, down: {})
        }
        return SimulatedLink.Ends(up: { edge.linkUp(router) }, down: { edge.linkDown(router) })
    }

    private static func pair(_ first: SimulatedNode, _ second: SimulatedNode) -> String {
        [first.name, second.name].sorted().joined(separator: " ")
    }

    func link(_ first: SimulatedNode, _ second: SimulatedNode) -> SimulatedLink? {
        self.linkOfPair[Self.pair(first, second)]
    }

    func links(of node: SimulatedNode) -> [SimulatedLink] {
        self.links.filter { $0.nodes.0 === node || $0.nodes.1 === node }
    }

    func router(_ name: String) -> SimulatedRouter? { self.routers.first { $0.name == name } }
    func edge(_ name: String) -> SimulatedEdge? { self.edges.first { $0.name == name } }

    package func state(of shard: String) -> ShardState {
        guard let state = self.states[shard] else { preconditionFailure("there is no shard \(shard)") }
        return state
    }

    func shard(of conversation: ConversationID) -> SimulatedShard {
        let name = self.map.shard(of: Slot(of: conversation.value))
        guard let shard = self.shards[name] else { preconditionFailure("there is no shard \(name)") }
        return shard
    }

    func noteRemoved(_ user: UserID, from conversation: ConversationID) {
        self.removed[conversation, default: []].append(user)
    }

    func wasEverRemoved(_ user: UserID) -> Bool {
        self.removed.values.contains { $0.contains(user) }
    }

    func removedUsers(of conversation: ConversationID) -> [UserID] {
        self.removed[conversation] ?? []
    }
}
