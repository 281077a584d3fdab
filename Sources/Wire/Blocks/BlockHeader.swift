// SPDX-License-Identifier: Apache-2.0

import NIOCore
import Placement

/// The 24 bytes before the payload of every block.
///
/// All integers are big-endian:
///
///     offset  bytes
///      0      4     magic "TLB1"
///      4      1     version, 1
///      5      1     flags: bit 0 = the payload is one LZ4 block; all others must be 0
///      6      2     number of frames, at least 1
///      8      4     stored length: bytes of payload that follow
///     12      4     raw length: bytes of payload after decompression
///     16      4     low 32 bits of XXH64 of the stored payload
///     20      4     low 32 bits of XXH64 of the 20 bytes before
struct BlockHeader: Equatable {
    static let bytes = 24
    static let checkedBytes = 20
    static let magic: UInt32 = 0x544C_4231
    static let version: UInt8 = 1
    static let compressedFlag: UInt8 = 1
    /// No frame is shorter than its length and type.
    private static let frameBytesMin = 5

    var isCompressed: Bool
    var frameCount: UInt16
    var storedLength: UInt32
    var rawLength: UInt32
    var payloadChecksum: UInt32

    static func checksum(_ bytes: UnsafeRawBufferPointer) -> UInt32 {
        UInt32(truncatingIfNeeded: XXHash64.hash(bytes))
    }
}

extension BlockHeader {
    /// Writes the header into the place that was kept for it.
    func set(in buffer: inout ByteBuffer, at index: Int) {
        buffer.setInteger(Self.magic, at: index)
        buffer.setInteger(Self.version, at: index + 4)
        buffer.setInteger(self.isCompressed ? Self.compressedFlag : 0, at: index + 5)
        buffer.setInteger(self.frameCount, at: index + 6)
        buffer.setInteger(self.storedLength, at: index + 8)
        buffer.setInteger(self.rawLength, at: index + 12)
        buffer.setInteger(self.payloadChecksum, at: index + 16)
        let start = index - buffer.readerIndex
        let checksum = buffer.withUnsafeReadableBytes {
            Self.checksum(UnsafeRawBufferPointer(rebasing: $0[start..<start + Self.checkedBytes]))
        }
        buffer.setInteger(checksum, at: index + Self.checkedBytes)
    }

    /// Reads and checks the header, and moves past it. Returns nil while it is not complete; what is wrong with the
    /// magic is told as soon as that is there.
    static func read(from buffer: inout ByteBuffer, limits: BlockDecoder.Limits) throws(WireError) -> BlockHeader? {
        guard let magic = buffer.getInteger(at: buffer.readerIndex, as: UInt32.self) else { return nil }
        guard magic == Self.magic else {
            throw WireError(.badMagic, "a block begins with 544c4231, not \(String(magic, radix: 16))")
        }
        guard buffer.readableBytes >= Self.bytes else { return nil }
        let checksum = buffer.withUnsafeReadableBytes {
            Self.checksum(UnsafeRawBufferPointer(rebasing: $0[..<Self.checkedBytes]))
        }
        guard
            let (_, version, flags, frameCount, storedLength, rawLength, payloadChecksum, headerChecksum) =
                buffer.readMultipleIntegers(
                    as: (UInt32, UInt8, UInt8, UInt16, UInt32, UInt32, UInt32, UInt32).self
                )
        else { return nil }
        guard version == Self.version else {
            throw WireError(.futureVersion, "block version \(version), this node knows \(Self.version)")
        }
        guard checksum == headerChecksum else {
            throw WireError(.headerChecksum, "the checksum of a block's header does not match")
        }
        guard flags & ~Self.compressedFlag == 0 else {
            throw WireError(.unknownFlags, "block flags \(String(flags, radix: 2)), this node knows bit 0")
        }
        let header = BlockHeader(
            isCompressed: flags & Self.compressedFlag != 0,
            frameCount: frameCount,
            storedLength: storedLength,
            rawLength: rawLength,
            payloadChecksum: payloadChecksum
        )
        try header.check(against: limits)
        return header
    }

    private func check(against limits: BlockDecoder.Limits) throws(WireError) {
        guard self.rawLength <= limits.rawBytesMax, self.storedLength <= limits.rawBytesMax else {
            throw WireError(
                .tooLarge,
                "a block of \(max(self.rawLength, self.storedLength)) bytes, the bound is \(limits.rawBytesMax)"
            )
        }
        if self.isCompressed {
            guard limits.acceptsCompressed else {
                throw WireError(.unknownFlags, "a compressed block before the handshake is done")
            }
            guard self.storedLength > 0, self.storedLength < self.rawLength else {
                throw WireError(
                    .lengths,
                    "a compressed block of \(self.storedLength) bytes for \(self.rawLength) raw bytes"
                )
            }
        } else {
            guard self.storedLength == self.rawLength else {
                throw WireError(
                    .lengths,
                    "an uncompressed block of \(self.storedLength) bytes for \(self.rawLength) raw bytes"
                )
            }
        }
        guard self.frameCount > 0, Int(self.frameCount) * Self.frameBytesMin <= Int(self.rawLength) else {
            throw WireError(.frameCount, "\(self.frameCount) frames in a block of \(self.rawLength) bytes")
        }
    }
}
