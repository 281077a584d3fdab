// SPDX-License-Identifier: Apache-2.0

import ClientProtocol
import Messaging
import NIOCore
import NIOPosix
import NIOWebSocket
import TestSupport
import Testing
import TrunklineClient

@Suite("One WebSocket of a client", .timeLimit(.minutes(2)))
struct TrunklineSocketTests {
    private typealias Events = Collected<TrunklineSocket.Event>

    private func connect(
        to edge: EdgeAddress,
        on group: MultiThreadedEventLoopGroup,
        _ events: Events,
        settings: TrunklineSocket.Settings = TrunklineSocket.Settings()
    ) async throws -> OnLoop<TrunklineSocket> {
        let eventLoop = group.next()
        let socket = try await OnLoop.make(on: eventLoop) {
            TrunklineSocket(edge: edge, eventLoop: eventLoop, settings: settings) { events.add($0) }
        }
        try await socket.ask { $0.open(token: "access", device: Fixtures.device) }
        return socket
    }

    private static func settings(_ subprotocol: ClientSubprotocol) -> TrunklineSocket.Settings {
        var settings = TrunklineSocket.Settings()
        settings.subprotocol = subprotocol
        return settings
    }

    private func closure(_ events: Events) async throws -> SocketClosure {
        try await eventually("the socket is closed") {
            events.all.contains { if case .closed = $0 { true } else { false } }
        }
        let closures = events.all.compactMap { if case .closed(let closure) = $0 { closure } else { nil } }
        #expect(closures.count == 1)
        return try #require(closures.first)
    }

    private static let accepting: StubEdge.Commands = { command, connection in
        if case .authenticate = command.command {
            connection.send(.authenticated(command.id, Fixtures.authenticated()))
        }
    }

    @Test("it authenticates, and every command arrives masked and whole", arguments: ClientSubprotocol.allCases)
    func commands(subprotocol: ClientSubprotocol) async throws {
        try await Fixtures.withEventLoops { group in
            let edge = try await StubEdge.start(on: group, onCommand: Self.accepting)
            let events = Events()
            let socket = try await self.connect(
                to: edge.address,
                on: group,
                events,
                settings: Self.settings(subprotocol)
            )
            try await eventually("it is open") { try await socket.ask { $0.isOpen } }
            let bodies = [
                "", "a", "\"\\\n\u{1}🌍", String(repeating: "x", count: 126), String(repeating: "é", count: 32_768),
            ]
            let requests = bodies.map { Fixtures.request($0) }
            let ids = try await socket.ask { socket in requests.map { socket.send($0) } }
            try await eventually("all arrived") { edge.sends.count == requests.count }
            #expect(edge.sends == requests)
            #expect(ids == edge.commands.dropFirst().map { if case .number(let id) = $0.id { id } else { nil } })
            guard case .authenticate(let fields) = edge.commands[0].command else {
                Issue.record("the first command authenticates")
                return
            }
            #expect(fields == ClientCommand.Authenticate(token: "access", deviceID: Fixtures.device))
            try await socket.ask { $0.close() }
            #expect(try await self.closure(events).advice == .giveUp)
            #expect(edge.connections[0].receivedCloseCode == 1000)
            await edge.stop()
        }
    }

    @Test(
        "an edge that does not know the binary protocol is spoken JSON with; one that answers what was not asked is left"
    )
    func olderEdge() async throws {
        try await Fixtures.withEventLoops { group in
            let edge = try await StubEdge.start(on: group, onCommand: Self.accepting, agrees: { _ in nil })
            let events = Events()
            let socket = try await self.connect(
                to: edge.address,
                on: group,
                events,
                settings: Self.settings(.binary)
            )
            try await eventually("it is open") { try await socket.ask { $0.isOpen } }
            #expect(try await socket.ask { $0.subprotocol } == .json)
            #expect(edge.connections[0].subprotocol == .json)
            try await socket.ask { $0.close() }
            _ = try await self.closure(events)
            await edge.stop()
        }
        try await Fixtures.withEventLoops { group in
            let edge = try await StubEdge.start(on: group, onCommand: Self.accepting, agrees: { _ in .binary })
            let events = Events()
            _ = try await self.connect(to: edge.address, on: group, events)
            #expect(try await self.closure(events).error.code == .protocolViolation)
            await edge.stop()
        }
    }

