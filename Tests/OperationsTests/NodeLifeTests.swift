// SPDX-License-Identifier: Apache-2.0

import Directory
import Logging
import Synchronization
import TestSupport
import Testing

@testable import Operations

/// A node that does no work, for what is done around one.
final class IdleNode: NodeService {
    struct Broken: Error, CustomStringConvertible {
        var description: String { "the node is broken" }
    }

    struct State {
        var reasons: [String] = ["nothing is known yet"]
        var isStarted = false
        var isDraining = false
        var shutdowns = 0
    }

    let state = Mutex(State())
    let isBroken: Bool
    /// Set by the test to let `shutdown` end.
    let mayEnd = OneShot<Void>()

    init(isBroken: Bool = false, endsAtOnce: Bool = true) {
        self.isBroken = isBroken
        if endsAtOnce { self.mayEnd.set(()) }
    }

    func start() async throws {
        if self.isBroken { throw Broken() }
        self.state.withLock { $0.isStarted = true }
    }

    func notReadyReasons() -> [String] {
        self.state.withLock { $0.reasons }
    }

    var isDraining: Bool { self.state.withLock { $0.isDraining } }

    func shutdown() async {
        self.state.withLock { $0.shutdowns += 1 }
        _ = await self.mayEnd.wait()
    }

    func becomeReady() {
        self.state.withLock { $0.reasons = [] }
    }
}

@Suite("The life of a node")
struct NodeLifeTests {
    private func life(_ node: IdleNode, _ bed: LeaseBed, _ lease: NodeLease, shutdown: Duration = .seconds(20))
        -> NodeLife
    {
        NodeLife(
            node: node,
            keeper: bed.keeper(lease),
            shutdownTimeout: shutdown,
            readyMetadata: ["http": "127.0.0.1:1"],
            logger: bed.log.logger
        )
    }

    @Test("goes from starting over ready and draining to a lease that was given back")
    func wholeLife() async throws {
        let bed = try await LeaseBed()
        let lease = bed.lease("router-1")
        let node = IdleNode(endsAtOnce: false)
        let life = self.life(node, bed, lease)
        let running = Task { try await life.run() }
        try await eventually("the node was started") { node.state.withLock { $0.isStarted } }
        #expect(try await bed.stored("router-1")?.state == .starting)
        #expect(bed.log.count(of: "notice ready") == 0)

        node.becomeReady()
        try await eventually("the lease says ready") { try await bed.stored("router-1")?.state == .ready }
        try await eventually("the log says ready, with the address") { bed.log.count(of: "notice ready http=") == 1 }

        life.stop(.signal(15))
        try await eventually("the lease says draining") { try await bed.stored("router-1")?.state == .draining }
        node.mayEnd.set(())
        try await running.value
        #expect(node.state.withLock { $0.shutdowns } == 1)
        #expect(try await bed.stored("router-1") == nil)
        await bed.end()
    }

    @Test("the lease says when the node is being drained, and when it is taken back")
    func drained() async throws {
        let bed = try await LeaseBed()
        let node = IdleNode()
        node.becomeReady()
        let life = self.life(node, bed, bed.lease("edge-1"))
        let running = Task { try await life.run() }
        for isDraining in [false, true, false, true] {
            node.state.withLock { $0.isDraining = isDraining }
            let wanted: NodeState = isDraining ? .draining : .ready
            try await eventually("the lease says \(wanted)") { try await bed.stored("edge-1")?.state == wanted }
        }
        life.stop(.signal(15))
        try await running.value
        await bed.end()
    }

    @Test("ends with the reason, its lease given back, when the node cannot start")
    func brokenStart() async throws {
        let bed = try await LeaseBed()
        let node = IdleNode(isBroken: true)
        let life = self.life(node, bed, bed.lease("router-1"))
        let error = await #expect(throws: OperationsError.self) { try await life.run() }
        #expect(error?.message == "the node is broken")
        #expect(node.state.withLock { $0.shutdowns } == 1)
        #expect(try await bed.stored("router-1") == nil)
        await bed.end()
    }

    @Test("ends within the time for shutdown, even if the node does not")
    func hangingShutdown() async throws {
        let bed = try await LeaseBed()
        let node = IdleNode(endsAtOnce: false)
        node.becomeReady()
        let life = self.life(node, bed, bed.lease("router-1"), shutdown: .milliseconds(200))
        let running = Task { try await life.run() }
        try await eventually("the lease says ready") { try await bed.stored("router-1")?.state == .ready }
        life.stop(.signal(15))
        try await running.value
        #expect(bed.log.count(of: "did not finish in time") == 1)
        #expect(try await bed.stored("router-1") == nil)
        node.mayEnd.set(())
        await bed.end()
    }

    @Test("ends with the node shut down when another life takes its name")
    func nameTaken() async throws {
        let bed = try await LeaseBed()
        let node = IdleNode()
        node.becomeReady()
        let life = self.life(node, bed, bed.lease("router-1"))
        let running = Task { try await life.run() }
        try await eventually("the lease says ready") { try await bed.stored("router-1")?.state == .ready }
        let other = bed.lease("router-1")
        try await eventually("another life has the lease") {
            try await blocking { try bed.server.flushAll() }
            return try await bed.leases.renewLease(other, timeToLive: .seconds(60)) == .held
        }
        await #expect(throws: OperationsError.self) { try await running.value }
        #expect(node.state.withLock { $0.shutdowns } == 1)
        #expect(try await bed.stored("router-1")?.incarnation == other.incarnation)
        await bed.end()
    }

    @Test("runs and becomes ready without Redis")
    func withoutRedis() async throws {
        let bed = try await LeaseBed()
        try await blocking { try bed.server.kill() }
        let node = IdleNode()
        node.becomeReady()
        let life = self.life(node, bed, bed.lease("router-1"))
        let running = Task { try await life.run() }
        try await eventually("the log says ready") { bed.log.count(of: "notice ready") == 1 }
        try await blocking { try bed.server.start() }
        try await eventually("the lease is there, ready") {
            (try? await bed.stored("router-1"))??.state == .ready
        }
        life.stop(.signal(2))
        try await running.value
        await bed.end()
    }
}
