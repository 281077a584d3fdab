// SPDX-License-Identifier: Apache-2.0

import NIOCore
import Wire

extension Benchmark {
    /// Frames that are joined for one write, with and without LZ4.
    static let blocks: [Benchmark] = {
        let deliveries = Samples.deliveries(200)
        let json = Samples.jsonFrames(150)
        return [
            Self.join("block.join.1", "a block of one delivery", Array(deliveries.prefix(1)), .off),
            Self.join("block.join.200", "a block of 200 deliveries, plain", deliveries, .off),
            Self.join("block.join.200.lz4", "the same, compressed", deliveries, .standard),
            Self.split("block.split.200", "200 deliveries out of a block, plain", deliveries, .off),
            Self.split("block.split.200.lz4", "the same, compressed", deliveries, .standard),
        ] + Self.lz4("json", "150 messages as JSON", json) + Self.lz4("deliver", "200 deliveries", deliveries)
    }()

    private static func block(_ frames: [Frame], _ compression: BlockCompression) -> EncodedBlock {
        var encoder = BlockEncoder(compression: compression)
        encoder.reserve(rawBytes: frames.reduce(0) { $0 + $1.encodedBytes })
        for frame in frames { encoder.append(frame) }
        return encoder.finish()
    }

    private static func join(
        _ name: String,
        _ summary: String,
        _ frames: [Frame],
        _ compression: BlockCompression
    ) -> Benchmark {
        Benchmark(name, summary) {
            Case(bytes: Self.block(frames, compression).storedBytes) { count in
                for _ in 0..<count { keep(Self.block(frames, compression)) }
            }
        }
    }

    private static func split(
        _ name: String,
        _ summary: String,
        _ frames: [Frame],
        _ compression: BlockCompression
    ) -> Benchmark {
        Benchmark(name, summary) {
            let block = Self.block(frames, compression)
            return Case(bytes: block.storedBytes) { count in
                for _ in 0..<count {
                    var decoder = BlockDecoder()
                    decoder.append(block.buffer)
                    do throws(WireError) {
                        while var block = try decoder.nextBlock() {
                            while let frame = try block.nextFrame() { keep(frame) }
                        }
                    } catch {
                        preconditionFailure("a sample could not be read: \(error)")
                    }
                }
            }
        }
    }

    /// LZ4 alone. The bytes are those of the compressed block.
    private static func lz4(_ name: String, _ summary: String, _ frames: [Frame]) -> [Benchmark] {
        var raw = ByteBuffer()
        for frame in frames { frame.encode(into: &raw) }
        let source = raw
        let compress = [("", 1), (".level_-8", -8), (".level_3", 3), (".level_9", 9)].map { suffix, level in
            Benchmark(
                "lz4.compress.\(name)\(suffix)",
                "\(source.readableBytes) bytes, \(summary), at level \(level)"
            ) {
                Case(bytes: Self.compressed(source, level: level).readableBytes) { count in
                    for _ in 0..<count { keep(Self.compressed(source, level: level)) }
                }
            }
        }
        let decompress = Benchmark("lz4.decompress.\(name)", "the same, back to \(source.readableBytes) bytes") {
            let stored = Self.compressed(source, level: 1)
            return Case(bytes: stored.readableBytes) { count in
                for _ in 0..<count {
                    let length = source.readableBytes
                    keep(LZ4.decompress(stored, rawLength: length, allocator: ByteBufferAllocator()))
                }
            }
        }
        return compress + [decompress]
    }

    private static func compressed(_ source: ByteBuffer, level: Int) -> ByteBuffer {
        var target = ByteBufferAllocator().buffer(capacity: source.readableBytes)
        let stored = source.withUnsafeReadableBytes {
            LZ4.compress($0, into: &target, atMost: source.readableBytes - 1, level: level)
        }
        precondition(stored != nil, "a sample did not get smaller")
        return target
    }
}