    @Test("several messages in one are handed on in their order; text is not taken where binary was agreed on")
    func joined() async throws {
        try await Fixtures.withEventLoops { group in
            let edge = try await StubEdge.start(on: group, onCommand: Self.accepting)
            let events = Events()
            let socket = try await self.connect(
                to: edge.address,
                on: group,
                events,
                settings: Self.settings(.binary)
            )
            try await eventually("it is open") { try await socket.ask { $0.isOpen } }
            var payload = ByteBuffer()
            for seq in 1...3 as ClosedRange<UInt64> {
                payload.writeImmutableBuffer(ServerMessage.newMessage(Fixtures.message(seq, "m")).encodedBinary())
            }
            // A type of a later version.
            payload.writeBytes([3, 250, 0x08, 1])
            edge.connections[0].send(WebSocketFrame(fin: true, opcode: .binary, data: payload))
            func seqs() -> [UInt64] {
                events.all.compactMap { if case .message(let message) = $0 { message.seq } else { nil } }
            }
            try await eventually("all arrived") { seqs().count == 3 }
            #expect(seqs() == [1, 2, 3])
            let text = ByteBuffer(bytes: ServerMessage.resync.encoded())
            edge.connections[0].send(WebSocketFrame(fin: true, opcode: .text, data: text))
            #expect(try await self.closure(events).error.code == .protocolViolation)
            await edge.stop()
        }
    }

    @Test("messages in fragments and byte by byte, and pings between them, arrive once and whole")
    func fragmentation() async throws {
        try await Fixtures.withEventLoops { group in
            let edge = try await StubEdge.start(on: group, onCommand: Self.accepting)
            let events = Events()
            let socket = try await self.connect(to: edge.address, on: group, events)
            try await eventually("it is open") { try await socket.ask { $0.isOpen } }
            let connection = edge.connections[0]
            let message = Fixtures.message(1, "in fragments")
            let bytes = ServerMessage.newMessage(message).encoded()
            for (index, byte) in bytes.enumerated() {
                let opcode: WebSocketOpcode = index == 0 ? .text : .continuation
                connection.send(
                    WebSocketFrame(fin: index == bytes.count - 1, opcode: opcode, data: ByteBuffer(bytes: [byte]))
                )
                if index == 10 {
                    connection.send(WebSocketFrame(fin: true, opcode: .ping, data: ByteBuffer(string: "there?")))
                }
            }
            connection.send(.newMessage(Fixtures.message(2, "whole")))
            func arrived() -> [DeliveredMessage] {
                events.all.compactMap { if case .message(let message) = $0 { message } else { nil } }
            }
            try await eventually("both arrived") { arrived().count == 2 }
            #expect(arrived()[0] == message)
            #expect(arrived()[1].body == "whole")
            try await eventually("the ping was answered") { connection.pongs == 1 }
            try await socket.ask { $0.close() }
            _ = try await self.closure(events)
            await edge.stop()
        }
    }

    @Test(
        "answers find their commands; errors and unknown ids do no harm; no more commands than the edge allows",
        arguments: ClientSubprotocol.allCases
    )
    func answers(subprotocol: ClientSubprotocol) async throws {
        try await Fixtures.withEventLoops { group in
            let edge = try await StubEdge.start(on: group) { command, connection in
                if case .authenticate = command.command {
                    connection.send(.authenticated(command.id, Fixtures.authenticated(inFlight: 2)))
                }
            }
            let events = Events()
            let socket = try await self.connect(
                to: edge.address,
                on: group,
                events,
                settings: Self.settings(subprotocol)
            )
            try await eventually("it is open") { try await socket.ask { $0.isOpen } }
            let (one, two) = (Fixtures.request("one"), Fixtures.request("two"))
            let ids = try await socket.ask { [$0.send(one), $0.send(two), $0.send(one)] }
            let first = try #require(ids[0])
            let second = try #require(ids[1])
            #expect(ids[2] == nil)
            let connection = edge.connections[0]
            connection.send(.messageSent(.number(999), Fixtures.sent(one, seq: 5)))
            connection.send(.error(.number(second), Failure(.overloaded, "Wait.", retryAfterMilliseconds: 5)))
            connection.send(.messageSent(.number(first), Fixtures.sent(one, seq: 1, isDuplicate: true)))
            connection.send(.messageSent(.number(first), Fixtures.sent(one, seq: 1)))
            connection.send(.resync)
            try await eventually("everything came") { events.all.count == 4 }
            let all = events.all
            if case .refused(second, let failure) = all[1] {
                #expect(failure.code == .overloaded)
            } else {
                Issue.record("an error was expected, not \(all[1])")
            }
            if case .sent(first, let fields) = all[2] {
                #expect(fields.isDuplicate)
            } else {
                Issue.record("an answer was expected, not \(all[2])")
            }
            if case .other(.resync) = all[3] {} else { Issue.record("resync was expected, not \(all[3])") }
            #expect(try await socket.ask { $0.hasRoom })
            try await socket.ask { $0.close() }
            _ = try await self.closure(events)
            await edge.stop()
        }
    }

