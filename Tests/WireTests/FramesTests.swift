// SPDX-License-Identifier: Apache-2.0

import NIOCore
import Testing

@testable import Wire

@Suite("Frames")
struct FramesTests {
    /// Every frame with its bytes, written down apart from the code that encodes them.
    static let golden: [(frame: Frame, hexadecimal: String)] = [
        (
            .hello(BlockSamples.hello),
            "000000550100010001800000000000000101020304050607080201101112131415161718191a1b1c1d1e1f"
                + "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f0470726f6408726f757465722d31"
        ),
        (
            .proof(ProofFrame(code: Array(0x40..<0x60))),
            "0000002102404142434445464748494a4b4c4d4e4f505152535455565758595a5b5c5d5e5f"
        ),
        (
            .welcome(WelcomeFrame(version: 1, features: 3, creditItems: 4096, creditBytes: 8_388_608)),
            "0000001303000100000000000000030000100000800000"
        ),
        (
            .refused(RefusedFrame(code: 2, message: "wrong cluster")),
            "0000001004020d77726f6e6720636c7573746572"
        ),
        (.heartbeat(HeartbeatFrame(time: 0x1122_3344_5566_7788)), "00000009051122334455667788"),
        (.heartbeatAck(HeartbeatFrame(time: 0x1122_3344_5566_7788)), "00000009061122334455667788"),
        (.credit(CreditFrame(items: 1024, bytes: 2_097_152)), "00000009070000040000200000"),
        (.goodbye(GoodbyeFrame(reason: "stopping")), "0000000a080873746f7070696e67"),
        (
            .request(
                RequestFrame(
                    id: 7,
                    kind: 258,
                    slot: 4095,
                    epoch: 99,
                    deadlineMilliseconds: 1500,
                    payload: ByteBuffer(string: "payload")
                )
            ),
            "0000002010000000000000000701020fff0000000000000063000005dc7061796c6f6164"
        ),
        (
            .response(ResponseFrame(id: 7, status: 3, payload: ByteBuffer(string: "answer"))),
            "0000001011000000000000000703616e73776572"
        ),
        (
            .notification(NotificationFrame(kind: 513, payload: ByteBuffer(string: "news"))),
            "000000071202016e657773"
        ),
    ]

    @Test("Every frame has the written-down bytes", arguments: FramesTests.golden.indices)
    func goldenVectors(index: Int) throws {
        let (frame, hexadecimal) = Self.golden[index]
        var buffer = ByteBuffer()
        frame.encode(into: &buffer)
        #expect(buffer.hexadecimal == hexadecimal)
        #expect(frame.encodedBytes == buffer.readableBytes)
        #expect(try Frame.read(from: &buffer) == frame)
        #expect(buffer.readableBytes == 0)
    }

    @Test("Every type of frame has a golden vector")
    func goldenVectorsAreComplete() {
        let types = Set(Self.golden.map { $0.frame.type.rawValue })
        #expect(types == [1, 2, 3, 4, 5, 6, 7, 8, 16, 17, 18])
    }

    @Test("Fields of later versions are ignored, and kept in a hello", arguments: FramesTests.golden.indices)
    func laterFields(index: Int) throws {
        let (frame, hexadecimal) = Self.golden[index]
        switch frame {
        case .request, .response, .notification: return
        case .hello, .proof, .welcome, .refused, .heartbeat, .heartbeatAck, .credit, .goodbye: break
        }
        var buffer = ByteBuffer(hexadecimal: hexadecimal)
        buffer.writeBytes([0xAA, 0xBB, 0xCC])
        buffer.setInteger(UInt32(buffer.readableBytes - 4), at: 0)
        let bytes = buffer.hexadecimal
        let decoded = try #require(try Frame.read(from: &buffer))
        #expect(buffer.readableBytes == 0)
        guard case .hello(let hello) = decoded else {
            #expect(decoded == frame)
            return
        }
        #expect(hello.laterFields == [0xAA, 0xBB, 0xCC])
        var again = ByteBuffer()
        decoded.encode(into: &again)
        #expect(again.hexadecimal == bytes, "a proof covers the bytes as they were sent")
    }

