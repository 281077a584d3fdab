// SPDX-License-Identifier: Apache-2.0

import Directory
import Messaging
import Placement
import TestSupport
import Wire

@testable import Edge
@testable import Router

/// Edges and routers that talk about presence over links that lose what they like, in a time that the test makes.
struct Simulation {
    typealias Board = Router.PresenceBoard

    /// What one node sends to another.
    enum Packet {
        case report(PresenceReport)
        case digest(PresenceDigest)
        case statesWanted
        case wanted(PresenceWanted)
        case states(PresenceStates)
    }

    struct EdgeNode {
        var life: EdgeLife
        var reports = PresenceReports()
        var told = ToldStates()
        var attached: Set<UserID> = []
        var watched: Set<UserID> = []
        var views: [UserID: ShownPresence] = [:]
        /// Every state that a watcher here was told, in order.
        var seen: [UserID: [ShownStatus]] = [:]
        /// The owners as this edge knows them, and how often it learned.
        var owners: [Slot: String] = [:]
        var generation: UInt64 = 0
        var nextDigest: UInt64 = 0
    }

    struct Link: Hashable {
        var edge: String
        var router: String
    }

    static let step: UInt64 = 50
    static let wallAtStart: UnixMilliseconds = 1_800_000_000_000

    var random: SeededRandom
    var now: UInt64 = 1000
    var users: [UserID]
    var edges: [String: EdgeNode] = [:]
    var routers: [String: Board] = [:]
    var owners: [Slot: String] = [:]
    var stored: [UserID: PresenceProfile] = [:]
    var up: Set<Link> = []
    var toRouter: [Link: [Packet]] = [:]
    var toEdge: [Link: [Packet]] = [:]
    var loads: [(router: String, users: [UserID])] = []
    /// Of a hundred packets, how many are lost on the way, and how many a link does not take.
    var lossPercent = 0
    var nextIncarnation: UInt64 = 1
    var statesDelivered = 0

    init(seed: UInt64, edges: Int = 3, routers: Int = 2, users: Int = 40) {
        self.random = SeededRandom(seed: seed)
        self.users = (1...users).map { UserID(value: UInt128($0)) }
        for user in self.users { self.stored[user] = PresenceProfile() }
        let names = (1...routers).map { "router-\($0)" }
        for slot in self.usedSlots { self.owners[slot] = names[Int(slot.number) % names.count] }
        for name in names { self.routers[name] = Board() }
        for number in 1...edges { self.startEdge("edge-\(number)") }
        self.tellRouters()
    }

    var moment: Board.Moment { Board.Moment(monotonic: self.now, wall: Self.wallAtStart + self.now) }
    var usedSlots: Set<Slot> { Set(self.users.map { Slot(of: $0.value) }) }

    /// Changes one router's board, with the time as it is.
    private mutating func change(_ router: String, _ body: (inout Board, Board.Moment) -> Void) {
        let now = self.moment
        guard self.routers[router] != nil else { return }
        body(&self.routers[router, default: Board()], now)
    }

    // MARK: - Nodes and links

    mutating func startEdge(_ name: String) {
        let life = EdgeLife(edge: name, incarnation: Incarnation(value: UInt128(self.nextIncarnation)))
        self.nextIncarnation += 1
        var node = EdgeNode(life: life)
        node.owners = self.owners
        self.edges[name] = node
        for router in self.routers.keys.sorted() { self.linkUp(Link(edge: name, router: router)) }
    }

    /// All at once, as by kill -9.
    mutating func killEdge(_ name: String) {
        for router in self.routers.keys.sorted() { self.linkDown(Link(edge: name, router: router)) }
        self.edges[name] = nil
    }

    mutating func linkUp(_ link: Link) {
        guard let edge = self.edges[link.edge], self.routers[link.router] != nil, self.up.insert(link).inserted else {
            return
        }
        self.edges[link.edge]?.told.linkUp(link.router)
        self.change(link.router) { $0.linkUp(edge.life, now: $1) }
    }

