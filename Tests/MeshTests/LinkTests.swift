// SPDX-License-Identifier: Apache-2.0

import Messaging
import NIOCore
import Synchronization
import TestSupport
import Testing
import Wire

@testable import Mesh

extension SocketTests {
    @Suite("Links")
    struct LinkTests {
        // MARK: - Traffic

        @Test("Requests are answered, and come with everything that was said about them")
        func request() async throws {
            try await Cluster.run { cluster in
                let inbound = Mutex<InboundRequest?>(nil)
                let router = Recorder { request in
                    inbound.withLock { $0 = request }
                    return request.reply(status: 9, payload: ByteBuffer(string: "yes"))
                }
                let (edge, _, _) = try await cluster.pair(edge: Recorder(), router: router)
                let answer = try await edge.ask("question", kind: 513).get()
                #expect(answer == MeshResponse(status: 9, payload: ByteBuffer(string: "yes")))
                let request = try #require(inbound.withLock { $0 })
                #expect(request.peer == edge.identity)
                #expect(request.kind == 513 && request.slot == 3 && request.epoch == 4)
                #expect(request.deadline > .now() + .seconds(10) && request.deadline < .now() + .seconds(21))
                #expect(!request.reply(status: 1), "a second answer is ignored")
                #expect(edge.counters.snapshot().requestsPending == 0)
            }
        }

        @Test("Requests and notifications of one thread arrive in order, in both directions")
        func order() async throws {
            try await Cluster.run { cluster in
                let (edgeSide, routerSide) = (Recorder(), Recorder())
                let (edge, router, _) = try await cluster.pair(edge: edgeSide, router: routerSide)
                var expected: [Recorder.Event] = []
                for index in 0..<500 {
                    let payload = ByteBuffer(string: "\(index)")
                    if index % 3 == 0 {
                        expected.append(.request(kind: 2, "\(index)"))
                        edge.request(
                            kind: 2,
                            slot: 0,
                            epoch: 0,
                            payload: payload,
                            to: "router",
                            deadline: .distantFuture
                        ) { _ in }
                        router.request(
                            kind: 2,
                            slot: 0,
                            epoch: 0,
                            payload: payload,
                            to: "edge",
                            deadline: .distantFuture
                        ) { _ in }
                    } else {
                        expected.append(.notification(kind: 5, "\(index)"))
                        #expect(edge.notify(kind: 5, payload: payload, to: "router", class: .durable) == .queued)
                        #expect(router.notify(kind: 5, payload: payload, to: "edge", class: .durable) == .queued)
                    }
                }
                try await eventually("everything has arrived") {
                    edgeSide.traffic.count == 500 && routerSide.traffic.count == 500
                }
                #expect(edgeSide.traffic == expected)
                #expect(routerSide.traffic == expected)
                #expect(edge.counters.snapshot().notificationsSentByKind[5] == 333)
                // The end of a read is told after what it brought.
                try await eventually("the last read is complete") { edgeSide.events.last == .readComplete }
            }
        }

        @Test("10,000 requests at once: many frames per block, fewer bytes than frames, one answer each")
        func pipelined() async throws {
            try await Cluster.run { cluster in
                let (edge, router, _) = try await cluster.pair(edge: Recorder(), router: Recorder.echo())
                let answered = Mutex([Int](repeating: 0, count: 10_000))
                let wrong = Atomic(0)
                for index in 0..<10_000 {
                    let text =
                        #"{"conversation_id":"0198c6f2-7c1e-7000-8000-0000000000\#(10 + index % 90)","seq":\#(index),"#
                        + #""sender_id":"0198c6f2-7c1e-7000-8000-00000000000a","kind":"text","body":"hello \#(index)"}"#
                    let payload = ByteBuffer(string: text)
                    edge.request(
                        kind: 1,
                        slot: 0,
                        epoch: 0,
                        payload: payload,
                        to: "router",
                        deadline: .now() + .seconds(60)
                    ) { result in
                        if case .success(let response) = result, response.payload == payload, response.status == 7 {
                            answered.withLock { $0[index] += 1 }
                        } else {
                            wrong.add(1, ordering: .relaxed)
                        }
                    }
                }
                try await eventually("all are answered", within: .seconds(60)) {
                    answered.withLock { $0.allSatisfy { $0 == 1 } } || wrong.load(ordering: .relaxed) > 0
                }
                #expect(wrong.load(ordering: .relaxed) == 0)
                for counters in [edge.counters.snapshot(), router.counters.snapshot()] {
                    #expect(counters.framesSent > 5 * counters.blocksSent)
                    #expect(counters.compressionRatio < 0.8)
                    #expect(counters.framesReceived > 10_000)
                }
                #expect(edge.counters.snapshot().requestsSent == 10_000)
                #expect(router.counters.snapshot().responsesSent == 10_000)
                #expect(edge.counters.snapshot().requestsPending == 0)
            }
        }

