// SPDX-License-Identifier: Apache-2.0

import NIOCore

/// A block that is ready for the socket.
package struct EncodedBlock: Sendable {
    package var buffer: ByteBuffer
    package var frames: Int
    /// Bytes of frames.
    package var rawBytes: Int
    /// Bytes of payload; fewer than ``rawBytes`` when compressed.
    package var storedBytes: Int
    package var compression: CompressionOutcome

    package var isCompressed: Bool { self.compression == .compressed }
}

/// Joins frames to blocks.
///
/// Frames are written once, behind the place of the header; the block is compressed as a whole only when it reaches the
/// threshold and gets smaller by a sixteenth. Measured on 326-byte payloads: one frame alone shrinks by nothing, a block
/// of them to 55–65 %.
package struct BlockEncoder: Sendable {
    private let compression: BlockCompression
    private let allocator: ByteBufferAllocator
    private var buffer: ByteBuffer
    private var frames = 0

    package init(
        compression: BlockCompression = .standard,
        allocator: ByteBufferAllocator = ByteBufferAllocator()
    ) {
        self.compression = compression
        self.allocator = allocator
        self.buffer = ByteBuffer()
    }

    package var isEmpty: Bool { self.frames == 0 }

    /// Bytes of frames so far.
    package var rawBytes: Int { self.frames == 0 ? 0 : self.buffer.readableBytes - BlockHeader.bytes }

    /// Whether a frame of that many bytes may join the block: up to ``BlockLimits/blockBytesMax``, or any frame alone.
    package func fits(frameBytes: Int) -> Bool {
        guard self.frames > 0 else { return frameBytes <= BlockLimits.blockRawBytesMax }
        return self.frames < BlockLimits.framesMax && self.rawBytes + frameBytes <= BlockLimits.blockBytesMax
    }

    /// Adds a frame, for which ``fits(frameBytes:)`` must be true.
    package mutating func append(_ frame: Frame) {
        precondition(self.fits(frameBytes: frame.encodedBytes), "the frame does not fit into the block")
        if self.frames == 0 {
            self.begin(expecting: frame.encodedBytes)
        }
        frame.encode(into: &self.buffer)
        self.frames += 1
    }

    /// Takes memory for a block of about that many bytes at once, instead of growing to it.
    package mutating func reserve(rawBytes: Int) {
        guard self.frames == 0 else { return }
        self.begin(expecting: min(rawBytes, BlockLimits.blockBytesMax))
    }

    private mutating func begin(expecting rawBytes: Int) {
        let capacity = BlockHeader.bytes + rawBytes
        if self.buffer.capacity < capacity {
            self.buffer = self.allocator.buffer(capacity: capacity)
        }
        // Keeps the storage if the last block's was compressed away and nobody else holds it.
        self.buffer.clear(minimumCapacity: capacity)
        self.buffer.writeRepeatingByte(0, count: BlockHeader.bytes)
    }

    /// The block of all frames since the last call. There must be at least one.
    package mutating func finish() -> EncodedBlock {
        precondition(self.frames > 0, "a block without frames")
        let rawBytes = self.rawBytes
        let frames = self.frames
        self.frames = 0
        let outcome: CompressionOutcome
        if let threshold = self.compression.thresholdBytes {
            if rawBytes < threshold {
                outcome = .belowThreshold
            } else if let block = self.compressed(rawBytes: rawBytes, frames: frames) {
                return block
            } else {
                outcome = .notSmaller
            }
        } else {
            outcome = .off
        }
        var buffer = ByteBuffer()
        swap(&buffer, &self.buffer)
        Self.complete(&buffer, isCompressed: false, frames: frames, rawBytes: rawBytes)
        return EncodedBlock(
            buffer: buffer,
            frames: frames,
            rawBytes: rawBytes,
            storedBytes: rawBytes,
            compression: outcome
        )
    }

    private func compressed(rawBytes: Int, frames: Int) -> EncodedBlock? {
        let storedBytesMax = BlockCompression.storedBytesMax(rawBytes: rawBytes)
        var target = self.allocator.buffer(capacity: BlockHeader.bytes + storedBytesMax)
        target.writeRepeatingByte(0, count: BlockHeader.bytes)
        let stored = self.buffer.withUnsafeReadableBytes {
            LZ4.compress(
                UnsafeRawBufferPointer(rebasing: $0[BlockHeader.bytes...]),
                into: &target,
                atMost: storedBytesMax,
                level: self.compression.level
            )
        }
        guard let stored else { return nil }
        Self.complete(&target, isCompressed: true, frames: frames, rawBytes: rawBytes)
        return EncodedBlock(
            buffer: target,
            frames: frames,
            rawBytes: rawBytes,
            storedBytes: stored,
            compression: .compressed
        )
    }

    private static func complete(_ buffer: inout ByteBuffer, isCompressed: Bool, frames: Int, rawBytes: Int) {
        let checksum = buffer.withUnsafeReadableBytes {
            BlockHeader.checksum(UnsafeRawBufferPointer(rebasing: $0[BlockHeader.bytes...]))
        }
        let header = BlockHeader(
            isCompressed: isCompressed,
            frameCount: UInt16(frames),
            storedLength: UInt32(buffer.readableBytes - BlockHeader.bytes),
            rawLength: UInt32(rawBytes),
            payloadChecksum: checksum
        )
        header.set(in: &buffer, at: buffer.readerIndex)
    }
}
