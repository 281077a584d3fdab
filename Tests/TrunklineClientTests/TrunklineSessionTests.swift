// SPDX-License-Identifier: Apache-2.0

import ClientProtocol
import Messaging
import NIOCore
import NIOPosix
import TestSupport
import Testing
import TrunklineClient

@Suite("A session that stays connected", .timeLimit(.minutes(2)))
struct TrunklineSessionTests {
    /// A session and what it said.
    private struct Device: Sendable {
        let session: OnLoop<TrunklineSession>
        let events: Collected<TrunklineSession.Event>

        /// The bodies that were handed over.
        var bodies: [String] {
            self.events.all.compactMap { if case .message(let message, _) = $0 { message.body } else { nil } }
        }

        var seqs: [UInt64] {
            self.events.all.compactMap { if case .message(let message, _) = $0 { message.seq } else { nil } }
        }

        var acknowledged: Int {
            self.events.all.count { if case .acknowledged = $0 { true } else { false } }
        }

        var connections: Int {
            self.events.all.count { if case .connected = $0 { true } else { false } }
        }

        var end: TrunklineError? {
            for case .ended(let error) in self.events.all { return error }
            return nil
        }

        func send(_ bodies: [String]) async throws {
            let requests = bodies.map { Fixtures.request($0) }
            let taken = try await self.session.ask { session in requests.map { session.send($0) } }
            #expect(taken.allSatisfy { $0 })
        }
    }

    private func settings() -> TrunklineSession.Settings {
        var settings = TrunklineSession.Settings()
        settings.reconnect = BackOff(first: .milliseconds(5), longest: .milliseconds(50))
        settings.retry = BackOff(first: .milliseconds(5), longest: .milliseconds(10))
        settings.gapPatience = .milliseconds(30)
        settings.socket.closeTimeout = .milliseconds(500)
        return settings
    }

    private func device(
        _ http: TrunklineHTTP,
        _ group: MultiThreadedEventLoopGroup,
        edge: Int = 0,
        expiresIn: Int = 900,
        settings: TrunklineSession.Settings? = nil,
        speaking subprotocol: ClientSubprotocol = .json
    ) async throws -> Device {
        let events = Collected<TrunklineSession.Event>()
        let eventLoop = group.next()
        var chosen = settings ?? self.settings()
        chosen.socket.subprotocol = subprotocol
        let settings = chosen
        let session = try await OnLoop.make(on: eventLoop) {
            let session = TrunklineSession(
                credentials: SessionCredentials(Fixtures.tokens(expiresIn: expiresIn), now: .now()),
                http: http,
                edge: edge,
                eventLoop: eventLoop,
                settings: settings
            ) { events.add($0) }
            session.follow(Fixtures.conversation, after: 0)
            session.start()
            return session
        }
        return Device(session: session, events: events)
    }

    /// A cluster of two edges, and the end of everything after the test.
    private func withCluster(
        _ body: (StubCluster, [StubEdge], TrunklineHTTP, MultiThreadedEventLoopGroup) async throws -> Void
    ) async throws {
        try await Fixtures.withEventLoops { group in
            let cluster = StubCluster()
            let edges = [try await cluster.startEdge(on: group), try await cluster.startEdge(on: group)]
            let http = TrunklineHTTP(edges: edges.map(\.address), eventLoops: group, settings: TrunklineHTTP.Settings())
            do {
                try await body(cluster, edges, http, group)
            } catch {
                await http.shutDown()
                throw error
            }
            await http.shutDown()
            for edge in edges { await edge.stop() }
        }
    }

    private func open(_ device: Device) async throws {
        try await eventually("the session is open") {
            try await device.session.ask { $0.isOpen && !$0.isCatchingUp }
        }
    }

    @Test(
        "two devices talk; each is handed every message once and in order, its own included",
        arguments: ClientSubprotocol.allCases
    )
    func talk(subprotocol: ClientSubprotocol) async throws {
        try await self.withCluster { cluster, _, http, group in
            let anna = try await self.device(http, group, speaking: subprotocol)
            let ben = try await self.device(http, group, edge: 1, speaking: subprotocol)
            try await self.open(anna)
            try await self.open(ben)
            try await anna.send((0..<50).map { "a\($0)" })
            try await ben.send((0..<50).map { "b\($0)" })
            try await eventually("all arrived") { anna.seqs.count == 100 && ben.seqs.count == 100 }
            #expect(anna.seqs == Array(1...100))
            #expect(ben.seqs == Array(1...100))
            #expect(anna.bodies == cluster.history.map(\.body))
            #expect(anna.bodies.filter { $0.hasPrefix("a") } == (0..<50).map { "a\($0)" })
            try await eventually("all answered") { anna.acknowledged == 50 && ben.acknowledged == 50 }
            for device in [anna, ben] { try await device.session.ask { $0.close() } }
            #expect(anna.end?.code == .sessionEnded)
        }
    }