        @Test("Payloads up to the bound arrive whole; a larger one is refused before it is sent")
        func largePayloads() async throws {
            try await Cluster.run { cluster in
                let (edge, _, _) = try await cluster.pair(edge: Recorder(), router: Recorder.echo())
                for bytes in [0, 65_536, MeshLimits.payloadBytesMax] {
                    let payload = ByteBuffer(bytes: (0..<bytes).map { UInt8(truncatingIfNeeded: $0 &* $0 &* 31) })
                    let answer = try await edge.request(
                        kind: 1,
                        slot: 0,
                        epoch: 0,
                        payload: payload,
                        to: "router",
                        deadline: .now() + .seconds(20)
                    )
                    #expect(answer.payload == payload)
                }
                let tooLarge = ByteBuffer(repeating: 0, count: MeshLimits.payloadBytesMax + 1)
                await #expect(throws: MeshError.self) {
                    try await edge.request(
                        kind: 1,
                        slot: 0,
                        epoch: 0,
                        payload: tooLarge,
                        to: "router",
                        deadline: .now() + .seconds(20)
                    )
                }
                #expect(edge.notify(kind: 1, payload: tooLarge, to: "router", class: .durable) == .tooLarge)
                #expect(edge.peers.count == 1)
            }
        }

        @Test("The longest names and the smallest threshold do not stand in the way of the handshake")
        func longNames() async throws {
            try await Cluster.run { cluster in
                let settings = Cluster.settings {
                    $0.cluster = String(repeating: "c", count: 255)
                    $0.compression.thresholdBytes = 0
                }
                let router = cluster.node(String(repeating: "r", count: 255), .router, Recorder(), settings: settings)
                let edge = cluster.node(String(repeating: "e", count: 255), .edge, Recorder(), settings: settings)
                let address = try await router.listen(host: "127.0.0.1", port: 0)
                edge.setPeers([.at(address, router.identity.name)])
                try await Cluster.linked(edge, router)
                // The text of the refusal is longer than the usual threshold too.
                let other = cluster.node("other", .edge, Recorder())
                other.setPeers([.at(address, router.identity.name)])
                try await eventually("refused with the reason") {
                    other.counters.snapshot().refusalsByPeers[.wrongCluster, default: 0] > 0
                }
            }
        }

        @Test("A request that is let go of unanswered, or answered with too much, ends at once")
        func answerLost() async throws {
            try await Cluster.run { cluster in
                let router = Recorder { request in
                    if request.kind == 2 {
                        request.reply(
                            status: 1,
                            payload: ByteBuffer(repeating: 0, count: MeshLimits.payloadBytesMax + 100)
                        )
                    }
                    return true
                }
                let (edge, _, _) = try await cluster.pair(edge: Recorder(), router: router)
                for kind in [UInt16(1), 2] {
                    let result = await edge.ask("?", kind: kind)
                    guard case .failure(let error) = result else {
                        Issue.record("answered")
                        return
                    }
                    #expect(error.code == .answerLost && error.mayHaveArrived)
                }
            }
        }

        // MARK: - Which link

        @Test("Of two routers that know each other, one dials, and there is one link")
        func twoRouters() async throws {
            try await Cluster.run { cluster in
                let (aSide, bSide) = (Recorder.echo(), Recorder.echo())
                let (a, b) = (cluster.node("a", .router, aSide), cluster.node("b", .router, bSide))
                let (aAddress, bAddress) = (
                    try await a.listen(host: "127.0.0.1", port: 0), try await b.listen(host: "127.0.0.1", port: 0)
                )
                for _ in 0..<3 {
                    a.setPeers([.at(bAddress, "b"), .at(aAddress, "edge-9", role: .edge)])
                    b.setPeers([.at(aAddress, "a")])
                }
                try await Cluster.linked(a, b)
                #expect(try await a.ask("1", to: "b").get().status == 7)
                #expect(try await b.ask("2", to: "a").get().status == 7)
                #expect(aSide.links == [.up(b.identity)] && bSide.links == [.up(a.identity)])
                #expect(a.counters.snapshot().dialsFailed == 0 && b.counters.snapshot().dialsFailed == 0)
            }
        }

