// SPDX-License-Identifier: Apache-2.0

import ClientProtocol
import Messaging
import NIOCore
import NIOPosix
import TestSupport
import Testing
import TrunklineClient

@Suite("A session that loses its connection and comes back", .timeLimit(.minutes(1)))
struct LossAndReturnTests {
    /// What a session said, by name.
    private enum Entry: Equatable {
        case connected(edge: Int)
        case message(UInt64)
        case caughtUp
        case delayed(String, milliseconds: UInt32?)
        case disconnected(String)
        case ended
    }

    private static func entry(_ event: TrunklineSession.Event) -> Entry? {
        switch event {
        case .connected(let edge): .connected(edge: edge)
        case .message(let message, _): .message(message.seq)
        case .caughtUp: .caughtUp
        case .delayed(let error): .delayed(error.name, milliseconds: error.retryAfterMilliseconds)
        case .disconnected(let error, _): .disconnected(error.name)
        case .ended: .ended
        default: nil
        }
    }

    /// A session on a cluster of two edges that closes it at the end.
    private func withSession(
        history: Int = 0,
        _ prepare: (inout StubCluster.Faults) -> Void = { _ in },
        _ body: (StubCluster, OnLoop<TrunklineSession>, Collected<Entry>) async throws -> Void
    ) async throws {
        try await Fixtures.withEventLoops { group in
            let cluster = StubCluster()
            cluster.fill(history)
            cluster.change(prepare)
            let edges = [try await cluster.startEdge(on: group), try await cluster.startEdge(on: group)]
            let http = TrunklineHTTP(edges: edges.map(\.address), eventLoops: group, settings: TrunklineHTTP.Settings())
            let entries = Collected<Entry>()
            var settings = TrunklineSession.Settings()
            settings.reconnect = BackOff(first: .milliseconds(5), longest: .milliseconds(50))
            settings.retry = BackOff(first: .milliseconds(5), longest: .milliseconds(10))
            settings.gapPatience = .milliseconds(1)
            settings.acknowledgesDelivery = false
            let eventLoop = group.next()
            let sessionSettings = settings
            let session = try await OnLoop.make(on: eventLoop) {
                let session = TrunklineSession(
                    credentials: SessionCredentials(Fixtures.tokens(), now: .now()),
                    http: http,
                    edge: 0,
                    eventLoop: eventLoop,
                    settings: sessionSettings
                ) { event in
                    if let entry = Self.entry(event) { entries.add(entry) }
                }
                session.follow(Fixtures.conversation, after: 0)
                session.start()
                return session
            }
            do {
                try await body(cluster, session, entries)
            } catch {
                await http.shutDown()
                throw error
            }
            try await session.ask { $0.close() }
            await http.shutDown()
            for edge in edges { await edge.stop() }
        }
    }

    @Test("it tells once for each connection that it has what it missed, after the last message of that")
    func caughtUp() async throws {
        try await self.withSession(history: 20) { cluster, session, entries in
            try await eventually("it is caught up") { entries.all.contains(.caughtUp) }
            let first: [Entry] = [.connected(edge: 0)] + (1...20).map { .message($0) } + [.caughtUp]
            #expect(entries.all == first)
            cluster.broadcast(.resync)
            try await eventually("it asked again") { cluster.syncs.count == 2 }
            try await session.ask { $0.drop() }
            try await eventually("it is caught up again") { entries.all.count { $0 == .caughtUp } == 2 }
            #expect(entries.all == first + [.disconnected("connection_lost"), .connected(edge: 1), .caughtUp])
        }
    }

    @Test("asked to connect elsewhere it does so once, without a failure, and has everything afterwards")
    func moves() async throws {
        try await self.withSession(history: 3) { cluster, session, entries in
            try await eventually("it is caught up") { entries.all.contains(.caughtUp) }
            cluster.broadcast(.reconnect(Reconnect(withinMilliseconds: 20)))
            try await eventually("it is caught up again") { entries.all.count { $0 == .caughtUp } == 2 }
            let first: [Entry] = [.connected(edge: 0), .message(1), .message(2), .message(3), .caughtUp]
            #expect(entries.all == first + [.disconnected("asked_to_move"), .connected(edge: 1), .caughtUp])
            #expect(try await session.ask { $0.statistics.moves } == 1)
            // To one that it is told of, here by the address of the first.
            let address = try await session.ask { $0.edgeAddresses[0].authority }
            cluster.broadcast(.reconnect(Reconnect(withinMilliseconds: 0, edge: address)))
            try await eventually("it is back") { entries.all.count { $0 == .connected(edge: 0) } == 2 }
            #expect(try await session.ask { $0.send(Fixtures.request("own")) })
            try await eventually("its own message is stored") { entries.all.contains(.message(4)) }
        }
    }