    @Test(
        "presence is watched on every connection; status and typing go while there is one",
        arguments: ClientSubprotocol.allCases
    )
    func presence(subprotocol: ClientSubprotocol) async throws {
        try await self.withCluster { cluster, edges, http, group in
            let anna = try await self.device(http, group, speaking: subprotocol)
            try await anna.session.ask { $0.watchPresence(in: [Fixtures.conversation]) }
            try await self.open(anna)
            func presences() -> [[PresenceBody]] {
                anna.events.all.compactMap { if case .presence(let users) = $0 { users } else { nil } }
            }
            try await eventually("it is watched") { presences().count == 1 }
            #expect(try await anna.session.ask { $0.setStatus(.busy, visibleTo: .nobody) })
            try await anna.session.ask { $0.types(in: Fixtures.conversation) }
            try await eventually("both are answered") {
                let events = anna.events.all
                let isSet = events.contains {
                    if case .other(.statusSet(_, let status)) = $0 { status.visibleTo == .nobody } else { false }
                }
                let isTold = events.contains { if case .typing(let event) = $0 { event.isTyping } else { false } }
                return isSet && isTold
            }
            let ben = UserID(value: 8)
            cluster.broadcast(.userOnline(UserOnline(userID: ben, status: .away)))
            cluster.broadcast(.userOffline(UserOffline(userID: ben)))
            try await eventually("Ben came and went") { presences().count == 3 }
            #expect(presences().dropFirst().map { $0.map(\.status) } == [[.away], [.offline]])
            await edges[0].stop()
            try await eventually("it is watched on the other edge") { presences().count == 4 }
            try await anna.session.ask { $0.close() }
            #expect(try await !anna.session.ask { $0.setStatus(.busy) }, "there is no connection any more")
        }
    }

    @Test("a watch that is refused for the time being is sent again, one that is refused for good is not")
    func presenceRefused() async throws {
        try await self.withCluster { cluster, edges, http, group in
            let anna = try await self.device(http, group)
            try await self.open(anna)
            let later = Failure(.unavailable, "Not now.", retryAfterMilliseconds: 1)
            cluster.change { $0.watchRefusals = [later, later] }
            try await anna.session.ask { $0.watchPresence(in: [Fixtures.conversation]) }
            func presences() -> Int {
                anna.events.all.count { if case .presence = $0 { true } else { false } }
            }
            func errors() -> Int {
                anna.events.all.count { if case .other(.error) = $0 { true } else { false } }
            }
            try await eventually("it is watched") { presences() == 1 }
            #expect(errors() == 0)
            cluster.change { $0.watchRefusals = [Failure(.notFound, "There is none.")] }
            try await anna.session.ask { $0.watchPresence(in: []) }
            try await eventually("the refusal is handed over") { errors() == 1 }
            try await anna.session.ask { $0.watchPresence(in: [Fixtures.conversation]) }
            try await eventually("the next one is granted") { presences() == 2 }
            let watches = edges[0].commands.count { if case .watchPresence = $0.command { true } else { false } }
            #expect(watches == 5)
            try await anna.session.ask { $0.close() }
        }
    }

    @Test(
        "when an edge dies the session moves to another, sends again in order what had no answer, and misses nothing",
        arguments: ClientSubprotocol.allCases
    )
    func edgeDies(subprotocol: ClientSubprotocol) async throws {
        try await self.withCluster { cluster, edges, http, group in
            let anna = try await self.device(http, group, speaking: subprotocol)
            let ben = try await self.device(http, group, edge: 1, speaking: subprotocol)
            try await self.open(anna)
            try await self.open(ben)
            // Stored, and the answer is lost with the connection.
            cluster.change { $0.cutsInsteadOfAnswering = ["a10", "a20", "b5"] }
            try await anna.send((0..<30).map { "a\($0)" })
            try await ben.send((0..<30).map { "b\($0)" })
            try await eventually("half arrived") { cluster.history.count >= 30 }
            await edges[0].stop()
            try await anna.send((30..<60).map { "a\($0)" })
            try await eventually("all answered") { anna.acknowledged == 60 && ben.acknowledged == 30 }
            try await eventually("all arrived") { anna.seqs.count == 90 && ben.seqs.count == 90 }
            #expect(cluster.history.count == 90)
            #expect(Set(cluster.history.map(\.clientMessageID)).count == 90)
            #expect(anna.seqs == Array(1...90))
            #expect(ben.seqs == Array(1...90))
            #expect(cluster.history.map(\.body).filter { $0.hasPrefix("a") } == (0..<60).map { "a\($0)" })
            #expect(anna.connections >= 2)
            #expect(try await anna.session.ask { $0.statistics.repeatedSends } > 0)
            for device in [anna, ben] { try await device.session.ask { $0.close() } }
        }
    }

