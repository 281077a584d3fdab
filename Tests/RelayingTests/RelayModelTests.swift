// SPDX-License-Identifier: Apache-2.0

import Edge
import Messaging
import Synchronization
import TestSupport
import Testing

@testable import Router

/// The decisions of owner, routers that pass on, and edges are the real ones; only links and time are the test's.
@Suite("Passing on to hundreds of edges", .timeLimit(.minutes(5)))
struct RelayModelTests {
    private static func user(_ number: Int) -> UserID { UserID(value: UInt128(number)) }

    private static func members(_ count: Int) -> MemberList {
        MemberList((1...count).map { Member(user: Self.user($0), role: .member) }, version: 1)
    }

    @Test("A message to 400 edges costs its owner a frame for each router and for its own share, and all get it")
    func tree() throws {
        let (edges, routers) = (400, 20)
        let world = try RelayWorld(relays: routers - 1, edges: edges, relayedFrom: 48)
        for number in 1...edges { try world.attach(Self.user(number), to: "edge-\(number)") }
        for _ in 1...10 { try world.send(members: Self.members(edges)) }
        try world.settle()
        let frames = world.state.withLock { $0.framesOfOwner } / 10
        print("400 edges, 20 routers: \(frames) frames of the owner for a message, 400 without others")
        // A frame for each of the others, and a twentieth of the edges, give or take chance.
        #expect((routers - 1...routers - 1 + 45).contains(frames))
        world.state.withLock { state in
            for number in 1...edges {
                #expect(state.edges["edge-\(number)"]?.received[Self.user(number)] == Set(1...10))
                #expect(state.edges["edge-\(number)"]?.positions.snapshot.positions?.isEmpty == false)
            }
        }
    }

    @Test("Below the threshold the owner sends to every edge itself")
    func fewEdges() throws {
        let world = try RelayWorld(relays: 3, edges: 40, relayedFrom: 48)
        for number in 1...40 { try world.attach(Self.user(number), to: "edge-\(number)") }
        for _ in 1...5 { try world.send(members: Self.members(40)) }
        #expect(world.state.withLock { $0.framesOfOwner } == 200)
    }

    @Test(
        "Links are lost, routers killed, users come and go: no edge ever says that it has come past something that it missed",
        arguments: 1...4 as ClosedRange<UInt64>
    )
    func faults(seed: UInt64) throws {
        var random = SeededRandom(seed: seed)
        let world = try RelayWorld(relays: 7, edges: 120, relayedFrom: 24)
        // Some edges have so many users that these are named by a number.
        let crowded = 12
        var places: [UserID: String] = [:]
        var number = 0
        for (index, edge) in world.edgeNames.enumerated() {
            for _ in 0..<(index < crowded ? 40 : 2) {
                number += 1
                places[Self.user(number)] = edge
                try world.attach(Self.user(number), to: edge)
            }
        }
        let members = Self.members(number)
        let routers = [RelayWorld.owner] + world.relays
        var checked = 0
        for step in 0..<4000 {
            let router = routers[Int.random(in: 0..<routers.count, using: &random)]
            let relay = world.relays[Int.random(in: 0..<world.relays.count, using: &random)]
            let edge = world.edgeNames[Int.random(in: 0..<world.edgeNames.count, using: &random)]
            switch Int.random(in: 0..<1000, using: &random) {
            case 0..<500:
                // Some links are slow.
                for edge in world.edgeNames where Int.random(in: 0..<4, using: &random) > 0 {
                    try world.carry(router, edge, atMost: .random(in: 1...8, using: &random))
                }
            case 500..<640: world.passOn(relay)
            case 640..<780: world.answer(relay)
            case 780..<840: try world.send(members: members)
            case 840..<880: world.tellProgress()
            case 880..<960:
                let user = Self.user(.random(in: 1...number, using: &random))
                guard let place = places.removeValue(forKey: user) else {
                    // The crowded ones more often: there whom a number means has to be told.
                    let index = Int.random(in: 0..<(step % 2 == 0 ? crowded : world.edgeNames.count), using: &random)
                    places[user] = world.edgeNames[index]
                    try world.attach(user, to: world.edgeNames[index])
                    break
                }
                try world.detach(user, from: place)
            case 960..<972: world.cut(router, edge)
            case 972..<982: try self.mend(world, routers, &random)
            case 982..<994:
                for router in routers { try world.edgeHears(of: router, edge) }
            case 994..<996:
                try world.kill(relay)
                for edge in world.edgeNames { try world.link(relay, edge, edgeHearsOfIt: .random(using: &random)) }
            default: world.tellOwners()
            }
            if step % 10 == 0 { checked += self.check(world, seed: seed, step: step) }
        }
        print("seed \(seed): \(checked) times an edge said how far it has come")
        #expect(checked > 2000)
        // Everything is mended: then everybody has everything, or knew that it had to ask.
        for router in routers {
            for edge in world.edgeNames { try world.edgeHears(of: router, edge) }
        }
        for (router, edge) in world.deadLinks { try world.link(router, edge) }
        world.tellOwners()
        try world.settle()
        try world.send(members: members)
        try world.settle()
        self.check(world, seed: seed, step: .max)
        world.state.withLock { state in
            let owner = state.nodes[RelayWorld.owner]?.incarnation ?? Incarnation(value: 0)
            for edge in world.edgeNames {
                let position = state.edges[edge]?.positions.snapshot.positions?[owner]
                #expect(position == state.positions.last, "seed \(seed): \(edge) has not come to the end")
            }
        }
    }

    /// Half of the links that are lost are made anew.
    private func mend(_ world: RelayWorld, _ routers: [String], _ random: inout SeededRandom) throws {
        for (router, edge) in world.deadLinks where Bool.random(using: &random) {
            try world.link(router, edge, edgeHearsOfIt: .random(using: &random))
        }
    }

    /// Returns how many edges say how far they have come.
    @discardableResult
    private func check(_ world: RelayWorld, seed: UInt64, step: Int) -> Int {
        world.state.withLock { state in
            let owner = state.nodes[RelayWorld.owner]?.incarnation ?? Incarnation(value: 0)
            for edge in world.edgeNames {
                let gaps = state.edges[edge]?.silentGaps(owner: owner, positions: state.positions) ?? []
                #expect(gaps.isEmpty, "seed \(seed), step \(step): \(edge) says nothing of \(gaps.prefix(5))")
            }
            return state.edges.values.count { $0.positions.snapshot.positions != nil }
        }
    }
}
