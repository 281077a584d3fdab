// SPDX-License-Identifier: Apache-2.0

import Directory
import Edge
import Mesh
import Messaging
import NIOCore
import NIOEmbedded
import Placement
import Synchronization
import Testing
import Wire

@testable import Router

/// A router that owns one conversation, others that pass its messages on, hundreds of edges, and the links between them:
/// each brings what is put on it in its order, as late as the test likes, or loses it with the link.
final class RelayWorld: AudienceTransport {
    struct Link {
        /// What each side believes.
        var isUpAtRouter = false
        var isUpAtEdge = false
        /// The edge has noticed its end, the router has not yet.
        var isDead = false
        var frames: [ModelFrame] = []
    }

    struct Node {
        var incarnation: Incarnation
        var journal: ChangeJournal
        var station: RelayStation?
        /// By edge.
        var links: [String: Link] = [:]
        var asked: [(relay: Relay, completion: @Sendable (RelayOutcome) -> Void)] = []
        var answers: [(outcome: RelayOutcome, completion: @Sendable (RelayOutcome) -> Void)] = []
    }

    struct State {
        var nodes: [String: Node] = [:]
        var edges: [String: ModelEdge] = [:]
        var sessions: [UserID: [EdgeLife]] = [:]
        /// Of each message, in their order.
        var positions: [UInt64] = []
        var nextLife: UInt64 = 1
        /// Frames that the owner put on links, requests to others among them.
        var framesOfOwner = 0
    }

    static let owner = "router-0"
    static let conversation = ConversationID(value: 0xC0)

