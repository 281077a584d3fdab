// SPDX-License-Identifier: Apache-2.0

import NIOCore
import Testing

@testable import Wire

@Suite("Compression of blocks")
struct BlocksCompressionTests {
    private static func noise(_ count: Int, seed: UInt64) -> [UInt8] {
        var generator = BlockSeededGenerator(seed: seed)
        return (0..<count).map { _ in UInt8(truncatingIfNeeded: generator.next()) }
    }

    private static func frame(_ bytes: [UInt8]) -> Frame {
        .notification(NotificationFrame(kind: 1, payload: ByteBuffer(bytes: bytes)))
    }

    private static func decode(_ block: EncodedBlock) throws -> [Frame] {
        var decoder = BlockDecoder()
        decoder.append(block.buffer)
        var decoded = try #require(try decoder.nextBlock())
        var frames: [Frame] = []
        while let frame = try decoded.nextFrame() { frames.append(frame) }
        return frames
    }

    @Test("Every level makes a block that is smaller and is read back, and the slow ones make the smallest")
    func levels() throws {
        let seed = UInt64.random(in: 0...UInt64.max)
        var generator = BlockSeededGenerator(seed: seed)
        let frames = BlockSamples.conversation(frames: 150, using: &generator)
        var stored: [Int: Int] = [:]
        for level in [-64, -8, -1, 0, 1, 2, 3, 9] {
            let block = BlockSamples.encode(frames, level: level)
            #expect(block.compression == .compressed, "level \(level), seed \(seed)")
            #expect(block.storedBytes < block.rawBytes)
            #expect(try Self.decode(block) == frames, "level \(level), seed \(seed)")
            stored[level] = block.storedBytes
        }
        let (fastest, standard, slowest) = (
            try #require(stored[-64]), try #require(stored[1]), try #require(stored[9])
        )
        #expect(stored[0] == standard && stored[2] == standard)
        #expect(fastest > standard && standard > slowest, "\(stored), seed \(seed)")
    }

    @Test("A block tells why it is plain")
    func outcomes() throws {
        let text = [UInt8](repeating: UInt8(ascii: "a"), count: 300)
        #expect(BlockSamples.encode([Self.frame(text)], threshold: nil).compression == .off)
        #expect(BlockSamples.encode([Self.frame(text)], threshold: 308).compression == .belowThreshold)
        #expect(BlockSamples.encode([Self.frame(text)], threshold: 307).compression == .compressed)
        for level in [-64, 1, 9] {
            let frame = Self.frame(Self.noise(4096, seed: 5))
            let block = BlockSamples.encode([frame], level: level)
            #expect(block.compression == .notSmaller)
            #expect(block.storedBytes == block.rawBytes)
            #expect(try Self.decode(block) == [frame])
        }
    }

    @Test("A block that LZ4 shrinks by less than a sixteenth is sent plain")
    func gain() throws {
        #expect(BlockCompression.storedBytesMax(rawBytes: 1600) == 1500)
        #expect(BlockCompression.storedBytesMax(rawBytes: 2) == 1)
        // Noise with a run at its end: LZ4 saves about as many bytes as the run is long.
        func outcome(run: Int) -> CompressionOutcome {
            let bytes = Self.noise(4096 - run, seed: 6) + [UInt8](repeating: 7, count: run)
            return BlockSamples.encode([Self.frame(bytes)]).compression
        }
        #expect(outcome(run: 200) == .notSmaller)
        #expect(outcome(run: 400) == .compressed)
    }

    @Test("The smallest blocks are no trouble at any threshold")
    func smallest() throws {
        for count in 0...40 {
            let frame = Self.frame([UInt8](repeating: 0, count: count))
            for level in [-64, 1, 9] {
                #expect(try Self.decode(BlockSamples.encode([frame], threshold: 0, level: level)) == [frame])
            }
        }
    }
}
