// SPDX-License-Identifier: Apache-2.0

import ClientProtocol
import NIOCore
import NIOEmbedded
import NIOWebSocket
import TestSupport

@testable import Edge

/// Something came that was not expected.
struct SessionsMismatch: Error, CustomStringConvertible {
    var description: String
}

/// The client's end of a WebSocket in a test: writes masked frames, takes the server's apart.
final class SessionsClient: Sendable {
    struct Frame: Equatable {
        var opcode: UInt8
        var payload: [UInt8]

        var closeCode: UInt16? {
            guard self.opcode == 8, self.payload.count >= 2 else { return nil }
            return UInt16(self.payload[0]) << 8 | UInt16(self.payload[1])
        }
    }

    let channel: NIOAsyncTestingChannel
    private let loop: NIOAsyncTestingEventLoop
    private let unread: NIOLoopBoundBox<ByteBuffer>
    private let subprotocol: ClientSubprotocol

    init(
        channel: NIOAsyncTestingChannel,
        loop: NIOAsyncTestingEventLoop,
        speaking subprotocol: ClientSubprotocol = .json
    ) {
        self.subprotocol = subprotocol
        self.channel = channel
        self.loop = loop
        self.unread = NIOLoopBoundBox.makeBoxSendingValue(ByteBuffer(), eventLoop: loop)
    }

    // MARK: - Sending

    static func frame(
        opcode: UInt8,
        _ payload: [UInt8],
        isFinal: Bool = true,
        isMasked: Bool = true,
        reserved: UInt8 = 0
    ) -> [UInt8] {
        var frame: [UInt8] = [(isFinal ? 0x80 : 0) | reserved << 4 | opcode]
        let mask: UInt8 = isMasked ? 0x80 : 0
        switch payload.count {
        case ...125: frame.append(mask | UInt8(payload.count))
        case ...0xFFFF: frame += [mask | 126, UInt8(payload.count >> 8), UInt8(payload.count & 0xFF)]
        default:
            frame.append(mask | 127)
            frame += (0..<8).map { UInt8(truncatingIfNeeded: payload.count >> (56 - 8 * $0)) }
        }
        guard isMasked else { return frame + payload }
        let key: [UInt8] = [0xA1, 0x52, 0x00, 0xFF]
        return frame + key + payload.enumerated().map { $1 ^ key[$0 & 3] }
    }

    /// Bytes as one read of the socket.
    func send(bytes: [UInt8]) async throws {
        try await self.channel.writeInbound(ByteBuffer(bytes: bytes))
        await self.loop.run()
    }

    func send(_ message: CommandMessage) async throws {
        switch self.subprotocol {
        case .json: try await self.send(bytes: Self.frame(opcode: 1, message.encoded()))
        case .binary:
            try await self.send(bytes: Self.frame(opcode: 2, Array(message.encodedBinary().readableBytesView)))
        }
    }

    func send(text: String) async throws {
        try await self.send(bytes: Self.frame(opcode: 1, Array(text.utf8)))
    }

    // MARK: - Receiving

    /// What was flushed and is not taken yet, without waiting.
    func frames() async throws -> [Frame] {
        await self.loop.run()
        while let bytes = try await self.channel.readOutbound(as: ByteBuffer.self) {
            try await self.loop.submit { [unread] in _ = unread.value.writeImmutableBuffer(bytes) }.get()
        }
        return try await self.loop.submit { [unread] in
            var frames: [Frame] = []
            while let frame = Self.take(&unread.value) { frames.append(frame) }
            return frames
        }.get()
    }

    /// The next frame; others that came with it are an error of the test.
    func frame() async throws -> Frame {
        var frames: [Frame] = []
        try await eventually("a frame from the edge") {
            frames += try await self.frames()
            return !frames.isEmpty
        }
        guard frames.count == 1 else { throw SessionsMismatch(description: "\(frames.count) frames instead of one") }
        return frames[0]
    }

    /// The next message.
    func next() async throws -> ServerMessage? {
        let frame = try await self.frame()
        let messages = try self.messages(in: frame)
        guard let messages, messages.count < 2 else { throw SessionsMismatch(description: "\(frame)") }
        return messages.first
    }

    /// All messages that are there.
    func messages() async throws -> [ServerMessage] {
        try await self.frames().flatMap { try self.messages(in: $0) ?? [] }
    }

    /// Those that are known; nil if the frame is not one that may hold any.
    private func messages(in frame: Frame) throws -> [ServerMessage]? {
        switch (self.subprotocol, frame.opcode) {
        case (.json, 1): try ServerMessage.decode(json: frame.payload).map { [$0] } ?? []
        case (.binary, 2): try ServerMessage.decode(binary: ByteBuffer(bytes: frame.payload))
        default: nil
        }
    }

    /// The server's frames: final, not masked, with the shortest length (RFC 6455 §5.2).
    private static func take(_ buffer: inout ByteBuffer) -> Frame? {
        var rest = buffer
        guard let first = rest.readInteger(as: UInt8.self), let second = rest.readInteger(as: UInt8.self) else {
            return nil
        }
        precondition(first & 0xF0 == 0x80 && second & 0x80 == 0, "not a frame that a server may send")
        var count = Int(second)
        if second == 126 {
            count = Int(rest.readInteger(as: UInt16.self) ?? 0)
            precondition(count > 125)
        } else if second == 127 {
            count = Int(rest.readInteger(as: UInt64.self) ?? 0)
            precondition(count > 0xFFFF)
        }
        guard let payload = rest.readBytes(length: count) else { return nil }
        buffer = rest
        return Frame(opcode: first & 0xF, payload: payload)
    }

    var isClosed: Bool { !self.channel.isActive }

    func close() async throws {
        try await self.channel.close()
        await self.loop.run()
    }

    /// What the network does when the client does not read.
    func setWritable(_ isWritable: Bool) async throws {
        try await self.loop.submit { [channel] in
            channel.isWritable = isWritable
            channel.pipeline.fireChannelWritabilityChanged()
        }.get()
        await self.loop.run()
    }
}