    mutating func linkDown(_ link: Link) {
        guard self.up.remove(link) != nil else { return }
        self.toRouter[link] = nil
        self.toEdge[link] = nil
        self.edges[link.edge]?.told.linkDown(link.router)
        self.edges[link.edge]?.reports.linkDown(link.router)
        if let life = self.edges[link.edge]?.life { self.change(link.router) { $0.linkDown(life, now: $1) } }
    }

    mutating func killRouter(_ name: String, heirs: [String]) {
        for edge in self.edges.keys.sorted() { self.linkDown(Link(edge: edge, router: name)) }
        self.routers[name] = nil
        self.loads.removeAll { $0.router == name }
        self.move(self.usedSlots.filter { self.owners[$0] == name }, among: heirs)
    }

    mutating func startRouter(_ name: String) {
        self.routers[name] = Board()
        for edge in self.edges.keys.sorted() { self.linkUp(Link(edge: edge, router: name)) }
    }

    mutating func move(_ slots: some Sequence<Slot>, among heirs: [String]) {
        for slot in slots.sorted() { self.owners[slot] = heirs.randomElement(using: &self.random) }
        self.tellRouters()
    }

    private mutating func tellRouters() {
        for name in self.routers.keys.sorted() {
            let own = Set(self.owners.filter { $0.value == name }.keys)
            self.change(name) { $0.slotsChanged(own, now: $1) }
        }
    }

    mutating func tellEdgeOwners(_ name: String) {
        guard self.edges[name]?.owners != self.owners else { return }
        self.edges[name]?.owners = self.owners
        self.edges[name]?.generation += 1
    }

    // MARK: - Users

    mutating func attach(_ user: UserID, to name: String) {
        self.edges[name]?.attached.insert(user)
        self.edges[name]?.reports.set(user, isAttached: true)
    }

    mutating func detach(_ user: UserID, from name: String) {
        self.edges[name]?.attached.remove(user)
        self.edges[name]?.reports.set(user, isAttached: false)
    }

    mutating func watch(_ user: UserID, on name: String) {
        self.edges[name]?.watched.insert(user)
        self.edges[name]?.reports.set(user, isWatched: true)
    }

    mutating func unwatch(_ user: UserID, on name: String) {
        self.edges[name]?.watched.remove(user)
        self.edges[name]?.views[user] = nil
        self.edges[name]?.reports.set(user, isWatched: false)
    }

    mutating func choose(_ user: UserID, _ settings: PresenceSettings) {
        self.stored[user]?.settings = settings
        guard let profile = self.stored[user], let owner = self.owners[Slot(of: user.value)] else { return }
        self.routers[owner]?.profileChanged(user, profile)
    }

    /// What everybody should see, computed from nothing but who is where and what was chosen.
    func truth(_ user: UserID) -> ShownStatus {
        guard let settings = self.stored[user]?.settings, settings.visibility == .everyone,
            self.edges.values.contains(where: { $0.attached.contains(user) })
        else { return .offline }
        switch settings.status {
        case .online: return .online
        case .away: return .away
        case .busy: return .busy
        case .invisible: return .offline
        }
    }

    // MARK: - Time

    mutating func run(milliseconds: UInt64) {
        for _ in 0..<(milliseconds / Self.step) { self.oneStep() }
    }

    private mutating func oneStep() {
        self.now += Self.step
        for link in self.up.sorted(by: { ($0.edge, $0.router) < ($1.edge, $1.router) }) {
            for packet in self.toRouter.removeValue(forKey: link) ?? [] where !self.isLost() {
                self.arrive(packet, at: link.router, from: link.edge)
            }
            for packet in self.toEdge.removeValue(forKey: link) ?? [] where !self.isLost() {
                self.arrive(packet, atEdge: link.edge, from: link.router)
            }
        }
        self.endLoads()
        for name in self.routers.keys.sorted() { self.tickRouter(name) }
        for name in self.edges.keys.sorted() { self.tickEdge(name) }
    }

