// SPDX-License-Identifier: Apache-2.0

import ClientProtocol
import Messaging
import NIOCore
import NIOEmbedded
import NIOWebSocket
import TestSupport
import Testing

@testable import TrunklineClient

@Suite("Frames that another connection brought")
struct SeenFramesTests {
    @Test(
        "Whatever the connections bring, and wherever it is cut: each has every message once, in its order",
        arguments: 0..<60
    )
    func anything(_ number: Int) throws {
        let seed = UInt64(number)
        var random = SeededRandom(seed: seed)
        let seen = SeenFrames(framesMax: [1, 7, 1000][number % 3])
        let connections = try (0..<5).map { _ in try Connection(seen) }
        defer { for connection in connections { connection.finish() } }
        let conversations = (0..<Int.random(in: 1...3, using: &random)).map { _ in ConversationID.generate() }
        for round in 1...20 {
            for conversation in conversations {
                let frames = (0..<Int.random(in: 0...9, using: &random)).map { place in
                    Frame.message(
                        conversation,
                        seq: UInt64(round * 10 + place),
                        size: Int.random(in: 0...300, using: &random)
                    )
                }
                for connection in connections.shuffled(using: &random) {
                    // A device is not told of what it sent, and hears of other things between.
                    let own = frames.filter { _ in Int.random(in: 0..<8, using: &random) > 0 }
                    let bytes = own.flatMap { frame in
                        Bool.random(using: &random) ? [frame] : [frame, Frame.other(using: &random)]
                    }
                    connection.send(bytes)
                }
            }
            for connection in connections.shuffled(using: &random) { try connection.deliver(using: &random) }
        }
        for connection in connections {
            try connection.deliverAll()
            #expect(connection.received == connection.expected, "seed \(seed)")
            #expect(connection.others == connection.expectedOthers, "seed \(seed)")
        }
        #expect(seen.count <= seen.framesMax)
    }

    @Test("What came to one connection is not decoded by the next")
    func decodesOnce() throws {
        let seen = SeenFrames()
        let conversation = ConversationID.generate()
        let frames = (1...100).map { Frame.message(conversation, seq: UInt64($0), size: 200) }
        let connections = try (0..<3).map { _ in try Connection(seen) }
        defer { for connection in connections { connection.finish() } }
        for connection in connections {
            connection.send(frames)
            try connection.deliverAll()
            #expect(connection.received.count == 100)
        }
        // The first frame of a connection is decoded: nothing came before it that it could follow.
        #expect(connections.map(\.decodedCount) == [100, 1, 1])
    }

    @Test("Other bytes under the same number are decoded, and told as they are")
    func otherBytes() throws {
        let seen = SeenFrames()
        let conversation = ConversationID.generate()
        let first = Frame.message(conversation, seq: 1, size: 10)
        let (second, forged) = (
            Frame.message(conversation, seq: 2, size: 20), Frame.message(conversation, seq: 2, size: 20)
        )
        for stream in [[first, second], [first, forged], [first, second]] {
            let connection = try Connection(seen)
            connection.send(stream)
            try connection.deliverAll()
            #expect(connection.received == connection.expected)
            connection.finish()
        }
    }

    @Test("A fragmented message, a masked frame and an impossible length reach the decoder as they came")
    func irregular() throws {
        for bytes: [UInt8] in [
            [0x01, 0x02, 0x7B, 0x7D, 0x81, 0x00],
            [0x81, 0x80, 0, 0, 0, 0],
            [0x81, 0x7F, 0x7F, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x00],
        ] {
            let handler = SeenFramesHandler(SeenFrames())
            let channel = EmbeddedChannel(handler: handler)
            for byte in bytes { try channel.writeInbound(ByteBuffer(bytes: [byte])) }
            var passed: [UInt8] = []
            while let part = try channel.readInbound(as: ByteBuffer.self) { passed += Array(part.readableBytesView) }
            #expect(passed == bytes)
            _ = try channel.finish(acceptAlreadyClosed: true)
        }
    }
}

private struct Frame {
    /// Nil for another event.
    var message: DeliveredMessage?
    var bytes: [UInt8]

    static func message(_ conversation: ConversationID, seq: UInt64, size: Int) -> Frame {
        let message = DeliveredMessage(
            messageID: MessageID(conversation: conversation, seq: seq),
            conversationID: conversation,
            seq: seq,
            senderID: .generate(),
            clientMessageID: .generate(),
            kind: .text,
            body: String(repeating: "x", count: size),
            createdAt: Timestamp(1_700_000_000_123)
        )
        return Frame(
            message: message,
            bytes: PlainFrame.bytes(opcode: 1, ServerMessage.newMessage(message).encoded(), isMasked: false)
        )
    }

    static func other(using random: inout SeededRandom) -> Frame {
        let payload = [UInt8](repeating: 0x20, count: Int.random(in: 0...200, using: &random))
        return Frame(
            message: nil,
            bytes: PlainFrame.bytes(opcode: Bool.random(using: &random) ? 1 : 2, payload, isMasked: false)
        )
    }
}

/// The beginning of a connection's pipeline, and what came out of it.
private final class Connection {
    private let channel: EmbeddedChannel
    private let sink: Sink
    private var unsent: [UInt8] = []
    private(set) var expected: [DeliveredMessage] = []
    private(set) var expectedOthers = 0

    init(_ seen: SeenFrames) throws {
        let handler = SeenFramesHandler(seen)
        let sink = Sink(handler)
        handler.receive = { first, count in
            var frame: SeenFrames.Frame? = first
            for _ in 0..<count {
                guard let current = frame else { return }
                sink.received.append(current.message)
                frame = current.next
            }
        }
        self.sink = sink
        self.channel = EmbeddedChannel()
        try self.channel.pipeline.syncOperations.addHandlers([
            handler, ByteToMessageHandler(WebSocketFrameDecoder()), sink,
        ])
    }

    var received: [DeliveredMessage] { self.sink.received }
    var others: Int { self.sink.others }
    var decodedCount: Int { self.sink.decodedCount }

    func send(_ frames: [Frame]) {
        self.unsent += frames.flatMap(\.bytes)
        self.expected += frames.compactMap(\.message)
        self.expectedOthers += frames.count { $0.message == nil }
    }

    /// A part of what was sent, cut anywhere.
    func deliver(using random: inout SeededRandom) throws {
        while !self.unsent.isEmpty, Int.random(in: 0..<6, using: &random) > 0 {
            try self.deliver(Int.random(in: 1...min(self.unsent.count, 2000), using: &random))
        }
    }

    func deliverAll() throws {
        guard !self.unsent.isEmpty else { return }
        try self.deliver(self.unsent.count)
    }

    private func deliver(_ count: Int) throws {
        try self.channel.writeInbound(ByteBuffer(bytes: self.unsent.prefix(count)))
        self.unsent.removeFirst(count)
    }

    func finish() {
        _ = try? self.channel.finish(acceptAlreadyClosed: true)
    }

    private final class Sink: ChannelInboundHandler {
        typealias InboundIn = WebSocketFrame

        private let handler: SeenFramesHandler
        var received: [DeliveredMessage] = []
        var others = 0
        var decodedCount = 0

        init(_ handler: SeenFramesHandler) {
            self.handler = handler
        }

        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            let frame = self.unwrapInboundIn(data)
            guard frame.opcode == .text, let read = try? ServerMessage.read(frame.data),
                case .newMessage(let message) = read
            else {
                self.others += 1
                return
            }
            self.decodedCount += 1
            self.handler.decoded(message)
            self.received.append(message)
        }
    }
}
