// SPDX-License-Identifier: Apache-2.0

import ClientProtocol
import Messaging
import NIOCore
import NIOEmbedded
import NIOWebSocket
import TestSupport
import Testing

@testable import Edge

@Suite("Frames of a client, and frames for it")
struct SessionsFramesTests {
    /// What a stream of bytes comes to, cut at the given places.
    private func events(
        _ bytes: [UInt8],
        cuts: [Int],
        messageBytesMax: Int = 1 << 17
    ) throws -> (events: [MessageAssembler.Event], error: (any Error)?) {
        let channel = EmbeddedChannel()
        let decoder = ByteToMessageHandler(WebSocketFrameDecoder(maxFrameSize: messageBytesMax))
        try channel.pipeline.syncOperations.addHandler(decoder)
        var assembler = MessageAssembler(messageBytesMax: messageBytesMax)
        var events: [MessageAssembler.Event] = []
        var failure: (any Error)?
        var start = 0
        for cut in cuts + [bytes.count] {
            do {
                try channel.writeInbound(ByteBuffer(bytes: bytes[start..<cut]))
            } catch {
                failure = error
            }
            start = cut
            while let frame = try channel.readInbound(as: WebSocketFrame.self) {
                events.append(assembler.receive(frame))
            }
            if failure != nil { break }
        }
        _ = try? channel.finish(acceptAlreadyClosed: true)
        return (events, failure)
    }

    private static let stream: [UInt8] =
        SessionsClient.frame(opcode: 1, Array("Grüße".utf8))
        + SessionsClient.frame(opcode: 1, Array("first ".utf8), isFinal: false)
        + SessionsClient.frame(opcode: 9, Array("ping".utf8))
        + SessionsClient.frame(opcode: 0, [], isFinal: false)
        + SessionsClient.frame(opcode: 0, Array("second".utf8))
        + SessionsClient.frame(opcode: 10, [])
        + SessionsClient.frame(opcode: 1, [UInt8](repeating: 65, count: 200))
        + SessionsClient.frame(opcode: 8, [0x03, 0xE8] + Array("bye".utf8))

    private static let expected: [MessageAssembler.Event] = [
        .message(ByteBuffer(string: "Grüße")),
        .incomplete,
        .ping(ByteBuffer(string: "ping")),
        .incomplete,
        .message(ByteBuffer(string: "first second")),
        .pong,
        .message(ByteBuffer(repeating: 65, count: 200)),
        .close(1000),
    ]

    @Test("A stream means the same wherever it is cut")
    func everyCut() throws {
        for cut in 0...Self.stream.count {
            let result = try self.events(Self.stream, cuts: [cut])
            #expect(result.events == Self.expected, "cut at \(cut)")
        }
        let single = try self.events(Self.stream, cuts: Array(1..<Self.stream.count))
        #expect(single.events == Self.expected)
    }

    struct Violation: Sendable {
        var bytes: [UInt8]
        var code: CloseCode
    }

    static let violations: [Violation] = [
        Violation(bytes: SessionsClient.frame(opcode: 2, [1, 2, 3]), code: .binaryMessage),
        Violation(bytes: SessionsClient.frame(opcode: 1, [65], isMasked: false), code: .protocolError),
        Violation(bytes: SessionsClient.frame(opcode: 9, [], isMasked: false), code: .protocolError),
        Violation(bytes: SessionsClient.frame(opcode: 1, [65], reserved: 4), code: .protocolError),
        Violation(bytes: SessionsClient.frame(opcode: 1, [65], reserved: 2), code: .protocolError),
        Violation(bytes: SessionsClient.frame(opcode: 1, [65], reserved: 1), code: .protocolError),
        Violation(bytes: SessionsClient.frame(opcode: 3, [65]), code: .protocolError),
        Violation(bytes: SessionsClient.frame(opcode: 0xB, []), code: .protocolError),
        Violation(bytes: SessionsClient.frame(opcode: 0, [65]), code: .protocolError),
        Violation(bytes: SessionsClient.frame(opcode: 8, [3]), code: .protocolError),
        Violation(bytes: SessionsClient.frame(opcode: 8, [0x03, 0xED]), code: .protocolError),
        Violation(bytes: SessionsClient.frame(opcode: 8, [0x00, 0x00]), code: .protocolError),
        Violation(bytes: SessionsClient.frame(opcode: 8, [0x13, 0x88]), code: .protocolError),
        Violation(bytes: SessionsClient.frame(opcode: 8, [0x03, 0xE8, 0xFF]), code: .invalidText),
    ]

