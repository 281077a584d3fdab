// SPDX-License-Identifier: Apache-2.0

import Dispatch
import Messaging
import NIOCore
import NIOPosix
import Synchronization
import TestSupport
import Testing
import Wire

@testable import Mesh

extension SocketTests {
    @Suite("Links that are lost, silent, slow or full")
    struct LinkPressureTests {
        // MARK: - What does not arrive

        @Test("Nothing leaves without a link, and the caller is told for certain")
        func notConnected() async throws {
            try await Cluster.run { cluster in
                let edge = cluster.node("edge", .edge, Recorder())
                guard case .failure(let error) = await edge.ask("?") else {
                    Issue.record("answered")
                    return
                }
                #expect(error.code == .notConnected && !error.mayHaveArrived)
                #expect(edge.notify(kind: 1, payload: ByteBuffer(), to: "router", class: .durable) == .notConnected)
            }
        }

        @Test("A deadline that passes ends the request, and its late answer is not told")
        func deadline() async throws {
            try await Cluster.run { cluster in
                let router = Recorder()
                let (edge, _, _) = try await cluster.pair(edge: Recorder(), router: router)
                guard case .failure(let error) = await edge.ask("?", within: .milliseconds(100)) else {
                    Issue.record("answered")
                    return
                }
                #expect(error.code == .deadlineExceeded && error.mayHaveArrived)
                for request in router.takeHeld() { request.reply(status: 1) }
                try await eventually("the late answer has arrived") { edge.counters.snapshot().lateResponses == 1 }
                #expect(edge.counters.snapshot().requestsExpired == 1)
                #expect(edge.peers.count == 1)
            }
        }

        @Test("A peer that dies fails what it was asked at once, and is dialled again")
        func killed() async throws {
            try await Cluster.run { cluster in
                let (edgeSide, routerSide) = (Recorder(), Recorder())
                let router = cluster.node("router", .router, routerSide)
                let edge = cluster.node("edge", .edge, edgeSide)
                let (proxy, address) = try await Proxy.open(to: try await router.listen(host: "127.0.0.1", port: 0))
                defer { proxy.close() }
                edge.setPeers([.at(address, "router")])
                try await Cluster.linked(edge, router)
                let answers = edge.askMany(50, to: "router")
                try await eventually("the router has all requests") { routerSide.held.count == 50 }
                let before = ContinuousClock.now
                proxy.cut()
                try await eventually("all have failed") { answers.count == 50 }
                #expect(ContinuousClock.now - before < .milliseconds(900), "a closed connection is news at once")
                #expect(answers.errors.allSatisfy { $0.code == .linkLost && $0.mayHaveArrived })
                try await eventually("both know") { edge.peers.isEmpty && router.peers.isEmpty }
                // Answers that have no link any more go nowhere and do no harm.
                for request in routerSide.takeHeld() { request.reply(status: 1) }
                #expect(router.counters.snapshot().droppedResponses == 50)
                proxy.mend()
                try await Cluster.linked(edge, router)
                #expect(edgeSide.links.count == 3)
            }
        }

        @Test("Requests that wait for credit when the link is lost never left, the others may have arrived")
        func lostWhileWaiting() async throws {
            try await Cluster.run { cluster in
                let routerSide = Recorder()
                let settings = Cluster.settings { $0.creditItems = 8 }
                let router = cluster.node("router", .router, routerSide, settings: settings)
                let edge = cluster.node("edge", .edge, Recorder(), settings: settings)
                let (proxy, address) = try await Proxy.open(to: try await router.listen(host: "127.0.0.1", port: 0))
                defer { proxy.close() }
                edge.setPeers([.at(address, "router")])
                try await Cluster.linked(edge, router)
                let answers = edge.askMany(20, to: "router")
                try await eventually("the credit is used up") { routerSide.held.count == 8 }
                proxy.cut()
                try await eventually("all have failed") { answers.count == 20 }
                #expect(answers.count(.linkLost) == 8 && answers.count(.notConnected) == 12)
                #expect(answers.errors.allSatisfy { $0.mayHaveArrived == ($0.code == .linkLost) })
            }
        }

        // MARK: - Silence and slowness

