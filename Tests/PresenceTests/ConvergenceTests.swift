// SPDX-License-Identifier: Apache-2.0

import Directory
import Messaging
import Placement
import TestSupport
import Testing
import Wire

@testable import Edge
@testable import Router

@Suite("Presence converges")
struct ConvergenceTests {
    @Test(
        "Whatever is lost, whoever dies and whoever owns the slots: after quiet every watcher sees the truth",
        arguments: 1...50
    )
    func chaos(seed: UInt64) {
        var simulation = Simulation(seed: seed)
        simulation.lossPercent = seed % 3 == 0 ? 0 : 15
        for _ in 0..<400 {
            Self.disturb(&simulation)
            simulation.run(milliseconds: UInt64.random(in: 0...6, using: &simulation.random) * Simulation.step)
        }
        simulation.lossPercent = 0
        for router in ["router-1", "router-2"] where simulation.routers[router] == nil {
            simulation.startRouter(router)
        }
        for edge in ["edge-1", "edge-2", "edge-3"] where simulation.edges[edge] == nil { simulation.startEdge(edge) }
        for edge in simulation.edges.keys.sorted() {
            for router in simulation.routers.keys.sorted() { simulation.linkUp(.init(edge: edge, router: router)) }
            simulation.tellEdgeOwners(edge)
        }
        // Whoever begins to watch only now sees the truth too.
        for edge in simulation.edges.keys.sorted() {
            for user in simulation.users.prefix(10) { simulation.watch(user, on: edge) }
        }
        simulation.run(milliseconds: 10_000)
        var watched = 0
        for (name, edge) in simulation.edges {
            for user in edge.watched {
                watched += 1
                let view = edge.views[user]
                #expect(view?.status == simulation.truth(user), "seed \(seed): \(user) as seen on \(name)")
                if simulation.stored[user]?.settings.visibility == .nobody {
                    #expect(view?.lastSeenAt == nil, "seed \(seed): \(user) hides")
                }
            }
        }
        #expect(watched >= 30, "seed \(seed)")
        let before = simulation.statesDelivered
        simulation.run(milliseconds: 10_000)
        #expect(simulation.statesDelivered == before, "seed \(seed): in quiet nothing is told")
    }

    private static func disturb(_ simulation: inout Simulation) {
        let edge = "edge-\(Int.random(in: 1...3, using: &simulation.random))"
        let router = "router-\(Int.random(in: 1...2, using: &simulation.random))"
        let user = simulation.users.randomElement(using: &simulation.random) ?? UserID(value: 1)
        let isUp = simulation.edges[edge] != nil
        switch Int.random(in: 0..<100, using: &simulation.random) {
        case ..<25: simulation.attach(user, to: edge)
        case ..<45: simulation.detach(user, from: edge)
        case ..<60: simulation.watch(user, on: edge)
        case ..<66: simulation.unwatch(user, on: edge)
        case ..<74:
            let settings = PresenceSettings(
                status: ChosenStatus.allCases.randomElement(using: &simulation.random) ?? .online,
                visibility: Int.random(in: 0..<4, using: &simulation.random) == 0 ? .nobody : .everyone
            )
            simulation.choose(user, settings)
        case ..<80: simulation.linkDown(.init(edge: edge, router: router))
        case ..<88: simulation.linkUp(.init(edge: edge, router: router))
        case ..<89: if isUp { simulation.killEdge(edge) }
        case ..<93: if !isUp { simulation.startEdge(edge) }
        case ..<95:
            let other = router == "router-1" ? "router-2" : "router-1"
            if simulation.routers[router] == nil {
                simulation.startRouter(router)
            } else if simulation.routers[other] != nil {
                simulation.killRouter(router, heirs: [other])
            }
        case ..<98:
            let slots = simulation.usedSlots.sorted().filter { $0.number % 3 == 0 }
            simulation.move(slots, among: simulation.routers.keys.sorted())
        default: simulation.tellEdgeOwners(edge)
        }
    }

    /// Ada on edge-1, watched from edge-2, and settled.
    private func watched() -> (Simulation, UserID) {
        var simulation = Simulation(seed: 7)
        let ada = simulation.users[0]
        simulation.attach(ada, to: "edge-1")
        simulation.watch(ada, on: "edge-2")
        simulation.run(milliseconds: 4000)
        return (simulation, ada)
    }

