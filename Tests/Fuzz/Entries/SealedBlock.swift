// SPDX-License-Identifier: Apache-2.0

import NIOCore
import Placement

@testable import Wire

/// Blocks whose checksums are right whatever is in them: random bytes would hardly ever get past a checksum.
enum SealedBlock {
    /// - Parameters:
    ///   - form: bit 0 claims compression, bit 1 compresses, bit 2 claims another raw length, bit 3 another number of
    ///     frames, bits 4–6 when all are set an unknown flag.
    ///   - claim: the other length, or number.
    static func bytes(form: UInt8, claim: UInt16, payload: [UInt8]) -> [UInt8] {
        var stored = payload
        if form & 3 == 3, let compressed = Self.compressed(payload) { stored = compressed }
        let rawLength = form & 4 != 0 ? UInt32(claim) : UInt32(payload.count)
        let frames = form & 8 != 0 ? claim : Self.frames(in: payload)
        var buffer = ByteBuffer()
        buffer.writeRepeatingByte(0, count: BlockHeader.bytes)
        buffer.writeBytes(stored)
        BlockHeader(
            isCompressed: form & 1 != 0,
            frameCount: frames,
            storedLength: UInt32(stored.count),
            rawLength: rawLength,
            payloadChecksum: stored.withUnsafeBytes { BlockHeader.checksum($0) }
        ).set(in: &buffer, at: 0)
        var bytes = Array(buffer.readableBytesView)
        if form & 0x70 == 0x70 { bytes[5] |= 0x40 }
        return bytes
    }

    /// One frame with the right length before it.
    static func frame(type: UInt8, body: [UInt8]) -> [UInt8] {
        var buffer = ByteBuffer()
        buffer.writeInteger(UInt32(body.count + 1))
        buffer.writeInteger(type)
        buffer.writeBytes(body)
        return Array(buffer.readableBytesView)
    }

    private static func compressed(_ payload: [UInt8]) -> [UInt8]? {
        var target = ByteBuffer()
        let stored = payload.withUnsafeBytes {
            LZ4.compress($0, into: &target, atMost: payload.count - 1, level: BlockCompression.levelDefault)
        }
        guard stored != nil else { return nil }
        return Array(target.readableBytesView)
    }

    /// As many as their lengths say.
    private static func frames(in payload: [UInt8]) -> UInt16 {
        var buffer = ByteBuffer(bytes: payload)
        var count: UInt16 = 0
        while let length = buffer.readInteger(as: UInt32.self), count < .max {
            count += 1
            guard buffer.readSlice(length: Int(length)) != nil else { break }
        }
        return count
    }
}
