// SPDX-License-Identifier: Apache-2.0

import ClientProtocol
import Messaging
import NIOCore
import Testing
import Wire

@testable import Edge

@Suite("An edge that is being emptied")
struct DrainTests {
    private func client(_ fixture: SessionsFixture, _ number: Int) async throws -> SessionsClient {
        try await fixture.authenticate(UserID(value: UInt128(number)), DeviceID(value: UInt128(100 + number)))
    }

    private func order(_ fixture: SessionsFixture, _ order: OperateNode) throws -> NodeReport {
        try fixture.operatorSide.operate(order).get()
    }

    /// Lets time go on in the steps that the evacuation takes.
    private func advance(_ fixture: SessionsFixture, _ milliseconds: Int64) async {
        for _ in 0..<(milliseconds / 50) { await fixture.advance(.milliseconds(50)) }
    }

    private func requests(_ clients: [SessionsClient]) async throws -> [Reconnect?] {
        var requests: [Reconnect?] = []
        for client in clients {
            let asked = try await client.messages().compactMap { message in
                if case .reconnect(let fields) = message { fields } else { nil }
            }
            #expect(asked.count <= 1, "asked twice")
            requests.append(asked.first)
        }
        return requests
    }

    @Test("Sessions are asked at the rate, each once, in turn to the other edges; nobody new is taken")
    func drain() async throws {
        let fixture = SessionsFixture()
        var clients: [SessionsClient] = []
        for number in 1...4 { clients.append(try await self.client(fixture, number)) }
        #expect(fixture.services.hasRoom)
        let report = try self.order(fixture, OperateNode(.drain, rate: 10, windowMilliseconds: 500))
        #expect(report.state == .draining && report.sessions == 4)
        #expect(report.obstacles == ["4 sessions are connected to it"])
        #expect(!fixture.services.hasRoom)
        // Ten in a second.
        await self.advance(fixture, 200)
        let first = try await self.requests(clients)
        #expect(first.compactMap(\.self).count == 2)
        await self.advance(fixture, 200)
        let second = try await self.requests(clients)
        let all = (first + second).compactMap(\.self)
        #expect(all.count == 4 && all.allSatisfy { $0.withinMilliseconds == 500 })
        #expect(Set(all.compactMap(\.edge)) == Set(SessionsFixture.neighbours))
        await self.advance(fixture, 1000)
        #expect(try await self.requests(clients).allSatisfy { $0 == nil }, "each is asked once")
        #expect(try self.order(fixture, OperateNode(.report)).asked == 4)
    }

    @Test("Messages are taken until the session has gone; then there is nothing left that would be lost")
    func servedUntilTheEnd() async throws {
        let fixture = SessionsFixture()
        let client = try await self.client(fixture, 1)
        _ = try self.order(fixture, OperateNode(.drain, rate: 100, windowMilliseconds: 100))
        await self.advance(fixture, 100)
        #expect(try await self.requests([client]) != [nil])
        let message = SendMessageRequest(
            conversationID: ConversationID(value: 5),
            clientMessageID: .generate(),
            kind: .text,
            body: "on the way out"
        )
        try await client.send(.init(id: "m", command: .sendMessage(message)))
        #expect(fixture.links.takeRequest()?.kind == .submit)
        try await client.close()
        await self.advance(fixture, 100)
        let report = try self.order(fixture, OperateNode(.report))
        #expect(report.sessions == 0 && report.obstacles.isEmpty, "\(report)")
    }

    @Test("One that does not understand is closed when its window and the grace are over")
    func closed() async throws {
        let fixture = SessionsFixture()
        let client = try await self.client(fixture, 1)
        _ = try self.order(fixture, OperateNode(.drain, rate: 100, windowMilliseconds: 1000))
        await self.advance(fixture, 100)
        #expect(try await self.requests([client]) != [nil])
        await fixture.advance(.milliseconds(1000) + SessionHandler.leavingGrace - .milliseconds(200))
        #expect(try await client.frames().isEmpty)
        await fixture.advance(.milliseconds(400))
        #expect(try await client.frames().last?.closeCode == CloseCode.shuttingDown.rawValue)
    }