        @Test("A later life of a peer takes the place of the earlier one, which is refused from then on")
        func newerIncarnation() async throws {
            try await Cluster.run { cluster in
                let routerSide = Recorder.echo()
                let (old, _, address) = try await cluster.pair(edge: Recorder(), router: routerSide)
                let new = cluster.node("edge", .edge, Recorder())
                new.setPeers([.at(address, "router")])
                try await eventually("the new life is linked") {
                    routerSide.links.count == 3 && new.peers.count == 1
                }
                guard case .down(old.identity, let reason) = routerSide.links[1] else {
                    Issue.record("\(routerSide.links)")
                    return
                }
                #expect(reason.contains("newer"))
                #expect(routerSide.links[0] == .up(old.identity) && routerSide.links[2] == .up(new.identity))
                try await eventually("the old life is turned away") { old.counters.snapshot().linkDowns >= 3 }
                #expect(routerSide.links.count == 3)
                #expect(try await new.ask("still here").get().status == 7)
            }
        }

        @Test("Many connections of one peer at once end in one link")
        func simultaneous() async throws {
            try await Cluster.run { cluster in
                let routerSide = Recorder()
                let router = cluster.node("router", .router, routerSide)
                let address = try await router.listen(host: "127.0.0.1", port: 0)
                let configuration = RawPeer.configuration("edge")
                let peers = try await withThrowingTaskGroup(of: RawPeer.self) { group in
                    for _ in 0..<8 {
                        group.addTask { try await RawPeer.link(to: address, configuration: configuration) }
                    }
                    return try await group.reduce(into: [RawPeer]()) { $0.append($1) }
                }
                try await eventually("one is left") {
                    peers.count { !$0.bulk.isClosed } == 1 && router.peers.count == 1
                        && router.counters.snapshot().linksUp == 1
                }
                // Up and down in turn, beginning and ending with up.
                for (index, event) in routerSide.links.enumerated() {
                    if case .up = event { #expect(index % 2 == 0) } else { #expect(index % 2 == 1) }
                }
                #expect(routerSide.links.count % 2 == 1)
                let kept = try #require(peers.first { !$0.bulk.isClosed })
                #expect(!kept.control.isClosed)
                router.notify(kind: 3, payload: ByteBuffer(), to: "edge", class: .durable)
                try await eventually("the link that is left works") { kept.bulk.frames.last?.name == "notification" }
            }
        }

        @Test("One lane that closes takes the other with it")
        func oneLane() async throws {
            try await Cluster.run { cluster in
                let routerSide = Recorder()
                let router = cluster.node("router", .router, routerSide)
                let address = try await router.listen(host: "127.0.0.1", port: 0)
                for lane in [LaneKind.control, .bulk] {
                    let peer = try await RawPeer.link(to: address, configuration: RawPeer.configuration("edge"))
                    try await eventually("the link is up") { router.peers.count == 1 }
                    switch lane {
                    case .control: peer.control.close()
                    case .bulk: peer.bulk.close()
                    }
                    try await eventually("both lanes are closed") {
                        peer.control.isClosed && peer.bulk.isClosed && router.peers.isEmpty
                    }
                }
                #expect(routerSide.links.count == 4)
            }
        }

        @Test("A peer that is taken out of the list is left, and comes back when it is in it again")
        func removedPeer() async throws {
            try await Cluster.run { cluster in
                let (edgeSide, routerSide) = (Recorder(), Recorder.echo())
                let (edge, router, address) = try await cluster.pair(edge: edgeSide, router: routerSide)
                edge.setPeers([])
                try await eventually("both know") { edge.peers.isEmpty && router.peers.isEmpty }
                #expect(routerSide.downReasons.first?.contains("goodbye") == true)
                edge.setPeers([.at(address, "router")])
                try await Cluster.linked(edge, router)
                #expect(try await edge.ask("again").get().status == 7)
            }
        }

        @Test("Shutting down sends what was queued, says goodbye, and fails what is pending")
        func shutdown() async throws {
            try await Cluster.run { cluster in
                let (edgeSide, routerSide) = (Recorder(), Recorder())
                let (edge, router, _) = try await cluster.pair(edge: edgeSide, router: routerSide)
                let answers = edge.askMany(5, to: "router")
                for _ in 0..<10 { edge.notify(kind: 1, payload: ByteBuffer(), to: "router", class: .durable) }
                await edge.shutdown()
                #expect(answers.count == 5)
                #expect(answers.errors.allSatisfy { $0.code == .shuttingDown && $0.mayHaveArrived })
                #expect(edgeSide.links.count == 2 && edge.peers.isEmpty)
                try await eventually("the router knows") { router.peers.isEmpty }
                #expect(routerSide.traffic.count == 15)
                #expect(routerSide.downReasons == ["goodbye: edge is stopping"])
                guard case .failure(let error) = await edge.ask("?") else {
                    Issue.record("answered")
                    return
                }
                #expect(error.code == .shuttingDown && !error.mayHaveArrived)
                await #expect(throws: MeshError.self) { try await edge.listen(host: "127.0.0.1", port: 0) }
            }
        }
    }
}