        @Test("A peer that is frozen is noticed after the silence limit, and linked again when it wakes")
        func frozen() async throws {
            try await Cluster.run { cluster in
                let (edgeSide, routerSide) = (Recorder(), Recorder())
                let settings = Cluster.settings { $0.silenceLimit = .milliseconds(400) }
                let router = cluster.node("router", .router, routerSide, settings: settings)
                let edge = cluster.node("edge", .edge, edgeSide, settings: settings)
                let (proxy, address) = try await Proxy.open(to: try await router.listen(host: "127.0.0.1", port: 0))
                defer { proxy.close() }
                edge.setPeers([.at(address, "router")])
                try await Cluster.linked(edge, router)
                try await eventually("heartbeats go round") {
                    edge.linkStates().first?.roundTripMicroseconds != nil
                }
                let answers = edge.askMany(3, to: "router")
                try await eventually("the router has them") { routerSide.held.count == 3 }
                let before = ContinuousClock.now
                proxy.freeze()
                try await eventually("both have noticed") {
                    edgeSide.downReasons.count == 1 && routerSide.downReasons.count == 1
                }
                #expect(ContinuousClock.now - before >= .milliseconds(300))
                // Whoever notices first closes the connection, which is how the other may hear of it.
                #expect((edgeSide.downReasons + routerSide.downReasons).contains { $0.contains("no sign of life") })
                #expect(answers.count(.linkLost) == 3)
                proxy.thaw()
                try await Cluster.linked(edge, router)
            }
        }

        @Test("A node that stood still takes up nothing that came meanwhile, once its peer has given it up")
        func stoodStill() async throws {
            try await Cluster.run { cluster in
                let (edgeSide, routerSide) = (Recorder(), Recorder())
                let settings = Cluster.settings { $0.silenceLimit = .milliseconds(400) }
                let router = cluster.node("router", .router, routerSide, settings: settings)
                let stopped = MultiThreadedEventLoopGroup(numberOfThreads: 1)
                let edge = cluster.node("edge", .edge, edgeSide, settings: settings, group: stopped)
                edge.setPeers([.at(try await router.listen(host: "127.0.0.1", port: 0), "router")])
                try await Cluster.linked(edge, router)
                try await eventually("heartbeats go round") {
                    edge.linkStates().first?.roundTripMicroseconds != nil
                }
                router.notify(kind: 1, payload: ByteBuffer(string: "before"), to: "edge", class: .durable)
                try await eventually("it arrives") { edgeSide.traffic.count == 1 }
                let gate = DispatchSemaphore(value: 0)
                let isStill = Atomic(false)
                stopped.next().execute {
                    isStill.store(true, ordering: .releasing)
                    _ = gate.wait(timeout: .now() + .seconds(60))
                }
                try await eventually("the edge stands still") { isStill.load(ordering: .acquiring) }
                let sent = router.notify(kind: 1, payload: ByteBuffer(string: "late"), to: "edge", class: .durable)
                #expect(sent.isQueued)
                try await eventually("the router has given it up") { routerSide.downReasons.count == 1 }
                gate.signal()
                try await Cluster.linked(edge, router)
                router.notify(kind: 1, payload: ByteBuffer(string: "after"), to: "edge", class: .durable)
                try await eventually("it arrives") {
                    edgeSide.traffic.contains(.notification(kind: 1, "after"))
                }
                #expect(!edgeSide.traffic.contains(.notification(kind: 1, "late")))
                await edge.shutdown()
                try await stopped.shutdownGracefully()
            }
        }

        @Test("A peer that accepts and never says a word is given up after the handshake's time")
        func neverAnswers() async throws {
            try await Cluster.run { cluster in
                let target = try await SilentServer.open()
                defer { target.close() }
                let edge = cluster.node(
                    "edge",
                    .edge,
                    Recorder(),
                    settings: Cluster.settings { $0.handshakeTimeout = .milliseconds(150) }
                )
                edge.setPeers([.at(target.address, "router")])
                try await eventually("it is dialled again and again") { target.accepted >= 3 }
                #expect(edge.counters.snapshot().refusals[.timedOut, default: 0] >= 2)
                #expect(edge.peers.isEmpty)
            }
        }

        /// With 60,000 bytes each more than the sockets of the proxy take.
        private static let bulkNotifications = 150

        @Test("A bulk lane that stands still does not end the link, and loses nothing")
        func slowBulkLane() async throws {
            try await Cluster.run { cluster in
                let (edgeSide, routerSide) = (Recorder(), Recorder())
                let settings = Cluster.settings { $0.silenceLimit = .milliseconds(300) }
                let router = cluster.node("router", .router, routerSide, settings: settings)
                let edge = cluster.node("edge", .edge, edgeSide, settings: settings)
                let (proxy, address) = try await Proxy.open(to: try await router.listen(host: "127.0.0.1", port: 0))
                defer { proxy.close() }
                edge.setPeers([.at(address, "router")])
                try await Cluster.linked(edge, router)
                #expect(proxy.connections == 2)
                proxy.hold(connection: 1, true)
                var generator = SystemRandomNumberGenerator()
                let noise = (0..<60_000).map { _ in UInt8.random(in: 0...255, using: &generator) }
                for _ in 0..<Self.bulkNotifications {
                    edge.notify(kind: 1, payload: ByteBuffer(bytes: noise), to: "router", class: .durable)
                }
                let stillUntil = ContinuousClock.now + .milliseconds(1200)
                try await eventually("several times the silence limit is over") { ContinuousClock.now > stillUntil }
                #expect(edgeSide.links.count == 1 && routerSide.links.count == 1, "the link is still up")
                #expect(routerSide.traffic.count < Self.bulkNotifications)
                #expect(
                    (edge.linkStates().first?.queuedFrames ?? 0) > 0,
                    "what cannot be sent waits, in a bounded queue"
                )
                proxy.hold(connection: 1, false)
                try await eventually("everything has arrived", within: .seconds(30)) {
                    routerSide.traffic.count == Self.bulkNotifications
                }
                #expect(edgeSide.links.count == 1)
            }
        }

