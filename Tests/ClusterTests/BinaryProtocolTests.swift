// SPDX-License-Identifier: Apache-2.0

import ClientProtocol
import Messaging
import NIOCore
import NIOPosix
import Synchronization
import TestSupport
import Testing
import TrunklineClient

extension ClusterTests {
    @Suite("The binary protocol beside JSON", .serialized, .timeLimit(.minutes(3)))
    struct BinaryProtocolTests {
        /// A device that writes down what it is told.
        private final class Device: Sendable {
            private let eventLoop: any EventLoop
            private let socket: NIOLoopBound<TrunklineSocket>
            private let events: Collected

            private final class Collected: Sendable {
                let all = Mutex<[TrunklineSocket.Event]>([])
            }

            private init(eventLoop: any EventLoop, socket: NIOLoopBound<TrunklineSocket>, events: Collected) {
                self.eventLoop = eventLoop
                self.socket = socket
                self.events = events
            }

            static func open(_ user: TestUser, _ port: UInt16, _ subprotocol: ClientSubprotocol) async throws -> Device
            {
                let eventLoop = MultiThreadedEventLoopGroup.singleton.next()
                let events = Collected()
                let device = try #require(DeviceID(user.device))
                let edge = EdgeAddress(host: "127.0.0.1", port: Int(port))
                let token = user.token
                let bound = try await eventLoop.submit {
                    var settings = TrunklineSocket.Settings()
                    settings.subprotocol = subprotocol
                    let socket = TrunklineSocket(edge: edge, eventLoop: eventLoop, settings: settings) { event in
                        events.all.withLock { $0.append(event) }
                    }
                    socket.open(token: token, device: device, sync: true)
                    return NIOLoopBound(socket, eventLoop: eventLoop)
                }.get()
                let opened = Device(eventLoop: eventLoop, socket: bound, events: events)
                try await eventually("it is open") { try await opened.ask { $0.isOpen } }
                #expect(try await opened.ask { $0.subprotocol } == subprotocol)
                try await opened.sync([:])
                return opened
            }

            @discardableResult
            func ask<Answer: Sendable>(_ body: @escaping @Sendable (TrunklineSocket) -> Answer) async throws -> Answer {
                let bound = self.socket
                return try await self.eventLoop.submit { body(bound.value) }.get()
            }

            var all: [TrunklineSocket.Event] { self.events.all.withLock { $0 } }

            /// Catches up, and returns what was brought.
            @discardableResult
            func sync(_ cursors: [ConversationID: UInt64]) async throws -> [DeliveredMessage] {
                let before = self.all.count
                let command = try await self.ask {
                    $0.sync(SyncRequest(cursors: cursors, wantsReceipts: true), cursorsPerPart: 100)
                }
                try await eventually("it is synced") {
                    self.all.contains { if case .synced(command, _) = $0 { true } else { false } }
                }
                return self.all[before...].flatMap { event -> [DeliveredMessage] in
                    if case .syncMessages(let page) = event { page.messages } else { [] }
                }
            }

            /// What a device of a conversation sees live, in the order in which it came: messages and changes.
            var seen: [ServerMessage] {
                self.all.compactMap { event in
                    switch event {
                    case .message(let message): .newMessage(message)
                    case .other(let other) where !Self.isEphemeral(other): other
                    default: nil
                    }
                }
            }

            /// The same of what may be merged and overtaken.
            var ephemeral: Set<ServerMessage> {
                Set(
                    self.all.compactMap {
                        if case .other(let other) = $0, Self.isEphemeral(other) { other } else { nil }
                    }
                )
            }

            private static func isEphemeral(_ message: ServerMessage) -> Bool {
                switch message.name {
                case .typing, .userOnline, .userOffline: true
                default: false
                }
            }
        }

