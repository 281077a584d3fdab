// SPDX-License-Identifier: Apache-2.0

import NIOCore
import Placement
import Testing

@testable import Wire

@Suite("Blocks")
struct BlocksTests {
    private static let plain =
        "544c423101000002000000210000002146d56f1f6b215671"
        + "000000090511223344556677880000001011000000000000000703616e73776572"
    private static let compressed =
        "544c4231010100020000002f000004be9c6e298c469534d3"
        + "f8080000025b1200017b2274657874223a2268656c6c6f2c2007002f227d1e00ffff290f5f02ffff49506c6c6f227d"

    private static let plainFrames: [Frame] = [
        .heartbeat(HeartbeatFrame(time: 0x1122_3344_5566_7788)),
        .response(ResponseFrame(id: 7, status: 3, payload: ByteBuffer(string: "answer"))),
    ]
    private static let compressedFrames = [Frame](
        repeating: BlockSamples.notification(String(repeating: #"{"text":"hello, hello, hello"}"#, count: 20)),
        count: 2
    )

    private static func decode(
        _ reads: [ByteBuffer],
        limits: BlockDecoder.Limits = .standard
    ) throws -> [Frame] {
        var decoder = BlockDecoder(limits: limits)
        var frames: [Frame] = []
        for read in reads {
            decoder.append(read)
            while var block = try decoder.nextBlock() {
                while let frame = try block.nextFrame() { frames.append(frame) }
            }
        }
        #expect(decoder.waitingBytes == 0)
        return frames
    }

    private static func code(_ buffer: ByteBuffer, limits: BlockDecoder.Limits = .standard) -> WireError.Code? {
        do {
            _ = try Self.decode([buffer], limits: limits)
            return nil
        } catch {
            return (error as? WireError)?.code
        }
    }

    /// A block of anything at all, with checksums that are right.
    private static func forged(
        flags: UInt8 = 0,
        version: UInt8 = 1,
        frames: UInt16 = 1,
        rawLength: UInt32? = nil,
        stored: [UInt8]
    ) -> ByteBuffer {
        var buffer = ByteBuffer()
        buffer.writeMultipleIntegers(UInt32(0x544C_4231), version, flags, frames)
        buffer.writeMultipleIntegers(UInt32(stored.count), rawLength ?? UInt32(stored.count))
        buffer.writeInteger(UInt32(truncatingIfNeeded: XXHash64.hash(stored)))
        buffer.writeInteger(UInt32(truncatingIfNeeded: XXHash64.hash(Array(buffer.readableBytesView))))
        buffer.writeBytes(stored)
        return buffer
    }

    // MARK: - Golden vectors

    @Test("An uncompressed block has the written-down bytes")
    func goldenPlain() throws {
        let block = BlockSamples.encode(Self.plainFrames)
        #expect(block.buffer.hexadecimal == Self.plain)
        #expect(!block.isCompressed)
        #expect(try Self.decode([ByteBuffer(hexadecimal: Self.plain)]) == Self.plainFrames)
    }

    @Test("A compressed block that another implementation made is decoded, and ours is as small")
    func goldenCompressed() throws {
        #expect(try Self.decode([ByteBuffer(hexadecimal: Self.compressed)]) == Self.compressedFrames)
        let block = BlockSamples.encode(Self.compressedFrames)
        #expect(block.isCompressed)
        #expect(block.rawBytes == 1214)
        #expect(block.storedBytes <= 60)
        #expect(try Self.decode([block.buffer]) == Self.compressedFrames)
    }

    // MARK: - Encoding

    @Test("Blocks are compressed from the threshold on, and only if they get smaller")
    func threshold() throws {
        let text = String(repeating: "a", count: 300)
        #expect(BlockSamples.encode([BlockSamples.notification(text)], threshold: 307).isCompressed)
        #expect(!BlockSamples.encode([BlockSamples.notification(text)], threshold: 308).isCompressed)
        var generator = BlockSeededGenerator(seed: 5)
        let noise = (0..<4096).map { _ in UInt8(truncatingIfNeeded: generator.next()) }
        let frame = Frame.notification(NotificationFrame(kind: 1, payload: ByteBuffer(bytes: noise)))
        let block = BlockSamples.encode([frame])
        #expect(!block.isCompressed)
        #expect(block.storedBytes == block.rawBytes)
        #expect(try Self.decode([block.buffer]) == [frame])
    }

    @Test("Frames join up to 64 KiB; a larger one goes alone, up to 1 MiB")
    func joining() throws {
        var encoder = BlockEncoder()
        #expect(encoder.fits(frameBytes: FrameLimits.frameBytesMax))
        #expect(!encoder.fits(frameBytes: FrameLimits.frameBytesMax + 1))
        encoder.append(BlockSamples.notification(String(repeating: "x", count: 60_000)))
        #expect(encoder.fits(frameBytes: BlockLimits.blockBytesMax - 60_007))
        #expect(!encoder.fits(frameBytes: BlockLimits.blockBytesMax - 60_006))
        _ = encoder.finish()
        let largest = Frame.request(
            RequestFrame(
                id: 1,
                kind: 1,
                slot: 1,
                epoch: 1,
                deadlineMilliseconds: 1,
                payload: ByteBuffer(repeating: 7, count: FrameLimits.payloadBytesMax)
            )
        )
        #expect(largest.encodedBytes == BlockLimits.blockRawBytesMax)
        #expect(encoder.fits(frameBytes: largest.encodedBytes))
        encoder.append(largest)
        let block = encoder.finish()
        #expect(block.rawBytes == BlockLimits.blockRawBytesMax)
        #expect(try Self.decode([block.buffer]) == [largest])
    }

    @Test("One encoder makes many blocks, and earlier ones stay as they are")
    func reuse() throws {
        let seed = UInt64.random(in: 0...UInt64.max)
        var generator = BlockSeededGenerator(seed: seed)
        var encoder = BlockEncoder()
        var expected: [Frame] = []
        var blocks: [ByteBuffer] = []
        for count in [1, 40, 2, 1, 100, 3] {
            let frames = BlockSamples.conversation(frames: count, using: &generator)
            expected += frames
            for frame in frames { encoder.append(frame) }
            blocks.append(encoder.finish().buffer)
        }
        #expect(try Self.decode(blocks) == expected, "seed \(seed)")
    }

    // MARK: - Fragmentation

    @Test("A stream of blocks is the same frames wherever it is cut in two")
    func everySplit() throws {
        var stream = BlockSamples.encode(Self.plainFrames).buffer
        stream.writeImmutableBuffer(BlockSamples.encode(Self.compressedFrames).buffer)
        stream.writeImmutableBuffer(BlockSamples.encode([BlockSamples.notification("last")]).buffer)
        let expected = Self.plainFrames + Self.compressedFrames + [BlockSamples.notification("last")]
        for cut in 0...stream.readableBytes {
            let first = try #require(stream.getSlice(at: 0, length: cut))
            let rest = try #require(stream.getSlice(at: cut, length: stream.readableBytes - cut))
            #expect(try Self.decode([first, rest]) == expected, "cut at \(cut)")
        }
        let bytes = stream.readableBytesView.map { ByteBuffer(bytes: [$0]) }
        #expect(try Self.decode(bytes) == expected, "byte by byte")
    }

    @Test("A stream of large blocks is the same frames in random pieces")
    func randomPieces() throws {
        let seed = UInt64.random(in: 0...UInt64.max)
        var generator = BlockSeededGenerator(seed: seed)
        for _ in 0..<20 {
            var stream = ByteBuffer()
            var expected: [Frame] = []
            for _ in 0..<6 {
                let count = Int.random(in: 1...150, using: &generator)
                let frames = BlockSamples.conversation(frames: count, using: &generator)
                expected += frames
                stream.writeImmutableBuffer(BlockSamples.encode(frames).buffer)
            }
            var pieces: [ByteBuffer] = []
            while stream.readableBytes > 0 {
                let length = Int.random(in: 1...min(stream.readableBytes, 9000), using: &generator)
                let piece = stream.readSlice(length: length)
                pieces.append(try #require(piece))
            }
            #expect(try Self.decode(pieces) == expected, "seed \(seed)")
        }
    }

    // MARK: - Refusals

    @Test("A flipped bit anywhere is noticed")
    func flippedBits() {
        for hexadecimal in [Self.plain, Self.compressed] {
            let whole = ByteBuffer(hexadecimal: hexadecimal)
            for bit in 0..<(whole.readableBytes * 8) {
                var broken = whole
                let byte = broken.getInteger(at: bit / 8, as: UInt8.self) ?? 0
                broken.setInteger(byte ^ (1 << UInt8(bit % 8)), at: bit / 8)
                let code = Self.code(broken)
                switch bit / 8 {
                case 0..<4: #expect(code == .badMagic)
                case 4: #expect(code == .futureVersion)
                case 5..<24: #expect(code == .headerChecksum)
                default: #expect(code == .payloadChecksum)
                }
            }
        }
    }

    @Test("Bytes that are no block are refused at the fourth")
    func garbage() {
        #expect(Self.code(ByteBuffer(string: "GET ")) == .badMagic)
    }

    @Test("Unknown flags, a future version, impossible lengths and counts are refused")
    func headers() {
        let frame: [UInt8] = [0, 0, 0, 3, 128, 1, 2]
        #expect(Self.code(Self.forged(stored: frame)) == nil)
        #expect(Self.code(Self.forged(flags: 2, stored: frame)) == .unknownFlags)
        #expect(Self.code(Self.forged(flags: 0x81, stored: frame)) == .unknownFlags)
        #expect(Self.code(Self.forged(version: 2, stored: frame)) == .futureVersion)
        #expect(Self.code(Self.forged(rawLength: 8, stored: frame)) == .lengths)
        #expect(Self.code(Self.forged(rawLength: 6, stored: frame)) == .lengths)
        #expect(Self.code(Self.forged(flags: 1, rawLength: 7, stored: frame)) == .lengths)
        #expect(Self.code(Self.forged(flags: 1, rawLength: 20, stored: [])) == .lengths)
        #expect(Self.code(Self.forged(frames: 0, stored: frame)) == .frameCount)
        #expect(Self.code(Self.forged(frames: 2, stored: frame)) == .frameCount)
        #expect(Self.code(Self.forged(frames: 1, stored: frame + frame)) == .frameCount)
        #expect(Self.code(Self.forged(frames: 2, stored: frame + [0, 0, 0])) == .frameLength)
    }

    @Test("A block over the bound is refused by its header alone")
    func oversized() {
        var header = Self.forged(rawLength: 1 << 20, stored: [UInt8](repeating: 0, count: 1 << 20))
        header = header.getSlice(at: 0, length: 24) ?? ByteBuffer()
        var decoder = BlockDecoder()
        decoder.append(header)
        #expect(throws: Never.self) { try decoder.nextBlock() }
        for (stored, raw) in [(0x10_0001, 0x10_0001), (10, 0x10_0001), (0xFFFF_FFFF, 0xFFFF_FFFF), (20, 0xFFFF_FFFF)] {
            var buffer = ByteBuffer()
            buffer.writeMultipleIntegers(UInt32(0x544C_4231), UInt8(1), UInt8(1), UInt16(1))
            buffer.writeMultipleIntegers(UInt32(stored), UInt32(raw), UInt32(0))
            buffer.writeInteger(UInt32(truncatingIfNeeded: XXHash64.hash(Array(buffer.readableBytesView))))
            #expect(Self.code(buffer) == .tooLarge)
        }
    }

    @Test("Before the handshake: small blocks only, none compressed")
    func handshakeLimits() {
        let limits = BlockDecoder.Limits(rawBytesMax: 4096, acceptsCompressed: false)
        let largest = BlockSamples.notification(String(repeating: "a", count: 4096 - 7))
        #expect(Self.code(BlockSamples.encode([largest], threshold: .max).buffer, limits: limits) == nil)
        let larger = BlockSamples.notification(String(repeating: "a", count: 4096 - 6))
        #expect(Self.code(BlockSamples.encode([larger], threshold: .max).buffer, limits: limits) == .tooLarge)
        #expect(Self.code(BlockSamples.encode([largest]).buffer, limits: limits) == .unknownFlags)
    }

    @Test("A decompression bomb is refused, whether its header tells too little or too much")
    func bombs() {
        let zeros = BlockSamples.encode([BlockSamples.notification(String(repeating: "0", count: 1_000_000))])
        let stored = Array(zeros.buffer.readableBytesView.dropFirst(24))
        #expect(zeros.isCompressed && stored.count < 5000)
        for rawLength in [UInt32(stored.count + 1), 10_000, 999_999, UInt32(zeros.rawBytes - 1)] {
            #expect(Self.code(Self.forged(flags: 1, rawLength: rawLength, stored: stored)) == .decompression)
        }
        for rawLength in [UInt32(zeros.rawBytes + 1), 1 << 20] {
            #expect(Self.code(Self.forged(flags: 1, rawLength: rawLength, stored: stored)) == .decompression)
        }
        #expect(Self.code(Self.forged(flags: 1, rawLength: (1 << 20) + 1, stored: stored)) == .tooLarge)
        #expect(Self.code(Self.forged(flags: 1, rawLength: UInt32(zeros.rawBytes), stored: stored)) == nil)
    }

    // MARK: - Random

    @Test("Random bytes, and blocks with random bytes in them, never do more than throw")
    func randomBytes() {
        let seed = UInt64.random(in: 0...UInt64.max)
        var generator = BlockSeededGenerator(seed: seed)
        var accepted = 0
        for round in 0..<5000 {
            let noise = generator.bytes(upTo: 300)
            let buffer =
                switch round % 3 {
                case 0: ByteBuffer(bytes: noise)
                case 1: Self.forged(frames: UInt16.random(in: 0...5, using: &generator), stored: noise)
                default:
                    Self.forged(
                        flags: 1,
                        frames: 1,
                        rawLength: UInt32.random(in: 0...2000, using: &generator),
                        stored: noise
                    )
                }
            var decoder = BlockDecoder()
            decoder.append(buffer)
            do {
                while var block = try decoder.nextBlock() {
                    while try block.nextFrame() != nil { accepted += 1 }
                }
            } catch {
                #expect(!error.message.isEmpty, "seed \(seed)")
            }
        }
        #expect(accepted < 500, "seed \(seed)")
    }
}