    private mutating func isLost() -> Bool {
        Int.random(in: 0..<100, using: &self.random) < self.lossPercent
    }

    private mutating func endLoads() {
        let loads = self.loads
        self.loads = []
        for (router, users) in loads {
            if self.isLost() {
                self.change(router) { $0.loadFailed(users, now: $1) }
            } else {
                let profiles = users.map { ($0, self.stored[$0] ?? PresenceProfile()) }
                self.routers[router]?.loaded(Dictionary(uniqueKeysWithValues: profiles), of: users)
            }
        }
    }

    private mutating func arrive(_ packet: Packet, at router: String, from edge: String) {
        guard let life = self.edges[edge]?.life else { return }
        switch packet {
        case .report(let report): self.change(router) { $0.reported(life, report, now: $1) }
        case .digest(let digest): self.routers[router]?.digest(life, digest)
        case .statesWanted: self.routers[router]?.statesWanted(life)
        case .wanted, .states: break
        }
    }

    private mutating func arrive(_ packet: Packet, atEdge name: String, from router: String) {
        guard var edge = self.edges[name] else { return }
        switch packet {
        case .wanted(let wanted):
            edge.reports.wanted(wanted.slots, by: router)
        case .states(let states):
            let owners = states.states.map { edge.owners[Slot(of: $0.user.value)] }
            for shown in edge.told.told(states, by: router, owners: owners, generation: edge.generation) {
                self.statesDelivered += 1
                guard edge.watched.contains(shown.user) else { continue }
                if edge.views[shown.user]?.status != shown.status {
                    edge.seen[shown.user, default: []].append(shown.status)
                }
                edge.views[shown.user] = shown
            }
        case .report, .digest, .statesWanted: break
        }
        self.edges[name] = edge
    }

    private mutating func tickRouter(_ name: String) {
        var full: Set<String> = []
        var actions: [Board.Action] = []
        self.change(name) { actions = $0.tick(now: $1) }
        for action in actions {
            switch action {
            case .tell(let life, let states):
                let link = Link(edge: life.edge, router: name)
                if full.contains(life.edge) || self.isLost() {
                    full.insert(life.edge)
                    self.routers[name]?.notTold(life, states)
                } else {
                    self.toEdge[link, default: []].append(.states(states))
                }
            case .ask(let life, let wanted):
                self.toEdge[Link(edge: life.edge, router: name), default: []].append(.wanted(wanted))
            case .load(let users):
                self.loads.append((name, users))
            case .writeLastSeen(let times):
                for time in times where self.stored[time.user]?.settings.status != .invisible {
                    let known = self.stored[time.user]?.lastSeenAt ?? 0
                    self.stored[time.user]?.lastSeenAt = max(time.at, known)
                }
            }
        }
    }

    private mutating func tickEdge(_ name: String) {
        guard var edge = self.edges[name] else { return }
        let owners = edge.owners
        func put(_ packet: Packet, _ router: String, _ links: inout [Link: [Packet]]) -> Bool {
            let link = Link(edge: name, router: router)
            guard self.up.contains(link) else { return false }
            links[link, default: []].append(packet)
            return true
        }
        for report in edge.reports.due(owner: { owners[$0] }) where !self.isLost() {
            if put(.report(report.body), report.router, &self.toRouter) {
                edge.reports.sent(report) { owners[$0] }
            }
        }
        for router in edge.told.takeIncomplete(generation: edge.generation).sorted() {
            if !put(.statesWanted, router, &self.toRouter) { edge.told.notAsked(router) }
        }
        if edge.nextDigest <= self.now {
            edge.nextDigest = self.now + 2000
            for (router, digest) in edge.reports.digests(owner: { owners[$0] }).sorted(by: { $0.key < $1.key }) {
                _ = put(.digest(digest), router, &self.toRouter)
            }
        }
        self.edges[name] = edge
    }
}