    @Test("Who comes back within the grace, on another edge too, is never seen to be away")
    func grace() {
        var (simulation, ada) = self.watched()
        #expect(simulation.edges["edge-2"]?.seen[ada] == [.online])
        for edge in ["edge-3", "edge-1", "edge-2"] {
            for old in ["edge-1", "edge-2", "edge-3"] { simulation.detach(ada, from: old) }
            simulation.run(milliseconds: 800)
            simulation.attach(ada, to: edge)
            simulation.run(milliseconds: 2000)
        }
        #expect(simulation.edges["edge-2"]?.seen[ada] == [.online])
        for edge in ["edge-1", "edge-2", "edge-3"] { simulation.detach(ada, from: edge) }
        let left = Simulation.wallAtStart + simulation.now
        simulation.run(milliseconds: 2000)
        #expect(simulation.edges["edge-2"]?.seen[ada] == [.online, .offline])
        let lastSeen = simulation.edges["edge-2"]?.views[ada]?.lastSeenAt ?? 0
        #expect((left...left + 200).contains(lastSeen), "the time of leaving, not of the end of the grace")
        #expect(simulation.stored[ada]?.lastSeenAt == lastSeen, "and it is stored")
    }

    @Test("kill -9 of the user's edge is seen after the grace, without waiting for anything else")
    func edgeDies() {
        var (simulation, ada) = self.watched()
        simulation.killEdge("edge-1")
        simulation.run(milliseconds: 900)
        #expect(simulation.edges["edge-2"]?.views[ada]?.status == .online)
        simulation.run(milliseconds: 600)
        #expect(simulation.edges["edge-2"]?.views[ada]?.status == .offline)
    }

    @Test("kill -9 of the owner is not seen, and what changes meanwhile is afterwards")
    func ownerDies() {
        var (simulation, ada) = self.watched()
        let bob = simulation.users[1]
        simulation.watch(bob, on: "edge-2")
        simulation.run(milliseconds: 3000)
        #expect(simulation.edges["edge-2"]?.views[bob]?.status == .offline)
        let owner = simulation.owners[Slot(of: ada.value)] ?? ""
        simulation.killRouter(owner, heirs: [owner == "router-1" ? "router-2" : "router-1"])
        simulation.attach(bob, to: "edge-3")
        simulation.run(milliseconds: 500)
        for edge in ["edge-1", "edge-2", "edge-3"] { simulation.tellEdgeOwners(edge) }
        simulation.run(milliseconds: 5000)
        #expect(simulation.edges["edge-2"]?.seen[ada] == [.online])
        #expect(simulation.edges["edge-2"]?.seen[bob] == [.offline, .online])
    }

    @Test("Many changes in a short time are merged: the watcher is told a few, and the last one")
    func merging() {
        var (simulation, ada) = self.watched()
        let before = simulation.statesDelivered
        for round in 0..<40 {
            simulation.choose(ada, PresenceSettings(status: round % 2 == 0 ? .busy : .online))
            simulation.run(milliseconds: 50)
        }
        simulation.choose(ada, PresenceSettings(status: .away))
        simulation.run(milliseconds: 500)
        #expect(simulation.edges["edge-2"]?.views[ada]?.status == .away)
        // Two seconds of changes at most one in a quarter of a second.
        #expect((1...10).contains(simulation.statesDelivered - before))
    }

    @Test("Who is invisible, or visible to nobody, is offline; leaving while invisible moves no time")
    func hiding() {
        var (simulation, ada) = self.watched()
        simulation.choose(ada, PresenceSettings(visibility: .nobody))
        simulation.run(milliseconds: 500)
        #expect(simulation.edges["edge-2"]?.views[ada] == ShownPresence(user: ada, status: .offline))
        simulation.choose(ada, PresenceSettings(status: .invisible))
        simulation.run(milliseconds: 500)
        #expect(simulation.edges["edge-2"]?.views[ada]?.status == .offline)
        simulation.detach(ada, from: "edge-1")
        simulation.run(milliseconds: 3000)
        #expect(simulation.stored[ada]?.lastSeenAt == nil)
        #expect(simulation.edges["edge-2"]?.seen[ada] == [.online, .offline])
    }

    @Test("A board takes no more users than its bound, and counts the others")
    func bound() {
        var settings = PresenceBoard.Settings()
        settings.usersMax = 3
        var board = PresenceBoard(settings: settings)
        let users = (1...5).map { UserID(value: UInt128($0)) }
        let now = PresenceBoard.Moment(monotonic: 1, wall: 1)
        board.slotsChanged(Set(users.map { Slot(of: $0.value) }), now: now)
        let life = EdgeLife(edge: "edge-1", incarnation: Incarnation(value: 1))
        board.linkUp(life, now: now)
        for user in users {
            let presence = SlotPresence(slot: Slot(of: user.value), base: 0, version: 1, attached: [user])
            board.reported(life, PresenceReport(slots: [presence]), now: now)
        }
        #expect(board.counts.users == 3)
        #expect(board.counts.refused == 2)
    }
}