    @Test(
        "the code of the edge's close frame is told, and answered",
        arguments: [(UInt16(4000), SocketClosure.Advice.reconnect), (4501, .giveUp), (4504, .refreshToken)]
    )
    func closeCodes(_ code: UInt16, _ advice: SocketClosure.Advice) async throws {
        try await Fixtures.withEventLoops { group in
            let edge = try await StubEdge.start(on: group, onCommand: Self.accepting)
            let events = Events()
            let socket = try await self.connect(to: edge.address, on: group, events)
            try await eventually("it is open") { try await socket.ask { $0.isOpen } }
            edge.connections[0].close(code, "because")
            let closure = try await self.closure(events)
            #expect(closure.advice == advice)
            #expect(closure.error.code == .closed(code))
            try await eventually("the close was answered") { edge.connections[0].receivedCloseCode == code }
            await edge.stop()
        }
    }

    @Test("a refused token, a cut connection, nobody there, and an edge that does not speak WebSocket")
    func failures() async throws {
        try await Fixtures.withEventLoops { group in
            let edge = try await StubEdge.start(on: group) { command, connection in
                connection.send(.error(command.id, Failure(.tokenExpired, "It ended.")))
            }
            var events = Events()
            _ = try await self.connect(to: edge.address, on: group, events)
            #expect(try await self.closure(events).advice == .refreshToken)

            let cutting = try await StubEdge.start(on: group) { _, connection in connection.cut() }
            events = Events()
            _ = try await self.connect(to: cutting.address, on: group, events)
            var closure = try await self.closure(events)
            #expect(closure.error.code == .connectionLost)
            #expect(closure.advice == .reconnect)

            await cutting.stop()
            events = Events()
            _ = try await self.connect(to: cutting.address, on: group, events)
            closure = try await self.closure(events)
            #expect(closure.error.code == .notConnected)

            var settings = TrunklineSocket.Settings()
            settings.openTimeout = .milliseconds(200)
            let silent = try await StubEdge.start(on: group)
            events = Events()
            _ = try await self.connect(to: silent.address, on: group, events, settings: settings)
            closure = try await self.closure(events)
            #expect(closure.error.code == .timedOut)
            await edge.stop()
            await silent.stop()
        }
    }

    @Test(
        "an edge that breaks the protocol is left",
        arguments: [
            WebSocketFrame(fin: true, opcode: .binary, data: ByteBuffer(string: "{}")),
            WebSocketFrame(fin: true, opcode: .text, data: ByteBuffer(string: "no json")),
            WebSocketFrame(fin: true, opcode: .continuation, data: ByteBuffer(string: "{}")),
            WebSocketFrame(fin: true, opcode: .text, maskKey: [1, 2, 3, 4], data: ByteBuffer(string: "{}")),
            WebSocketFrame(fin: true, opcode: .text, data: ByteBuffer(repeating: 0x20, count: 2000)),
        ]
    )
    func violations(_ frame: WebSocketFrame) async throws {
        try await Fixtures.withEventLoops { group in
            let edge = try await StubEdge.start(on: group, onCommand: Self.accepting)
            let events = Events()
            var settings = TrunklineSocket.Settings()
            settings.messageBytesMax = 1000
            let socket = try await self.connect(to: edge.address, on: group, events, settings: settings)
            try await eventually("it is open") { try await socket.ask { $0.isOpen } }
            edge.connections[0].send(frame)
            let closure = try await self.closure(events)
            #expect(closure.error.code == .protocolViolation)
            #expect(closure.advice == .reconnect)
            await edge.stop()
        }
    }