    @Test("What the protocol does not allow has a code", arguments: violations)
    func violation(violation: Violation) throws {
        #expect(try self.events(violation.bytes, cuts: []).events == [.violation(violation.code)])
    }

    @Test("A message that begins within another is a violation")
    func nested() throws {
        let bytes = SessionsClient.frame(opcode: 1, [65], isFinal: false) + SessionsClient.frame(opcode: 1, [66])
        #expect(try self.events(bytes, cuts: []).events == [.incomplete, .violation(.protocolError)])
    }

    @Test("Fragments are bounded together, a frame alone")
    func bounds() throws {
        let half = [UInt8](repeating: 65, count: 60)
        let fragments =
            SessionsClient.frame(opcode: 1, half, isFinal: false)
            + SessionsClient.frame(opcode: 0, half, isFinal: false)
        #expect(
            try self.events(fragments, cuts: [], messageBytesMax: 100).events == [
                .incomplete, .violation(.messageTooBig),
            ]
        )
        #expect(try self.events(fragments, cuts: [], messageBytesMax: 120).events == [.incomplete, .incomplete])
        // The header alone is enough: nothing of the frame itself was sent.
        let header: [UInt8] = [0x81, 0xFF, 0, 0, 0, 0, 0x10, 0, 0, 0, 1, 2, 3, 4]
        let whole = try self.events(header, cuts: [], messageBytesMax: 100)
        #expect(whole.events.isEmpty)
        #expect(whole.error as? NIOWebSocketError == .invalidFrameLength)
    }

    @Test("A message of many fragments is put together where it is, not copied with each")
    func fragmentsInPlace() {
        var assembler = MessageAssembler(messageBytesMax: 1 << 17)
        var moves = 0
        var place: UnsafeRawPointer?
        for number in 0..<4096 {
            let opcode: WebSocketOpcode = number == 0 ? .text : .continuation
            let frame = WebSocketFrame(
                fin: false,
                opcode: opcode,
                maskKey: [0, 0, 0, 0],
                data: ByteBuffer(bytes: [65])
            )
            #expect(assembler.receive(frame) == .incomplete)
            let now = assembler.fragments?.withUnsafeReadableBytes(\.baseAddress)
            if now != place { moves += 1 }
            place = now
        }
        // The memory doubles as it grows.
        #expect(moves <= 16)
        #expect(assembler.fragments?.readableBytes == 4096)
    }

    @Test("Random bytes are understood or refused, never fatal", arguments: 0..<300 as Range<UInt64>)
    func garbage(seed: UInt64) throws {
        var random = SeededRandom(seed: seed)
        let bytes = random.bytes(Int.random(in: 0...400, using: &random))
        let cuts = (0..<3).map { _ in Int.random(in: 0...bytes.count, using: &random) }.sorted()
        _ = try self.events(bytes, cuts: cuts, messageBytesMax: 4096)
    }

    @Test(
        "The header of a frame for a client has the shortest length",
        arguments: [0, 1, 125, 126, 65_535, 65_536, 200_000]
    )
    func serverFrames(count: Int) throws {
        let payload = [UInt8](repeating: 66, count: count)
        let bytes = ServerFrame.text(payload)
        let header: [UInt8] =
            switch count {
            case ...125: [0x81, UInt8(count)]
            case ...65_535: [0x81, 126, UInt8(count >> 8), UInt8(count & 0xFF)]
            default: [0x81, 127, 0, 0, 0, 0, 0, UInt8(count >> 16), UInt8(count >> 8 & 0xFF), UInt8(count & 0xFF)]
            }
        #expect(Array(bytes.readableBytesView) == header + payload)
    }

    @Test("Control frames for a client")
    func control() {
        #expect(Array(ServerFrame.ping().readableBytesView) == [0x89, 0])
        #expect(Array(ServerFrame.pong(ByteBuffer(bytes: [1, 2])).readableBytesView) == [0x8A, 2, 1, 2])
        #expect(Array(ServerFrame.close(echoing: nil).readableBytesView) == [0x88, 0])
        #expect(Array(ServerFrame.close(echoing: 1001).readableBytesView) == [0x88, 2, 0x03, 0xE9])
        let replaced = Array(ServerFrame.close(.replaced).readableBytesView)
        #expect(replaced.prefix(4) == [0x88, UInt8(replaced.count - 2), 0x11, 0x95])
        #expect(String(decoding: replaced.dropFirst(4), as: UTF8.self) == CloseCode.replaced.reason)
    }
}