    let state = Mutex(State())
    let loop = EmbeddedEventLoop()
    let relays: [String]
    let edgeNames: [String]
    private let attached = Mutex<AudienceDispatcher?>(nil)
    var dispatcher: AudienceDispatcher {
        get throws { try #require(self.attached.withLock { $0 }) }
    }

    init(relays: Int, edges: Int, relayedFrom: Int) throws {
        self.relays = (1...relays).map { "router-\($0)" }
        self.edgeNames = (1...edges).map { "edge-\($0)" }
        let dispatcher = AudienceDispatcher(
            loop: self.loop,
            transport: self,
            own: Self.owner,
            relayedFrom: relayedFrom
        )
        self.attached.withLock { $0 = dispatcher }
        self.state.withLock { state in
            for (index, name) in self.edgeNames.enumerated() {
                let life = EdgeLife(edge: name, incarnation: Incarnation(value: UInt128(10_000 + index)))
                state.edges[name] = ModelEdge(life: life)
            }
        }
        for name in [Self.owner] + self.relays { self.begin(name) }
        for router in [Self.owner] + self.relays {
            for edge in self.edgeNames { try self.link(router, edge) }
        }
        self.tellOwners()
    }

    var head: UInt64 { self.state.withLock { UInt64($0.positions.count) } }

    // MARK: - Routers

    private func begin(_ name: String) {
        self.state.withLock { state in
            let incarnation = Incarnation(value: UInt128(state.nextLife))
            state.nextLife += 1
            let life = RouterLife(name: name, incarnation: incarnation.description)
            let journal = ChangeJournal(own: life, life: incarnation)
            var node = Node(incarnation: incarnation, journal: journal)
            if name != Self.owner { node.station = self.station(name, journal) }
            state.nodes[name] = node
        }
    }

    private func station(_ name: String, _ journal: ChangeJournal) -> RelayStation {
        RelayStation(
            journal: journal,
            links: RelayStation.Links(
                deliver: { payload, edge in
                    self.put(ModelFrame(kind: .relayed, payload: payload), from: name, to: edge)
                },
                tell: { reach, _ in try? self.dispatcher.reaches(name, reach) }
            )
        )
    }

    /// The router is killed; a new life of it has no link yet. Until a view names it, edges wait for the former one.
    func kill(_ name: String) throws {
        let unanswered = self.state.withLock { state in
            guard let node = state.nodes[name] else { return [(@Sendable (RelayOutcome) -> Void)]() }
            for edge in node.links.keys { self.lost(name, edge, &state) }
            return node.asked.map(\.completion) + node.answers.map(\.completion)
        }
        for completion in unanswered { completion(.unknown) }
        try self.dispatcher.lost(router: name)
        self.begin(name)
        self.loop.run()
    }

    /// All edges take a view with the present lives.
    func tellOwners() {
        self.state.withLock { state in
            let owners = Set(
                state.nodes.map { RouterLife(name: $0.key, incarnation: $0.value.incarnation.description) }
            )
            let head = UInt64(state.positions.count)
            for name in self.edgeNames { state.edges[name]?.change(head: head) { $0.ownersChanged(owners) } }
        }
    }

    // MARK: - Links

    func put(_ frame: ModelFrame, from router: String, to edge: String) -> Bool {
        self.state.withLock { state in
            guard state.nodes[router]?.links[edge]?.isUpAtRouter == true else { return false }
            if router == Self.owner, frame.kind == .deliver { state.framesOfOwner += 1 }
            // On a link that only the router believes in, it is lost.
            state.nodes[router]?.links[edge]?.frames.append(frame)
            return true
        }
    }

    /// The edge notices the end of a link.
    private func lost(_ router: String, _ edge: String, _ state: inout State) {
        guard state.nodes[router]?.links[edge]?.isUpAtEdge == true else { return }
        state.nodes[router]?.links[edge]?.isUpAtEdge = false
        state.nodes[router]?.links[edge]?.isDead = true
        state.nodes[router]?.links[edge]?.frames = []
        let head = UInt64(state.positions.count)
        state.edges[edge]?.change(head: head) { $0.linkDown(router) }
        state.edges[edge]?.audiences.forget(router)
    }

    /// Links whose end the edge has noticed, in an order that is always the same.
    var deadLinks: [(router: String, edge: String)] {
        self.state.withLock { state in
            ([Self.owner] + self.relays).flatMap { router in
                self.edgeNames.filter { state.nodes[router]?.links[$0]?.isDead == true }.map { (router, $0) }
            }
        }
    }

    func cut(_ router: String, _ edge: String) {
        self.state.withLock { self.lost(router, edge, &$0) }
    }

    /// The router notices, if it had not, and a new link is made. The edge may hear of it later.
    func link(_ router: String, _ edge: String, edgeHearsOfIt: Bool = true) throws {
        let former = self.state.withLock { state in
            self.lost(router, edge, &state)
            let wasUp = state.nodes[router]?.links[edge]?.isUpAtRouter ?? false
            state.nodes[router]?.links[edge] = Link()
            return wasUp ? state.edges[edge]?.life : nil
        }
        if let former { try self.routerLost(router, former) }
        let (life, journal) = self.state.withLock { state in
            state.nodes[router]?.links[edge]?.isUpAtRouter = true
            return (state.edges[edge]?.life, state.nodes[router]?.journal)
        }
        if router == Self.owner, life != nil { try self.linksChanged() }
        if let journal {
            _ = self.put(
                ModelFrame(kind: .deliveryProgress, payload: journal.beginning.encoded()),
                from: router,
                to: edge
            )
        }
        if edgeHearsOfIt { try self.edgeHears(of: router, edge) }
    }

    private func routerLost(_ router: String, _ edge: EdgeLife) throws {
        if router == Self.owner {
            try self.linksChanged()
        } else {
            self.state.withLock { $0.nodes[router]?.station }?.linkDown(edge)
        }
        self.loop.run()
    }

    private func linksChanged() throws {
        let linked = self.state.withLock { state in
            (state.nodes[Self.owner]?.links ?? [:]).filter(\.value.isUpAtRouter).compactMap {
                state.edges[$0.key]?.life
            }
        }
        try self.dispatcher.linksChanged(Set(linked))
        self.loop.run()
    }

    /// The edge takes the link up and announces itself over it.
    func edgeHears(of router: String, _ edge: String) throws {
        let (life, station) = self.state.withLock { state -> (EdgeLife?, RelayStation?) in
            guard let node = state.nodes[router], let link = node.links[edge], link.isUpAtRouter, !link.isUpAtEdge,
                !link.isDead
            else { return (nil, nil) }
            state.nodes[router]?.links[edge]?.isUpAtEdge = true
            let head = UInt64(state.positions.count)
            state.edges[edge]?.change(head: head) { $0.linkUp(router, node.incarnation) }
            return (state.edges[edge]?.life, node.station)
        }
        guard let life else { return }
        station?.announced(life, takesRelayed: true)
        if router == Self.owner {
            let announcement = Attachment(attached: [], detached: [], isRegistered: true)
            try self.dispatcher.attachmentChanged(edge: edge, announcement)
        }
        self.loop.run()
    }

    // MARK: - What an audience asks for

    func lookUp(_ users: [UserID], completion: @escaping @Sendable (Audience.Answer) -> Void) {
        let answer = self.state.withLock { state in
            Audience.Answer.found(state.sessions, complete: Set(state.edges.values.map(\.life)))
        }
        completion(answer)
    }

    func notify(_ kind: NotificationKind, _ payload: ByteBuffer, edge: String) -> Bool {
        let isTaken = self.put(ModelFrame(kind: kind, payload: payload), from: Self.owner, to: edge)
        if !isTaken { self.missed(by: edge) }
        return isTaken
    }

    func notifyEphemeral(_ kind: NotificationKind, _ payload: ByteBuffer, edge: String) {}
    func settle(_ departure: Departure, completion: @escaping @Sendable () -> Void) { completion() }

    private var journal: ChangeJournal? { self.state.withLock { $0.nodes[Self.owner]?.journal } }

    func finished(_ positions: [UInt64]) { self.journal?.finished(positions) }

    func relayed(to edges: Set<String>, through reached: RelayedThrough) {
        self.journal?.relayed(to: edges, through: reached)
    }

    func missed(by edge: String) { self.journal?.missed(by: edge) }

    func relay(_ relay: Relay, through router: String, completion: @escaping @Sendable (RelayOutcome) -> Void) {
        self.state.withLock { state in
            state.framesOfOwner += 1
            state.nodes[router]?.asked.append((relay, completion))
        }
    }
}