    @Test("a client that has to wait for its turn waits on the same connection and asks again")
    func turn() async throws {
        try await Fixtures.withEventLoops { group in
            let asked = Collected<NIODeadline>()
            let edge = try await StubEdge.start(on: group) { command, connection in
                asked.add(.now())
                if asked.all.count < 3 {
                    let failure = Failure(.rateLimited, "Later.", retryAfterMilliseconds: 150)
                    connection.send(.error(command.id, failure))
                } else {
                    connection.send(.authenticated(command.id, Fixtures.authenticated()))
                }
            }
            let events = Events()
            var settings = TrunklineSocket.Settings()
            // Of each attempt, not of all together.
            settings.openTimeout = .milliseconds(250)
            let socket = try await self.connect(to: edge.address, on: group, events, settings: settings)
            try await eventually("it is open") { try await socket.ask { $0.isOpen } }
            #expect(edge.connections.count == 1)
            #expect(Set(edge.commands.map(\.id)).count == 3)
            let times = asked.all
            #expect(times[1] - times[0] >= .milliseconds(150) && times[2] - times[1] >= .milliseconds(150))
            try await socket.ask { $0.close() }
            _ = try await self.closure(events)
            await edge.stop()
        }
    }

    @Test("an edge that has this client wait for ever, or for too long, is left")
    func noTurn() async throws {
        try await Fixtures.withEventLoops { group in
            for (milliseconds, attempts) in [(UInt32(1), 4), (60 * 60 * 1000, 1)] {
                let edge = try await StubEdge.start(on: group) { command, connection in
                    let failure = Failure(.rateLimited, "Later.", retryAfterMilliseconds: milliseconds)
                    connection.send(.error(command.id, failure))
                }
                let events = Events()
                _ = try await self.connect(to: edge.address, on: group, events)
                let closure = try await self.closure(events)
                #expect(closure.advice == .reconnect)
                #expect(closure.error.retryAfterMilliseconds == milliseconds)
                #expect(edge.commands.count == attempts)
                await edge.stop()
            }
        }
    }

    @Test(
        "an edge that opens no WebSocket tells when to come again",
        arguments: [(429, 2, "rate_limited"), (503, 7, "unavailable")]
    )
    func refusedUpgrade(status: Int, seconds: Int, name: String) async throws {
        try await Fixtures.withEventLoops { group in
            let edge = try await StubEdge.start(
                on: group,
                upgrades: false,
                onRequest: { _ in StubEdge.Answer(status: status, body: [], retryAfter: seconds) }
            )
            let events = Events()
            _ = try await self.connect(to: edge.address, on: group, events)
            let closure = try await self.closure(events)
            #expect(closure.advice == .reconnect)
            #expect(closure.error.name == name)
            #expect(closure.error.retryAfterMilliseconds == UInt32(seconds * 1000))
            await edge.stop()
        }
    }

    @Test("a connection that ends before the edge agreed to anything is lost, and nobody broke the protocol")
    func lostUpgrade() async throws {
        try await Fixtures.withEventLoops { group in
            let edge = try await StubEdge.start(
                on: group,
                upgrades: false,
                onRequest: { _ in StubEdge.Answer(status: 200, body: [], isLost: true) }
            )
            let events = Events()
            _ = try await self.connect(to: edge.address, on: group, events)
            let closure = try await self.closure(events)
            #expect(closure.advice == .reconnect)
            #expect(closure.error.code == .connectionLost)
            await edge.stop()
        }
    }

    @Test("a fresh token is shown on the open connection, one at a time")
    func prolonging() async throws {
        try await Fixtures.withEventLoops { group in
            let edge = try await StubEdge.start(on: group) { command, connection in
                guard case .authenticate(let fields) = command.command else { return }
                if fields.token == "bad" {
                    connection.send(.error(command.id, Failure(.tokenExpired, "No.")))
                } else {
                    connection.send(.authenticated(command.id, Fixtures.authenticated()))
                }
            }
            let events = Events()
            let socket = try await self.connect(to: edge.address, on: group, events)
            try await eventually("it is open") { try await socket.ask { $0.isOpen } }
            func prolonged() -> [Bool] {
                events.all.compactMap { event in
                    guard case .prolonged(let result) = event else { return nil }
                    return (try? result.get()) != nil
                }
            }
            try await socket.ask {
                $0.authenticate(token: "fresh")
                $0.authenticate(token: "not sent")
            }
            try await eventually("the answer") { prolonged() == [true] }
            try await socket.ask { $0.authenticate(token: "bad") }
            try await eventually("the other answer") { prolonged() == [true, false] }
            let tokens = edge.commands.compactMap { command in
                if case .authenticate(let fields) = command.command { fields.token } else { nil }
            }
            #expect(tokens == ["access", "fresh", "bad"])
            #expect(try await socket.ask { $0.isOpen })
            try await socket.ask { $0.close() }
            _ = try await self.closure(events)
            await edge.stop()
        }
    }
}
