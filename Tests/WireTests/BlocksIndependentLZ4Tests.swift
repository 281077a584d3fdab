// SPDX-License-Identifier: Apache-2.0

import Foundation
import NIOCore
import Testing

@testable import Wire

/// Compares with an implementation that shares no code with ours: Python's `lz4` package, which brings its own.
@Suite("Blocks and an independent LZ4")
struct BlocksIndependentLZ4Tests {
    /// Reads blocks from its input as the header's description says, and writes the frames of all of them.
    private static let program = """
        import struct, sys
        try:
            import lz4.block
        except ImportError:
            sys.exit("Python's lz4 package is missing: python3 -m pip install lz4")
        data = sys.stdin.buffer.read()
        out = sys.stdout.buffer
        while data:
            magic, version, flags, frames, stored, raw, _, _ = struct.unpack(">4sBBHIIII", data[:24])
            assert magic == b"TLB1" and version == 1 and flags in (0, 1), data[:24]
            payload, data = data[24:24 + stored], data[24 + stored:]
            if flags == 1:
                payload = lz4.block.decompress(payload, uncompressed_size=raw)
            assert len(payload) == raw
            out.write(payload)
        """

    private static func run(_ input: Data) throws -> (output: Data, errors: String, status: Int32) {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.arguments = ["python3", "-c", Self.program]
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("trunkline-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        let (inputFile, outputFile) = (folder.appendingPathComponent("in"), folder.appendingPathComponent("out"))
        let errorFile = folder.appendingPathComponent("errors")
        try input.write(to: inputFile)
        try Data().write(to: outputFile)
        try Data().write(to: errorFile)
        process.standardInput = try FileHandle(forReadingFrom: inputFile)
        process.standardOutput = try FileHandle(forWritingTo: outputFile)
        process.standardError = try FileHandle(forWritingTo: errorFile)
        try process.run()
        process.waitUntilExit()
        return (
            try Data(contentsOf: outputFile),
            String(decoding: try Data(contentsOf: errorFile), as: UTF8.self),
            process.terminationStatus
        )
    }

    @Test("It decodes our blocks to the same bytes")
    func decodesOurs() throws {
        let seed = UInt64.random(in: 0...UInt64.max)
        var generator = BlockSeededGenerator(seed: seed)
        var blocks = Data()
        var frames = Data()
        var compressed = 0
        for count in [1, 2, 5, 30, 180] {
            let block = BlockSamples.conversation(frames: count, using: &generator)
            let encoded = BlockSamples.encode(block)
            compressed += encoded.isCompressed ? 1 : 0
            blocks.append(contentsOf: encoded.buffer.readableBytesView)
            for frame in block {
                var buffer = ByteBuffer()
                frame.encode(into: &buffer)
                frames.append(contentsOf: buffer.readableBytesView)
            }
        }
        #expect(compressed >= 3)
        let result = try Self.run(blocks)
        try #require(result.status == 0, "\(result.errors)")
        #expect(result.output == frames, "seed \(seed)")
    }
}
