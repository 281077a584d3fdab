// SPDX-License-Identifier: Apache-2.0

/// Carries out a ``FaultPlan`` on a cluster. Every fault ends by itself after its length.
final class FaultInjector {
    private let world: World
    private let cluster: SimulatedCluster
    private let devices: [SimulatedDevice]

    init(world: World, cluster: SimulatedCluster, devices: [SimulatedDevice]) {
        self.world = world
        self.cluster = cluster
        self.devices = devices
    }

    func schedule(_ plan: FaultPlan) {
        for step in plan.steps {
            self.world.scheduler.schedule(after: step.start) { self.begin(step.fault, length: step.length) }
        }
    }

    private func after(_ length: UInt64, _ end: @escaping () -> Void) {
        self.world.scheduler.schedule(after: length, end)
    }

    private func pick<Element>(_ elements: [Element]) -> Element {
        elements[Int(self.world.duration(0...UInt64(elements.count - 1)))]
    }

    private func begin(_ fault: FaultPlan.Fault, length: UInt64) {
        self.world.note("FAULT \(fault) for \(length / 1_000_000) ms")
        switch fault {
        case .crashRouter, .freezeRouter, .stopRouter: self.beginRouterFault(fault, length)
        case .crashEdge, .freezeEdge: self.beginEdgeFault(fault, length)
        case .blockLink, .partitionRouters, .partitionEdge, .slowLink, .fullLink: self.beginLinkFault(fault, length)
        case .registryAway, .registryEmptied, .registryRestarted, .registryUnreachable, .registryFailover:
            self.beginRegistryFault(fault, length)
        case .shardCrash, .shardUnreachable, .shardCut, .shardSlow: self.beginShardFault(fault, length)
        case .everybodyDrops:
            for device in self.devices { device.drop("storm") }
        }
    }

    private func beginRouterFault(_ fault: FaultPlan.Fault, _ length: UInt64) {
        let router = self.pick(self.cluster.routers)
        switch fault {
        case .crashRouter:
            router.crash()
            self.after(length) { router.restart() }
        case .freezeRouter:
            self.freeze(router, length)
        default:
            guard router.isAlive, !router.isFrozen else { return }
            router.leave()
            self.after(.milliseconds(450)) { router.endDeliveries() }
            self.after(.milliseconds(500)) {
                router.crash()
                self.after(length) { router.restart() }
            }
        }
    }

    private func beginEdgeFault(_ fault: FaultPlan.Fault, _ length: UInt64) {
        let edge = self.pick(self.cluster.edges)
        guard fault == .crashEdge else { return self.freeze(edge, length) }
        edge.crash()
        self.after(length) { edge.restart() }
    }

    private func freeze(_ node: SimulatedNode, _ length: UInt64) {
        node.freeze()
        for link in self.cluster.links(of: node) { link.expectSilence() }
        self.after(length) { node.thaw() }
    }

    private func beginLinkFault(_ fault: FaultPlan.Fault, _ length: UInt64) {
        var links: [SimulatedLink] = []
        switch fault {
        case .blockLink, .slowLink:
            links = [self.pick(self.cluster.links)]
        case .fullLink:
            links = [self.pick(self.cluster.links.filter { $0.nodes.0 is SimulatedEdge })]
        case .partitionRouters:
            links = self.cluster.links.filter { $0.nodes.0 is SimulatedRouter && $0.nodes.1 is SimulatedRouter }
        default:
            links = self.cluster.links(of: self.pick(self.cluster.edges))
        }
        let way = fault == .blockLink ? self.pick(SimulatedLink.Way.allCases) : .both
        for link in links {
            if fault == .slowLink {
                link.slowness = .milliseconds(80)
                self.after(length) { link.slowness = 0 }
            } else if fault == .fullLink {
                link.isFull = true
                self.after(length) { link.isFull = false }
            } else {
                link.block(way)
                self.after(length) { link.unblock() }
            }
        }
    }

    private func beginRegistryFault(_ fault: FaultPlan.Fault, _ length: UInt64) {
        let registry = self.cluster.registry
        switch fault {
        case .registryAway:
            registry.goAway()
            self.after(length) { registry.comeBack(emptied: false) }
        case .registryRestarted:
            registry.goAway()
            self.after(length) { registry.comeBack(emptied: true) }
        case .registryEmptied:
            registry.empty()
        case .registryFailover:
            let nodes = self.cluster.routers.map(\.name) + self.cluster.edges.map(\.name)
            registry.failOver(
                lag: self.world.duration(0...(.milliseconds(500))),
                nodes: nodes.map { ($0, self.world.duration(0...length)) }
            )
        default:
            let nodes = self.cluster.routers.map(\.name) + self.cluster.edges.map(\.name)
            let node = self.pick(nodes)
            registry.setReachable(false, from: node)
            self.after(length) { registry.setReachable(true, from: node) }
        }
    }

    private func beginShardFault(_ fault: FaultPlan.Fault, _ length: UInt64) {
        let state = self.cluster.state(of: self.pick(self.cluster.shards.keys.sorted()))
        switch fault {
        case .shardCrash:
            state.crash()
            self.after(length) { state.restart() }
        case .shardUnreachable:
            let router = self.pick(self.cluster.routers).name
            state.setReachable(false, from: router)
            self.after(length) { state.setReachable(true, from: router) }
        case .shardCut:
            for round in 0..<5 as Range<UInt64> {
                self.after(round * length / 5) { state.cutAll("cut") }
            }
        default:
            state.slowness = .milliseconds(60)
            self.after(length) { state.slowness = 0 }
        }
    }
}