    @Test(
        "what was lost on the way is found: by the gap that it leaves, or at the latest by a resync",
        arguments: ClientSubprotocol.allCases
    )
    func lostLive(subprotocol: ClientSubprotocol) async throws {
        try await self.withCluster { cluster, _, http, group in
            let anna = try await self.device(http, group, speaking: subprotocol)
            let ben = try await self.device(http, group, edge: 1, speaking: subprotocol)
            try await self.open(anna)
            try await self.open(ben)
            cluster.change { $0.losesLive = ["a3", "a4", "last"] }
            try await anna.send((0..<10).map { "a\($0)" })
            try await eventually("the gap was closed") { ben.seqs.count == 10 }
            #expect(ben.seqs == Array(1...10))
            #expect(try await ben.session.ask { $0.cursorStatistics.gaps } == 1)
            try await anna.send(["last"])
            try await eventually("it was stored") { anna.acknowledged == 11 }
            #expect(ben.seqs.count == 10)
            cluster.broadcast(.resync)
            try await eventually("the last one arrived") { ben.seqs.count == 11 }
            #expect(ben.bodies == (0..<10).map { "a\($0)" } + ["last"])
            for device in [anna, ben] { try await device.session.ask { $0.close() } }
        }
    }

    @Test(
        "a reconnect catches up with one sync that carries the cursor and the resume token, without pages over REST",
        arguments: ClientSubprotocol.allCases
    )
    func syncs(subprotocol: ClientSubprotocol) async throws {
        try await self.withCluster { cluster, edges, http, group in
            let anna = try await self.device(http, group, speaking: subprotocol)
            let ben = try await self.device(http, group, edge: 1, speaking: subprotocol)
            try await self.open(anna)
            try await self.open(ben)
            try await anna.send((0..<20).map { "a\($0)" })
            try await eventually("all arrived") { ben.seqs.count == 20 }
            edges[1].connections[0].cut()
            cluster.change { $0.losesLive = Set((20..<50).map { "a\($0)" }) }
            try await anna.send((20..<50).map { "a\($0)" })
            try await eventually("stored") { anna.acknowledged == 50 }
            try await eventually("it came back") { ben.connections == 2 }
            cluster.broadcast(.resync)
            try await eventually("all arrived") { ben.seqs.count == 50 }
            #expect(ben.seqs == Array(1...50))
            #expect(try await ben.session.ask { $0.statistics.pagesFetched } == 0)
            #expect(cluster.syncs.contains { $0.cursors[Fixtures.conversation] == 20 && $0.resume == "r0" })
            for device in [anna, ben] { try await device.session.ask { $0.close() } }
        }
    }

    @Test(
        "what a sync does not bring is paged over REST: too far, or an edge that knows no sync",
        arguments: [false, true]
    )
    func syncsOverREST(knowsNoSync: Bool) async throws {
        try await self.withCluster { cluster, _, http, group in
            let anna = try await self.device(http, group)
            try await self.open(anna)
            try await anna.send((0..<30).map { "a\($0)" })
            try await eventually("stored") { anna.acknowledged == 30 }
            cluster.change { faults in
                faults.knowsNoSync = knowsNoSync
                faults.syncMessagesMax = 10
            }
            let ben = try await self.device(http, group, edge: 1)
            try await eventually("all arrived") { ben.seqs.count == 30 }
            #expect(ben.seqs == Array(1...30))
            #expect(try await ben.session.ask { $0.statistics.pagesFetched } > 0)
            for device in [anna, ben] { try await device.session.ask { $0.close() } }
        }
    }

