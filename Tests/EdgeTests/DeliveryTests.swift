// SPDX-License-Identifier: Apache-2.0

import ClientProtocol
import Messaging
import NIOCore
import NIOEmbedded
import Observability
import Synchronization
import TestSupport
import Testing
import Wire

@testable import Edge

@Suite("Delivery")
struct DeliveryTests {
    private let sender = UserID(value: 1)
    private let phone = DeviceID(value: 2)
    private let laptop = DeviceID(value: 3)
    private let receiver = UserID(value: 4)

    private func deliver(_ seqs: ClosedRange<UInt64>, to recipients: [UserID], body: String = "hello") -> [Deliver] {
        seqs.map {
            Deliver(
                message: .sample($0, sender: self.sender, device: self.phone, body: body),
                recipients: recipients,
                isBroadcast: false
            )
        }
    }

    @Test("A message reaches every device of every recipient, except the one that sent it")
    func everyDevice() async throws {
        let fixture = SessionsFixture()
        let sending = try await fixture.authenticate(self.sender, self.phone)
        let other = try await fixture.authenticate(self.sender, self.laptop)
        let first = try await fixture.authenticate(self.receiver, DeviceID(value: 5))
        let second = try await fixture.authenticate(self.receiver, DeviceID(value: 6))
        let stranger = try await fixture.authenticate(UserID(value: 7), DeviceID(value: 8))
        let delivers = self.deliver(1...1, to: [self.sender, self.receiver])
        await fixture.deliver(delivers)
        let expected = ServerMessage.newMessage(DeliveredMessage(delivers[0].message))
        for client in [other, first, second] { #expect(try await client.next() == expected) }
        for client in [sending, stranger] { #expect(try await client.frames().isEmpty) }
        #expect(fixture.metrics.deliveries.value == 3)
    }

    @Test("Recipients named by a number: a device that comes gets what follows, one that is gone holds nobody up")
    func numbered() async throws {
        let fixture = SessionsFixture()
        let users = [self.sender, self.receiver]
        let all = AudienceUpdate(conversation: ConversationID(value: 5), number: 1, kind: .all, users: users)
        fixture.dispatcher.audienceReceived(all.encoded(), from: "router-1")
        func deliver(_ seq: UInt64) async -> ServerMessage {
            var message = self.deliver(seq...seq, to: [])[0]
            message.audience = 1
            await fixture.deliver([message])
            return .newMessage(DeliveredMessage(message.message))
        }
        let sending = try await fixture.authenticate(self.sender, self.phone)
        let first = try await fixture.authenticate(self.receiver, DeviceID(value: 5))
        for seq: UInt64 in 1...3 {
            let expected = await deliver(seq)
            #expect(try await first.next() == expected)
        }
        let second = try await fixture.authenticate(self.receiver, DeviceID(value: 6))
        var expected = await deliver(4)
        for client in [first, second] { #expect(try await client.next() == expected) }
        try await first.channel.close()
        expected = await deliver(5)
        #expect(try await second.next() == expected)
        #expect(try await sending.frames().isEmpty)
        #expect(fixture.metrics.deliveries.value == 6)
    }

    @Test("Messages of one read are written in order, as one flush")
    func joined() async throws {
        let fixture = SessionsFixture()
        let client = try await fixture.authenticate(self.receiver, DeviceID(value: 5))
        let delivers = self.deliver(1...50, to: [self.receiver])
        await fixture.deliver(delivers)
        let bytes = try await client.channel.readOutbound(as: ByteBuffer.self)
        #expect(try await client.channel.readOutbound(as: ByteBuffer.self) == nil)
        let expected = delivers.map { ServerFrame.text(.newMessage(DeliveredMessage($0.message))) }
            .reduce(into: ByteBuffer()) { _ = $0.writeImmutableBuffer($1) }
        #expect(bytes == expected)
    }

    @Test("Sessions that get different messages of one read get each their own")
    func different() async throws {
        let fixture = SessionsFixture()
        let seed: UInt64 = 0xDE11
        var random = SeededRandom(seed: seed)
        let users = (10..<16).map { UserID(value: $0) }
        var clients: [SessionsClient] = []
        for user in users { clients.append(try await fixture.authenticate(user, DeviceID(value: user.value + 100))) }
        var expected: [UserID: [UInt64]] = [:]
        var delivers: [Deliver] = []
        for seq in 1...60 as ClosedRange<UInt64> {
            let recipients = users.filter { _ in Bool.random(using: &random) }
            for user in recipients { expected[user, default: []].append(seq) }
            delivers += self.deliver(seq...seq, to: recipients)
        }
        await fixture.deliver(delivers)
        for (user, client) in zip(users, clients) {
            let seqs = try await client.messages().map { message -> UInt64 in
                guard case .newMessage(let delivered) = message else { return 0 }
                return delivered.seq
            }
            #expect(seqs == expected[user], "seed \(seed)")
        }
    }

    @Test("Recipients without a session are told to the router once per read, but not those of a broadcast")
    func absent() async throws {
        let fixture = SessionsFixture()
        _ = try await fixture.authenticate(self.receiver, DeviceID(value: 5))
        await fixture.deliver(self.deliver(1...3, to: [self.receiver, UserID(value: 90), UserID(value: 91)]))
        let unknown = fixture.links.state.withLock { $0.notifications.filter { $0.kind == .sessionUnknown } }
        #expect(unknown.count == 1)
        #expect(try SessionUnknown(decoding: unknown[0].payload).users == [UserID(value: 90), UserID(value: 91)])
        await fixture.deliver([
            Deliver(
                message: .sample(4, sender: self.sender, device: self.phone),
                recipients: [UserID(value: 92)],
                isBroadcast: true
            )
        ])
        #expect(fixture.links.state.withLock { $0.notifications.count { $0.kind == .sessionUnknown } } == 1)
    }

    @Test("A slow reader gets no live events, keeps its connection, and is told to resync when it can read again")
    func slowReader() async throws {
        let fixture = SessionsFixture()
        let slow = try await fixture.authenticate(self.receiver, DeviceID(value: 5))
        let quick = try await fixture.authenticate(self.receiver, DeviceID(value: 6))
        await fixture.deliver(self.deliver(1...1, to: [self.receiver]))
        #expect(try await slow.next()?.name == .newMessage)
        _ = try await quick.next()

        try await slow.setWritable(false)
        await fixture.deliver(self.deliver(2...20, to: [self.receiver]))
        #expect(try await slow.frames().isEmpty)
        #expect(try await quick.messages().count == 19)
        #expect(fixture.metrics.deliveriesSkipped.value == 19)
        #expect(!slow.isClosed)

        try await slow.setWritable(true)
        #expect(try await slow.messages() == [.resync])
        await fixture.deliver(self.deliver(21...21, to: [self.receiver]))
        #expect(try await slow.next()?.name == .newMessage)
        #expect(fixture.metrics.resyncs.value == 1)
    }

    @Test("What came before is said to have gone out when the sockets have taken it")
    func settles() async throws {
        let fixture = SessionsFixture()
        let client = try await fixture.authenticate(self.receiver, DeviceID(value: 5))
        try await HeldWrites.add(to: client.channel, on: fixture.eventLoop)
        await fixture.deliver(self.deliver(1...3, to: [self.receiver]))
        await fixture.askToSettle([self.receiver, UserID(value: 90)])
        #expect(fixture.log.count("settled") == 0)
        try await client.channel.triggerUserOutboundEvent(HeldWrites.LetGo()).get()
        await fixture.eventLoop.run()
        #expect(fixture.log.count("settled 0") == 1)
        #expect(try await client.frames().map(\.opcode) == [1, 1, 1, 9])
        await fixture.askToSettle([UserID(value: 90)])
        #expect(fixture.log.count("settled 0") == 2, "nobody to wait for")
    }

    @Test("A session whose socket takes nothing is cut off, so that what was delivered to it never arrives late")
    func settlesSlowReader() async throws {
        let fixture = SessionsFixture()
        let slow = try await fixture.authenticate(self.receiver, DeviceID(value: 5))
        let other = try await fixture.authenticate(self.sender, self.phone)
        try await HeldWrites.add(to: slow.channel, on: fixture.eventLoop)
        await fixture.deliver(self.deliver(1...3, to: [self.receiver]))
        await fixture.askToSettle([self.receiver])
        await fixture.advance(SessionLoop.settleTimeout - .milliseconds(1))
        #expect(fixture.log.count("settled") == 0 && !slow.isClosed)
        await fixture.advance(.milliseconds(1))
        #expect(fixture.log.count("settled 0") == 1)
        #expect(slow.isClosed && !other.isClosed)
        #expect(try await slow.frames().isEmpty)
    }

    @Test("What a former owner sends late does not reach who was put out; who is a member again gets what is newer")
    func withholdsLateDeliveries() async throws {
        let fixture = SessionsFixture()
        let former = try await fixture.authenticate(self.receiver, DeviceID(value: 5))
        let member = try await fixture.authenticate(self.sender, self.laptop)
        await fixture.askToSettle([self.receiver], through: 7)
        await fixture.deliver(self.deliver(6...7, to: [self.receiver, self.sender]))
        #expect(try await former.messages().isEmpty)
        #expect(try await member.messages().count == 2)
        #expect(fixture.metrics.deliveriesWithheld.value == 2)
        await fixture.deliver(self.deliver(8...8, to: [self.receiver, self.sender]))
        #expect(try await former.messages().count == 1)
        #expect(try await member.messages().count == 1)
    }

    @Test("A reader that was slow but missed nothing is told nothing")
    func slowWithoutLoss() async throws {
        let fixture = SessionsFixture()
        let client = try await fixture.authenticate(self.receiver, DeviceID(value: 5))
        try await client.setWritable(false)
        try await client.setWritable(true)
        #expect(try await client.frames().isEmpty)
    }

    @Test("While too much is unsent, nothing is read from the client")
    func heldReads() async throws {
        let fixture = SessionsFixture()
        let client = try await fixture.authenticate(self.receiver, DeviceID(value: 5))
        let counter = ReadCounter()
        let channel = client.channel
        try await fixture.eventLoop.submit {
            try channel.pipeline.syncOperations.addHandler(counter, position: .first)
        }.get()
        try await client.setWritable(false)
        channel.read()
        await fixture.eventLoop.run()
        #expect(counter.reads.value == 0)
        try await client.setWritable(true)
        #expect(counter.reads.value == 1)
    }

    @Test("Over the bound of what may wait for an event loop events are dropped, and its sessions told to resync")
    func overflow() async throws {
        let fixture = SessionsFixture()
        let client = try await fixture.authenticate(self.receiver, DeviceID(value: 5))
        let frame = ServerFrame.text([UInt8](repeating: 65, count: 1 << 20))
        let delivery = SessionLoop.Delivery(
            frame: EventFrames(json: frame),
            recipients: [UserID(value: 77)],
            conversation: ConversationID(value: 5),
            seq: 1,
            excluded: nil,
            messageCreatedAt: nil
        )
        fixture.loop.deliver(Array(repeating: delivery, count: 70))
        await fixture.eventLoop.run()
        #expect(fixture.metrics.deliveriesDropped.value == 7)
        #expect(try await client.messages() == [.resync])
    }

    @Test("Every kind of event has its message", arguments: ConversationEventKind.allCases)
    func events(kind: ConversationEventKind) async throws {
        let fixture = SessionsFixture()
        let client = try await fixture.authenticate(self.receiver, DeviceID(value: 5))
        let conversation = Conversation(
            id: ConversationID(value: 5),
            kind: .group,
            title: "t",
            createdBy: self.sender,
            createdAt: 1,
            headSeq: 3
        )
        let event = ConversationEvent(
            kind: kind,
            conversation: conversation,
            actor: self.sender,
            members: [Member(user: self.receiver, role: .admin)],
            recipients: [self.receiver]
        )
        fixture.dispatcher.eventReceived(event.encoded(), from: "router-1")
        fixture.dispatcher.readComplete(from: "router-1")
        await fixture.eventLoop.run()
        let members = [ConversationMember(userID: self.receiver, role: .admin)]
        let membership = MembershipEvent(conversationID: conversation.id, members: members, actorID: self.sender)
        let expected: ServerMessage =
            switch kind {
            case .created:
                .conversationCreated(ConversationResponse(conversation, members: event.members), actor: self.sender)
            case .updated: .conversationUpdated(ConversationHeader(conversation), actor: self.sender)
            case .deleted: .conversationDeleted(conversation.id, actor: self.sender)
            case .memberAdded: .memberAdded(membership)
            case .memberRemoved: .memberRemoved(membership)
            case .roleChanged: .roleChanged(membership)
            }
        #expect(try await client.next() == expected)
    }

    @Test("A notification that cannot be read is counted, and the others are delivered")
    func malformed() async throws {
        let fixture = SessionsFixture()
        let client = try await fixture.authenticate(self.receiver, DeviceID(value: 5))
        fixture.dispatcher.deliverReceived(ByteBuffer(bytes: [0xFF, 0x01]), from: "router-1")
        await fixture.deliver(self.deliver(1...1, to: [self.receiver]))
        #expect(try await client.next()?.name == .newMessage)
        #expect(fixture.metrics.malformedNotifications.value == 1)
    }

    @Test("Joined frames are the frames one after the other, in buffers of bounded size")
    func joinedFrames() {
        let frames = (0..<10).map { ByteBuffer(repeating: UInt8($0), count: 30_000) }
        var joined = JoinedFrames(frames)
        #expect(joined.buffers(at: [3]) == [frames[3]])
        let places = [0, 1, 2, 5, 9]
        let buffers = joined.buffers(at: places)
        #expect(buffers.allSatisfy { $0.readableBytes <= JoinedFrames.joinedBytesMax })
        #expect(buffers.count == 3)
        #expect(
            buffers.flatMap { Array($0.readableBytesView) } == places.flatMap { Array(frames[$0].readableBytesView) }
        )
        #expect(joined.buffers(at: places) == buffers)
    }
}

/// Counts the reads that reach the socket.
private final class ReadCounter: ChannelOutboundHandler, Sendable {
    typealias OutboundIn = ByteBuffer

    final class Box: Sendable {
        private let count = SessionsCounter()
        var value: Int { self.count.value }
        func increment() { self.count.increment() }
    }

    let reads = Box()

    func read(context: ChannelHandlerContext) {
        self.reads.increment()
        context.read()
    }
}

/// A socket that takes nothing until it is told to.
private final class HeldWrites: ChannelOutboundHandler {
    typealias OutboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    struct LetGo: Sendable {}

    private var held: [(NIOAny, EventLoopPromise<Void>?)] = []
    private var isHolding = true

    static func add(to channel: NIOAsyncTestingChannel, on loop: NIOAsyncTestingEventLoop) async throws {
        try await loop.submit {
            try channel.pipeline.syncOperations.addHandler(HeldWrites(), position: .first)
        }.get()
    }

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        guard self.isHolding else { return context.write(data, promise: promise) }
        self.held.append((data, promise))
    }

    func close(context: ChannelHandlerContext, mode: CloseMode, promise: EventLoopPromise<Void>?) {
        for (_, written) in self.held { written?.fail(ChannelError.ioOnClosedChannel) }
        self.held = []
        context.close(mode: mode, promise: promise)
    }

    func triggerUserOutboundEvent(context: ChannelHandlerContext, event: Any, promise: EventLoopPromise<Void>?) {
        self.isHolding = false
        for (data, written) in self.held { context.write(data, promise: written) }
        self.held = []
        context.flush()
        promise?.succeed()
    }
}

@available(*, unavailable)
extension HeldWrites: Sendable {}