        // MARK: - Credit

        @Test("A receiver that does not answer holds no more than the credit; the rest is refused; the link stays")
        func overload() async throws {
            try await Cluster.run { cluster in
                let (edgeSide, routerSide) = (Recorder(), Recorder())
                let settings = Cluster.settings {
                    $0.creditItems = 8
                    $0.outboundQueueFramesMax = 20
                    $0.silenceLimit = .milliseconds(300)
                }
                let (edge, router, _) = try await cluster.pair(edge: edgeSide, router: routerSide, settings: settings)
                let answers = edge.askMany(100, to: "router")
                try await eventually("the receiver is full") { routerSide.held.count == 8 && answers.count >= 72 }
                #expect(answers.count(.overloaded) == answers.count)
                #expect(answers.errors.allSatisfy { !$0.mayHaveArrived })
                #expect((72...80).contains(answers.count))
                let filler = edge.askMany(20, to: "router")
                try await eventually("the queue is full") { edge.linkStates().first?.queuedFrames == 20 }
                #expect(edge.notify(kind: 1, payload: ByteBuffer(), to: "router", class: .durable) == .overloaded)
                #expect(edge.notify(kind: 1, payload: ByteBuffer(), to: "router", class: .ephemeral) == .dropped)
                #expect(edge.counters.snapshot().droppedEphemeral == 1)
                let stillUntil = ContinuousClock.now + .milliseconds(900)
                try await eventually("several times the silence limit is over") { ContinuousClock.now > stillUntil }
                #expect(edgeSide.links.count == 1 && routerSide.links.count == 1)
                #expect(routerSide.held.count == 8)
                #expect(router.linkStates().first?.heldItems == 8)
                // When it answers, what waited goes on.
                let wanted = 100 + 20
                try await eventually("all have ended") {
                    for request in routerSide.takeHeld() { request.reply(status: 1) }
                    return answers.count + filler.count == wanted
                }
                #expect(answers.succeeded.count + answers.count(.overloaded) == 100)
                #expect(answers.succeeded == answers.succeeded.sorted(), "in the order in which they were asked")
            }
        }

        @Test("Two nodes that both ran out of credit do not wait for each other for ever")
        func noDeadlock() async throws {
            try await Cluster.run { cluster in
                let (edgeSide, routerSide) = (Recorder(), Recorder())
                let settings = Cluster.settings { $0.creditItems = 8 }
                let (edge, router, _) = try await cluster.pair(edge: edgeSide, router: routerSide, settings: settings)
                let (toRouter, toEdge) = (edge.askMany(60, to: "router"), router.askMany(60, to: "edge"))
                try await eventually("both are full") { edgeSide.held.count == 8 && routerSide.held.count == 8 }
                try await eventually("all are answered") {
                    for request in edgeSide.takeHeld() + routerSide.takeHeld() { request.reply(status: 1) }
                    return toRouter.count == 60 && toEdge.count == 60
                }
                #expect(toRouter.succeeded.count == 60 && toEdge.succeeded.count == 60)
            }
        }

        @Test("Notifications give their credit back by being handled")
        func notificationCredit() async throws {
            try await Cluster.run { cluster in
                let routerSide = Recorder()
                let settings = Cluster.settings {
                    $0.creditItems = 4
                    $0.creditBytes = 2000
                }
                let (edge, _, _) = try await cluster.pair(edge: Recorder(), router: routerSide, settings: settings)
                for index in 0..<1000 {
                    let text = "\(index)" + String(repeating: "x", count: index % 7 == 0 ? 3000 : 10)
                    #expect(
                        edge.notify(kind: 1, payload: ByteBuffer(string: text), to: "router", class: .durable)
                            == .queued
                    )
                }
                try await eventually("all have arrived") { routerSide.traffic.count == 1000 }
            }
        }
    }
}