        @Test("Devices of both kinds on both edges see the same of a conversation, live and when they catch up")
        func same() async throws {
            let cluster = try await SharedCluster.shared.cluster()
            let ada = try await cluster.register("ada")
            let bob = try await cluster.register("bob")
            let eve = try await cluster.register("eve")
            let text = try await ada.createConversation("group", with: [bob], port: cluster.edge(1))
            let group = try #require(ConversationID(text))
            var devices: [Device] = []
            for edge in [1, 2] {
                for subprotocol in ClientSubprotocol.allCases {
                    let login = try await TestUser.login(ada.username, port: cluster.edge(edge))
                    devices.append(try await Device.open(login, cluster.edge(edge), subprotocol))
                }
            }
            let bobs = try await Device.open(bob, cluster.edge(2), .binary)
            for device in devices {
                try await device.ask { $0.perform(.watchPresence(.init(conversationIDs: [group]))) }
            }
            try await eventually("they watch") {
                devices.allSatisfy { device in
                    device.all.contains { if case .other(.presenceWatched) = $0 { true } else { false } }
                }
            }
            let bodies = (0..<30).map { "Grüße \($0) \u{1F44B}\n\"" } + [String(repeating: "x", count: 20_000)]
            let requests = bodies.map {
                SendMessageRequest(conversationID: group, clientMessageID: .generate(), kind: .text, body: $0)
            }
            try await bobs.ask { socket in for request in requests { _ = socket.send(request) } }
            try await bobs.ask { $0.perform(.setStatus(.init(status: .busy))) }
            try await bobs.ask { $0.perform(.setTyping(.init(conversationID: group))) }
            try await eventually("everything arrived") {
                devices.allSatisfy { $0.seen.count { $0.name == .newMessage } == bodies.count }
            }
            try await bobs.ask { $0.send(ReceiptRequest(conversationID: group, seq: 5), isRead: true) }
            try await eventually("the receipt arrived") {
                devices.allSatisfy { $0.seen.contains { $0.name == .messageRead } }
            }
            let path = "/api/conversations/\(text)"
            let port = cluster.edge(1)
            _ = try await ada.request("PUT", path, port: port, json: #"{"title":"Friends"}"#)
            _ = try await ada.request("POST", path + "/members", port: port, json: #"{"user_ids":["\#(eve.id)"]}"#)
            _ = try await ada.request("PUT", path + "/members/\(eve.id)", port: port, json: #"{"role":"admin"}"#)
            _ = try await ada.request("DELETE", path + "/members/\(eve.id)", port: port)
            try await eventually("the changes arrived") {
                devices.allSatisfy { $0.seen.contains { $0.name == .memberRemoved } }
            }
            try await eventually("they see Bob type") {
                devices.allSatisfy { $0.ephemeral.contains { $0.name == .typing } }
            }
            let busy = ServerMessage.userOnline(
                UserOnline(userID: try #require(UserID(bob.id)), status: .busy)
            )
            try await eventually("they see that Bob is busy") { devices.allSatisfy { $0.ephemeral.contains(busy) } }
            let changes: [ServerMessage.Name] = [.conversationUpdated, .memberAdded, .roleChanged, .memberRemoved]
            for device in devices {
                let seen = device.seen
                #expect(seen == devices[0].seen)
                #expect(seen.map(\.name).filter { changes.contains($0) } == changes)
                #expect(
                    device.ephemeral.filter { $0.name == .typing } == devices[0].ephemeral.filter { $0.name == .typing }
                )
            }
            let answered = bobs.all.compactMap { if case .sent(_, let sent) = $0 { sent.seq } else { nil } }
            #expect(answered.sorted() == Array(1...UInt64(bodies.count)))
            for device in devices {
                let caughtUp = try await device.sync([group: 3])
                #expect(caughtUp.map(\.seq) == Array(4...UInt64(bodies.count)))
                #expect(caughtUp.map(\.body) == Array(bodies[3...]))
                try await device.ask { $0.close() }
            }
            try await bobs.ask { $0.close() }
        }
    }
}