    @Test("what comes as pages counts as missed too")
    func pages() async throws {
        try await self.withSession(history: 40, { $0.syncMessagesMax = 10 }) { _, _, entries in
            try await eventually("it is caught up") { entries.all.contains(.caughtUp) }
            #expect(entries.all == [.connected(edge: 0)] + (1...40).map { .message($0) } + [.caughtUp])
        }
    }

    @Test("a turn to wait for and a sync to ask for again are told with the time, and cost no connection")
    func delayed() async throws {
        try await self.withSession(history: 3) {
            $0.turns = [Failure(.rateLimited, "Later.", retryAfterMilliseconds: 20)]
            $0.syncRefusals = [Failure(.overloaded, "Later.", retryAfterMilliseconds: 10)]
        } _: { _, _, entries in
            try await eventually("it is caught up") { entries.all.contains(.caughtUp) }
            #expect(
                entries.all == [
                    .delayed("rate_limited", milliseconds: 20), .connected(edge: 0),
                    .delayed("overloaded", milliseconds: 10), .message(1), .message(2), .message(3), .caughtUp,
                ]
            )
        }
    }

    @Test("a gap that opens while a sync is under way waits for it and costs no page")
    func gapDuringSync() async throws {
        let later = Failure(.overloaded, "Later.", retryAfterMilliseconds: 1)
        try await self.withSession(history: 20, { $0.syncRefusals = Array(repeating: later, count: 10_000) }) {
            cluster,
            session,
            entries in
            try await eventually("it is connected") { entries.all.contains(.connected(edge: 0)) }
            #expect(try await session.ask { $0.send(Fixtures.request("own")) })
            try await eventually("the own message is ahead of what was missed") {
                try await session.ask { $0.cursorStatistics.gaps == 1 }
            }
            let before = cluster.syncs.count
            try await eventually("more time passed than a gap is given") { cluster.syncs.count > before + 20 }
            cluster.change { $0.syncRefusals = [] }
            try await eventually("it is caught up") { entries.all.contains(.caughtUp) }
            let messages = entries.all.filter { if case .message = $0 { true } else { false } }
            #expect(messages == (1...21).map { .message($0) })
            #expect(try await session.ask { $0.statistics.pagesFetched } == 0)
        }
    }

    @Test("an edge that takes longer than an attempt may is given more time with each")
    func slowEdge() async throws {
        try await Fixtures.withEventLoops { group in
            let edge = try await StubEdge.start(on: group) { command, connection in
                guard case .authenticate = command.command else { return }
                group.next().scheduleTask(in: .milliseconds(900)) {
                    connection.send(.authenticated(command.id, Fixtures.authenticated()))
                }
            }
            let http = TrunklineHTTP(edges: [edge.address], eventLoops: group, settings: TrunklineHTTP.Settings())
            let entries = Collected<Entry>()
            var settings = TrunklineSession.Settings()
            settings.socket.openTimeout = .milliseconds(300)
            settings.reconnect = BackOff(first: .milliseconds(5), longest: .milliseconds(50))
            let eventLoop = group.next()
            let sessionSettings = settings
            let session = try await OnLoop.make(on: eventLoop) {
                let session = TrunklineSession(
                    credentials: SessionCredentials(Fixtures.tokens(), now: .now()),
                    http: http,
                    edge: 0,
                    eventLoop: eventLoop,
                    settings: sessionSettings
                ) { event in
                    if let entry = Self.entry(event) { entries.add(entry) }
                }
                session.start()
                return session
            }
            try await eventually("it is connected") { entries.all.contains(.connected(edge: 0)) }
            let failures = entries.all.filter { $0 == .disconnected("timed_out") }
            #expect(failures.count >= 2, "300 ms and 600 ms are not enough")
            try await session.ask { $0.close() }
            await http.shutDown()
            await edge.stop()
        }
    }

    @Test("an attempt to connect can be dropped as well; without a connection nothing happens")
    func dropped() async throws {
        try await self.withSession {
            $0.turns = [Failure(.rateLimited, "Later.", retryAfterMilliseconds: 600_000)]
        } _: { _, session, entries in
            try await eventually("it waits for its turn") { !entries.all.isEmpty }
            try await session.ask { session in
                session.drop()
                session.drop()
            }
            try await eventually("it is caught up") { entries.all.contains(.caughtUp) }
            #expect(
                entries.all == [
                    .delayed("rate_limited", milliseconds: 600_000), .disconnected("connection_lost"),
                    .connected(edge: 1), .caughtUp,
                ]
            )
            try await session.ask { session in
                session.close()
                session.drop()
            }
            #expect(entries.all.last == .ended)
        }
    }
}