    @Test(
        "a device that was away learns by its sync how far its user has come on another one, and asks for no more than that"
    )
    func syncsReceipts() async throws {
        try await self.withCluster { cluster, edges, http, group in
            let device = try await self.device(http, group)
            try await self.open(device)
            try await eventually("it has synced") { cluster.syncs.count == 1 }
            cluster.setWatermarks(Watermarks(delivered: 9, read: 8))
            for round in 1...2 {
                for edge in edges { for connection in edge.connections { connection.cut() } }
                try await eventually("it came back") { device.connections == round + 1 }
                try await eventually("it knows") {
                    try await device.session.ask {
                        $0.watermarks(of: Fixtures.user, in: Fixtures.conversation)
                    } == Watermarks(delivered: 9, read: 8)
                }
            }
            try await eventually("the last sync was asked for") { cluster.syncs.count == 3 }
            #expect(cluster.syncs.map { $0.states[Fixtures.conversation] } == [nil, nil, 9])
            #expect(cluster.syncs.allSatisfy { $0.wantsReceipts })
            try await device.session.ask { $0.close() }
        }
    }

    @Test("a message that is to be tried again is, with the same id; one that cannot succeed is given up")
    func refusals() async throws {
        try await self.withCluster { cluster, edges, http, group in
            cluster.change { faults in
                faults.refusals["busy"] = (Failure(.overloaded, "Wait.", retryAfterMilliseconds: 20), 3)
                faults.refusals["never"] = (Failure(.notFound, "No."), 1)
            }
            let anna = try await self.device(http, group)
            try await self.open(anna)
            try await anna.send(["busy", "never", "good"])
            try await eventually("both were stored") { anna.acknowledged == 2 }
            #expect(Set(anna.bodies) == ["busy", "good"])
            let busy = edges[0].sends.filter { $0.body == "busy" }
            #expect(busy.count == 4)
            #expect(Set(busy.map(\.clientMessageID)).count == 1)
            let failed = anna.events.all.compactMap { event in
                if case .failed(let request, let error) = event { (request.body, error.name) } else { nil }
            }
            #expect(failed.map(\.0) == ["never"])
            #expect(failed.map(\.1) == ["not_found"])
            #expect(try await anna.session.ask { $0.statistics.retryableErrors } == ["overloaded": 3])
            try await anna.session.ask { $0.close() }
        }
    }

    @Test("an access token that ended, by the clock or by the word of the edge, is refreshed first")
    func refresh() async throws {
        try await self.withCluster { cluster, _, http, group in
            let anna = try await self.device(http, group, expiresIn: 5)
            try await self.open(anna)
            #expect(cluster.tokens == ["fresh"])
            cluster.change { $0.closesFor["access"] = CloseCode.tokenExpired.rawValue }
            let ben = try await self.device(http, group)
            try await self.open(ben)
            #expect(cluster.tokens == ["fresh", "access", "fresh"])
            for device in [anna, ben] { try await device.session.ask { $0.close() } }
        }
    }

    @Test("a session that is told that its token ended goes on with a fresh one on the same connection")
    func renewal() async throws {
        try await self.withCluster { cluster, edges, http, group in
            let anna = try await self.device(http, group)
            try await self.open(anna)
            cluster.broadcast(.error(nil, Failure(.tokenExpired, "It ended.")))
            try await eventually("a fresh one was shown") {
                try await anna.session.ask { $0.statistics.renewals } == 1
            }
            #expect(cluster.tokens == ["access", "fresh"])
            #expect(anna.connections == 1)
            try await anna.send(["after"])
            try await eventually("it goes on") { anna.acknowledged == 1 }
            #expect(edges[0].connections.count == 1)
            try await anna.session.ask { $0.close() }
        }
    }

    @Test("messages that a limit refuses are sent again with the same ids, in their order")
    func limited() async throws {
        try await self.withCluster { cluster, edges, http, group in
            let failure = Failure(.rateLimited, "Later.", retryAfterMilliseconds: 50)
            cluster.change { faults in
                for body in ["3", "4", "5", "6"] { faults.refusals[body] = (failure, 1) }
            }
            let anna = try await self.device(http, group)
            try await self.open(anna)
            try await anna.send((1...6).map { "\($0)" })
            try await eventually("all were stored") { anna.acknowledged == 6 }
            #expect(anna.bodies == (1...6).map { "\($0)" })
            #expect(edges[0].sends.map(\.body) == ["1", "2", "3", "4", "5", "6", "3", "4", "5", "6"])
            #expect(Set(edges[0].sends.map(\.clientMessageID)).count == 6)
            try await anna.session.ask { $0.close() }
        }
    }