    @Test("Taken back, it takes sessions again and asks nobody more")
    func undrain() async throws {
        let fixture = SessionsFixture()
        let clients = [try await self.client(fixture, 1), try await self.client(fixture, 2)]
        _ = try self.order(fixture, OperateNode(.drain, rate: 1, windowMilliseconds: 100))
        await self.advance(fixture, 500)
        let report = try self.order(fixture, OperateNode(.undrain))
        #expect(report.state == .serving && fixture.services.hasRoom)
        #expect(report.obstacles.first == "it takes new sessions: drain it first")
        await self.advance(fixture, 5000)
        #expect(try await self.requests(clients) == [nil, nil])
    }

    @Test("So many are shed and no more, while others come")
    func shed() async throws {
        let fixture = SessionsFixture()
        var clients: [SessionsClient] = []
        for number in 1...5 { clients.append(try await self.client(fixture, number)) }
        _ = try self.order(fixture, OperateNode(.shed, rate: 20, windowMilliseconds: 0, count: 3))
        #expect(fixture.services.hasRoom)
        await self.advance(fixture, 2000)
        #expect(try await self.requests(clients).compactMap(\.self).count == 3)
    }

    @Test("Taking back an edge that nobody drained leaves a shed alone; no more to be shed ends it, and no drain")
    func undrainDuringShed() async throws {
        let fixture = SessionsFixture()
        var clients: [SessionsClient] = []
        for number in 1...5 { clients.append(try await self.client(fixture, number)) }
        _ = try self.order(fixture, OperateNode(.shed, rate: 2, windowMilliseconds: 0, count: 4))
        await self.advance(fixture, 550)
        let report = try self.order(fixture, OperateNode(.undrain))
        #expect(report.state == .serving && report.asked == 1 && report.shedding == 3, "\(report)")
        await self.advance(fixture, 550)
        #expect(try self.order(fixture, OperateNode(.report)).shedding == 2)
        #expect(try self.order(fixture, OperateNode(.shed, count: 0)).shedding == 0)
        await self.advance(fixture, 5000)
        #expect(try await self.requests(clients).compactMap(\.self).count == 2)

        // A drain takes the place of a shed, and is ended by being taken back alone.
        _ = try self.order(fixture, OperateNode(.shed, rate: 2, windowMilliseconds: 0, count: 3))
        let drained = try self.order(fixture, OperateNode(.drain, rate: 2, windowMilliseconds: 0))
        #expect(drained.state == .draining && drained.shedding == 0)
        #expect(throws: Failure.self) { try self.order(fixture, OperateNode(.shed, count: 0)) }
        await self.advance(fixture, 550)
        #expect(try self.order(fixture, OperateNode(.report)).asked == 3)
        #expect(try self.order(fixture, OperateNode(.undrain)).shedding == 0)
        await self.advance(fixture, 5000)
        #expect(try self.order(fixture, OperateNode(.report)).asked == 3)
    }

    @Test("An edge that stops takes no order any more")
    func stopping() throws {
        let fixture = SessionsFixture()
        fixture.services.enter(.stopping)
        for verb in [OperateNode.Verb.drain, .undrain] {
            #expect(throws: Failure.self) { try self.order(fixture, OperateNode(verb)) }
        }
        #expect(try self.order(fixture, OperateNode(.report)).state == .stopping)
    }
}

@Suite("The pace at which sessions are asked to go")
struct LeavePaceTests {
    private static let start = NIODeadline.uptimeNanoseconds(1_000_000_000)
    private static let interval = TimeAmount.milliseconds(50)

    @Test(
        "Over any second there are as many as the rate says, at the most those of two steps at once",
        arguments: [1, 7, 100, 5000]
    )
    func rate(rate: Int) {
        var pace = LeavePace(rate: Double(rate), now: Self.start)
        var counts: [Int] = []
        for step in 1...40 {
            counts.append(pace.take(now: Self.start + Self.interval * step, interval: Self.interval))
        }
        #expect((rate * 2 - 1...rate * 2).contains(counts.reduce(0, +)), "\(counts)")
        #expect((counts.max() ?? 0) <= max(1, rate / 10))
    }

    @Test("What was not used does not add up")
    func idle() {
        var pace = LeavePace(rate: 100, now: Self.start)
        let count = pace.take(now: Self.start + .seconds(60), interval: Self.interval)
        #expect(count == 10)
    }
}