    @Test("A body that ends too early is malformed, wherever it ends", arguments: FramesTests.golden.indices)
    func shortBodies(index: Int) throws {
        let (frame, hexadecimal) = Self.golden[index]
        let whole = ByteBuffer(hexadecimal: hexadecimal)
        let payloadBytes =
            switch frame {
            case .request(let request): request.payload.readableBytes
            case .response(let response): response.payload.readableBytes
            case .notification(let notification): notification.payload.readableBytes
            case .hello, .proof, .welcome, .refused, .heartbeat, .heartbeatAck, .credit, .goodbye: 0
            }
        for length in 5..<(whole.readableBytes - payloadBytes) {
            var buffer = try #require(whole.getSlice(at: 0, length: length))
            buffer.setInteger(UInt32(length - 4), at: 0)
            #expect { try Frame.read(from: &buffer) } throws: { ($0 as? WireError)?.code == .malformedFrame }
        }
    }

    @Test("A length over the end of the block, or of nothing, is refused")
    func wrongLengths() {
        for hexadecimal in ["00000000", "0000000005", "ffffffff051122334455667788", "0000000a051122334455667788"] {
            var buffer = ByteBuffer(hexadecimal: hexadecimal)
            #expect { try Frame.read(from: &buffer) } throws: { ($0 as? WireError)?.code == .frameLength }
        }
    }

    @Test("Unknown types are skipped from 128 on, and refused below", arguments: 0...255)
    func unknownTypes(type: Int) throws {
        let type = UInt8(type)
        guard FrameType(rawValue: type) == nil else { return }
        var buffer = ByteBuffer()
        buffer.writeMultipleIntegers(UInt32(3), type, UInt16(1))
        if type >= 128 {
            #expect(try Frame.read(from: &buffer) == nil)
            #expect(buffer.readableBytes == 0)
        } else {
            #expect { try Frame.read(from: &buffer) } throws: { ($0 as? WireError)?.code == .unknownFrameType }
        }
    }

    @Test("A name that is not UTF-8 is malformed")
    func invalidText() {
        var buffer = ByteBuffer(hexadecimal: "0000000708ff80616263646566")
        buffer.setInteger(UInt8(5), at: 5)
        buffer.setInteger(UInt8(0xFF), at: 6)
        #expect { try Frame.read(from: &buffer) } throws: { ($0 as? WireError)?.code == .malformedFrame }
    }

    @Test("A long text is cut at a whole character")
    func longText() throws {
        var buffer = ByteBuffer()
        Frame.goodbye(GoodbyeFrame(reason: String(repeating: "é", count: 200))).encode(into: &buffer)
        #expect(try Frame.read(from: &buffer) == .goodbye(GoodbyeFrame(reason: String(repeating: "é", count: 127))))
    }

    @Test("Random bytes never do more than throw, and what is decoded is encoded to the same bytes")
    func randomBytes() throws {
        let seed = UInt64.random(in: 0...UInt64.max)
        var generator = BlockSeededGenerator(seed: seed)
        let types: [UInt8] = [1, 2, 3, 4, 5, 6, 7, 8, 16, 17, 18, 128, 9]
        for _ in 0..<20_000 {
            var buffer = ByteBuffer()
            let bytes = generator.bytes(upTo: 120)
            let isHonest = Bool.random(using: &generator)
            let length = isHonest ? UInt32(bytes.count + 1) : UInt32.random(in: 0...200, using: &generator)
            buffer.writeMultipleIntegers(length, types.randomElement(using: &generator) ?? 1)
            buffer.writeBytes(bytes)
            let before = buffer
            do {
                guard let frame = try Frame.read(from: &buffer) else { continue }
                var again = ByteBuffer()
                frame.encode(into: &again)
                let taken = before.readableBytes - buffer.readableBytes
                #expect(again.readableBytes <= taken, "seed \(seed)")
                // The length differs when later fields were ignored; the known ones must be the same.
                let known = try #require(before.getSlice(at: 4, length: again.readableBytes - 4))
                #expect(again.getSlice(at: 4, length: again.readableBytes - 4) == known, "seed \(seed)")
            } catch is WireError {
                continue
            }
        }
    }
}