    @Test("a device that has a newer session elsewhere does not fight for it")
    func replaced() async throws {
        try await self.withCluster { cluster, edges, http, group in
            let anna = try await self.device(http, group)
            try await self.open(anna)
            cluster.change { $0.isSilent = true }
            try await anna.send(["unanswered"])
            try await eventually("it was sent") { edges[0].sends.count == 1 }
            edges[0].connections[0].close(CloseCode.replaced.rawValue)
            try await eventually("the session ended") { anna.end != nil }
            #expect(anna.end?.code == .closed(CloseCode.replaced.rawValue))
            #expect(anna.connections == 1)
            let failures = anna.events.all.compactMap { if case .failed(_, let error) = $0 { error } else { nil } }
            #expect(failures.map(\.hadNoEffect) == [false])
            #expect(try await anna.session.ask { $0.send(Fixtures.request("late")) } == false)
        }
    }

    @Test("an edge that says nothing any more is left for another, and what it did not answer is sent there")
    func silentEdge() async throws {
        try await self.withCluster { cluster, edges, http, group in
            var settings = self.settings()
            settings.silence = .milliseconds(300)
            let anna = try await self.device(http, group, settings: settings)
            try await self.open(anna)
            cluster.change { $0.isSilent = true }
            try await anna.send(["first"])
            try await eventually("it moved") { anna.connections == 2 }
            cluster.change { $0.isSilent = false }
            try await eventually("it was answered") { anna.acknowledged == 1 }
            #expect(cluster.history.map(\.body) == ["first"])
            #expect(edges[1].sends.count >= 1)
            try await anna.session.ask { $0.close() }
        }
    }

    @Test("no more messages wait than the bound says, and none longer than its time")
    func bounds() async throws {
        try await Fixtures.withEventLoops { group in
            let dead = try await StubEdge.start(on: group)
            await dead.stop()
            let http = TrunklineHTTP(edges: [dead.address], eventLoops: group, settings: TrunklineHTTP.Settings())
            var settings = self.settings()
            settings.outboxMessagesMax = 2
            settings.sendTimeLimit = .milliseconds(100)
            let anna = try await self.device(http, group, settings: settings)
            let taken = try await anna.session.ask { session in
                (0..<3).map { session.send(Fixtures.request("\($0)")) }
            }
            #expect(taken == [true, true, false])
            func failures() -> [TrunklineError.Code] {
                anna.events.all.compactMap { if case .failed(_, let error) = $0 { error.code } else { nil } }
            }
            try await eventually("both were given up") { failures().count == 2 }
            #expect(failures() == [.notConnected, .notConnected])
            try await anna.session.ask { $0.close() }
            await http.shutDown()
        }
    }

    @Test(
        "what was handed over is acknowledged by itself and what was read when it is said, across cuts and refusals",
        arguments: ClientSubprotocol.allCases
    )
    func receipts(subprotocol: ClientSubprotocol) async throws {
        try await self.withCluster { cluster, _, http, group in
            let device = try await self.device(http, group, speaking: subprotocol)
            try await self.open(device)
            for seq in 1...20 as ClosedRange<UInt64> {
                cluster.broadcast(.newMessage(Fixtures.message(seq, "m\(seq)")))
            }
            try await eventually("all is delivered") { cluster.watermarks.delivered == 20 }
            #expect(cluster.watermarks.read == 0)
            cluster.change { faults in
                faults.receiptsRefused = 2
                faults.receiptsCut = 1
            }
            try await device.session.ask { $0.markRead(Fixtures.conversation, upTo: 12) }
            try await eventually("it is read, and the device knows that this is stored") {
                let known = try await device.session.ask {
                    $0.watermarks(of: Fixtures.user, in: Fixtures.conversation)
                }
                return known == Watermarks(delivered: 20, read: 12)
            }
            #expect(device.connections == 2, "sent again on a new connection")
            let friend = UserID.generate()
            for seq in [3, 9, 4, 9] as [UInt64] {
                let event = ReceiptEvent(conversationID: Fixtures.conversation, userID: friend, seq: seq)
                cluster.broadcast(.messageRead(event))
            }
            cluster.broadcast(.resync)
            try await eventually("the events have come") {
                device.events.all.contains { if case .other(.resync) = $0 { true } else { false } }
            }
            let shown = device.events.all.compactMap { event -> UInt64? in
                if case .receipt(_, friend, let watermarks) = event { watermarks.read } else { nil }
            }
            #expect(shown == [3, 9], "what is handed out only grows")
        }
    }
}
