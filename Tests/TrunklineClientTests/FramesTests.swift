// SPDX-License-Identifier: Apache-2.0

import NIOCore
import NIOEmbedded
import NIOWebSocket
import TestSupport
import Testing

@testable import TrunklineClient

@Suite("Frames of a WebSocket client")
struct FramesTests {
    @Test("the frame of RFC 6455 §5.7")
    func golden() {
        var buffer = ByteBuffer()
        MaskedFrame.append(.text, Array("Hello".utf8), mask: 0x37FA_213D, to: &buffer)
        #expect(Array(buffer.readableBytesView) == [0x81, 0x85, 0x37, 0xFA, 0x21, 0x3D, 0x7F, 0x9F, 0x4D, 0x51, 0x58])
    }

    @Test("frames of every kind of length, joined in one buffer, are read by an independent decoder")
    func joined() throws {
        var random = SeededRandom(seed: 3)
        let lengths = [0, 1, 2, 3, 4, 5, 124, 125, 126, 127, 1000, 65_535, 65_536, 70_001]
        var buffer = ByteBuffer()
        var payloads: [[UInt8]] = []
        for length in lengths {
            let payload = random.bytes(length)
            payloads.append(payload)
            MaskedFrame.append(.text, payload, mask: UInt32.random(in: .min ... .max, using: &random), to: &buffer)
        }
        let channel = EmbeddedChannel(handler: ByteToMessageHandler(WebSocketFrameDecoder(maxFrameSize: 1 << 20)))
        defer { _ = try? channel.finish(acceptAlreadyClosed: true) }
        try channel.writeInbound(buffer)
        for payload in payloads {
            let frame = try #require(try channel.readInbound(as: WebSocketFrame.self))
            #expect(frame.fin)
            #expect(frame.maskKey != nil)
            #expect(frame.opcode == .text)
            #expect(Array(frame.unmaskedData.readableBytesView) == payload)
        }
        #expect(try channel.readInbound(as: WebSocketFrame.self) == nil)
    }

    private func frame(_ opcode: WebSocketOpcode, _ text: String, fin: Bool = true) -> WebSocketFrame {
        WebSocketFrame(fin: fin, opcode: opcode, data: ByteBuffer(string: text))
    }

    @Test("fragments make one message, with control frames between them")
    func fragments() {
        var assembler = FrameAssembler(messageBytesMax: 100)
        #expect(assembler.receive(self.frame(.text, "on", fin: false)) == .incomplete)
        #expect(assembler.receive(self.frame(.ping, "?")) == .ping(ByteBuffer(string: "?")))
        #expect(assembler.receive(self.frame(.continuation, "e", fin: false)) == .incomplete)
        #expect(assembler.receive(self.frame(.pong, "")) == .pong)
        #expect(assembler.receive(self.frame(.continuation, "")) == .message(ByteBuffer(string: "one")))
        #expect(assembler.receive(self.frame(.text, "two")) == .message(ByteBuffer(string: "two")))
    }

    @Test("what RFC 6455 forbids is noticed")
    func violations() {
        func isViolation(_ frames: [WebSocketFrame]) -> Bool {
            var assembler = FrameAssembler(messageBytesMax: 100)
            var last = FrameAssembler.Event.incomplete
            for frame in frames { last = assembler.receive(frame) }
            if case .violation = last { return true }
            return false
        }
        let masked = WebSocketFrame(fin: true, opcode: .text, maskKey: [1, 2, 3, 4], data: ByteBuffer(string: "x"))
        let reserved = WebSocketFrame(fin: true, rsv1: true, opcode: .text, data: ByteBuffer(string: "x"))
        #expect(isViolation([masked]))
        #expect(isViolation([reserved]))
        #expect(isViolation([self.frame(.continuation, "x")]))
        #expect(isViolation([self.frame(.text, "x", fin: false), self.frame(.text, "y")]))
        #expect(isViolation([self.frame(.binary, "x")]))
        #expect(isViolation([self.frame(.ping, "x", fin: false)]))
        #expect(isViolation([self.frame(.connectionClose, "x")]))
        #expect(isViolation([self.frame(.text, String(repeating: "x", count: 101))]))
        let half = self.frame(.text, String(repeating: "x", count: 60), fin: false)
        #expect(isViolation([half, self.frame(.continuation, String(repeating: "x", count: 41))]))
        #expect(!isViolation([half, self.frame(.continuation, String(repeating: "x", count: 40))]))
    }

    @Test("a close frame has a code and a reason, or nothing")
    func close() {
        var assembler = FrameAssembler(messageBytesMax: 100)
        let payload = ByteBuffer(bytes: [0x0F, 0xA0] + Array("bye".utf8))
        let frame = WebSocketFrame(fin: true, opcode: .connectionClose, data: payload)
        #expect(assembler.receive(frame) == .close(4000, "bye"))
        #expect(assembler.receive(self.frame(.connectionClose, "")) == .close(nil, ""))
    }
}
