// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import Router

@Suite("Who passes things on")
struct RelayPlanTests {
    private static let edges = (1...400).map { "edge-\($0)" }

    private static func plan(routers: Int) -> RelayPlan {
        var plan = RelayPlan(own: "router-1")
        for number in 2...routers { plan.reaches("router-\(number)", isWhole: true, came: Self.edges, gone: []) }
        return plan
    }

    private static func shares(_ plan: RelayPlan) -> [String: Int] {
        Self.edges.reduce(into: [:]) { $0[plan.relay(for: $1) ?? "router-1", default: 0] += 1 }
    }

    @Test("400 edges are shared by 16 routers, the owner among them, and each has about as many")
    func evenness() {
        let shares = Self.shares(Self.plan(routers: 16))
        #expect(shares.count == 16)
        #expect(shares.values.allSatisfy { (8...45).contains($0) }, "\(shares)")
    }

    @Test("When a router goes, only the edges of its share change their way; when it is back, they have the old one")
    func movement() {
        var plan = Self.plan(routers: 16)
        let before = Self.edges.map { plan.relay(for: $0) }
        let version = plan.version
        plan.lost("router-7")
        #expect(plan.version > version)
        let without = Self.edges.map { plan.relay(for: $0) }
        for (former, now) in zip(before, without) where former != "router-7" { #expect(now == former) }
        #expect(!without.contains("router-7"))
        plan.reaches("router-7", isWhole: true, came: Self.edges, gone: [])
        #expect(Self.edges.map { plan.relay(for: $0) } == before)
    }

    @Test("An edge that a router does not reach takes another way, and what is told twice changes nothing")
    func reach() throws {
        var plan = Self.plan(routers: 3)
        let edge = try #require(Self.edges.first { plan.relay(for: $0) == "router-2" })
        plan.cannotReach(edge, through: "router-2")
        #expect(plan.relay(for: edge) != "router-2")
        let version = plan.version
        plan.cannotReach(edge, through: "router-2")
        plan.reaches("router-2", isWhole: false, came: [], gone: [edge])
        plan.reaches("router-3", isWhole: true, came: Self.edges, gone: [])
        #expect(plan.version == version)
        plan.reaches("router-2", isWhole: false, came: [edge], gone: [])
        #expect(plan.relay(for: edge) == "router-2")
        plan.reaches("router-2", isWhole: true, came: [], gone: [])
        #expect(plan.relayCount == 1)
    }

    @Test("Passing on begins at the threshold, ends below half of it, and says which edges change their way")
    func hysteresis() {
        let plan = Self.plan(routers: 4)
        var paths = AudiencePaths()
        let edges = Array(Self.edges.prefix(20))
        func adapt(_ count: Int) -> Set<String> { Set(paths.adapt(to: plan, edges: count, relayedFrom: 16)) }
        #expect(adapt(15).isEmpty && !paths.isRelayed)
        for edge in edges { #expect(paths.relay(for: edge, in: plan) == nil) }
        let relayed = Set(edges.filter { plan.relay(for: $0) != nil })
        #expect(!relayed.isEmpty && adapt(16) == relayed)
        for edge in edges { #expect(paths.relay(for: edge, in: plan) == plan.relay(for: edge)) }
        #expect(adapt(8).isEmpty && paths.isRelayed)
        #expect(adapt(7) == relayed && !paths.isRelayed)
        #expect(edges.allSatisfy { paths.current($0) == nil })
    }

    @Test("A new plan changes the way of those edges alone that it is about")
    func newPlan() throws {
        var plan = Self.plan(routers: 4)
        var paths = AudiencePaths()
        let edges = Array(Self.edges.prefix(40))
        _ = paths.adapt(to: plan, edges: 40, relayedFrom: 16)
        for edge in edges { _ = paths.relay(for: edge, in: plan) }
        let moved = Set(edges.filter { plan.relay(for: $0) == "router-2" })
        plan.lost("router-2")
        #expect(Set(paths.adapt(to: plan, edges: 40, relayedFrom: 16)) == moved)
        // Nobody else is left to pass anything on.
        plan.lost("router-3")
        plan.lost("router-4")
        _ = paths.adapt(to: plan, edges: 40, relayedFrom: 16)
        #expect(!paths.isRelayed)
    }
}
