// SPDX-License-Identifier: Apache-2.0

import NIOCore

/// Takes blocks out of what is read from a socket, however it is cut into pieces.
///
/// A read that begins with a block is parsed where it lies: payloads are slices of it. Only the beginning of a block
/// that a read ends with is copied, into memory of that block's size. After an error the decoder must not be used again.
package struct BlockDecoder: Sendable {
    /// What is accepted; stricter before the handshake is done.
    package struct Limits: Sendable, Equatable {
        /// Bytes of a block's frames.
        package var rawBytesMax: Int
        package var acceptsCompressed: Bool

        package init(rawBytesMax: Int, acceptsCompressed: Bool) {
            self.rawBytesMax = rawBytesMax
            self.acceptsCompressed = acceptsCompressed
        }

        package static let standard = Limits(rawBytesMax: BlockLimits.blockRawBytesMax, acceptsCompressed: true)
    }

    /// Applies to headers that are read from now on.
    package var limits: Limits
    private let allocator: ByteBufferAllocator
    private var accumulator = ByteBuffer()
    /// Whether the accumulator's memory was taken here and no slice of it was handed out, so that it can be written to
    /// without being copied.
    private var ownsAccumulator = false
    private var header: BlockHeader?

    package init(limits: Limits = .standard, allocator: ByteBufferAllocator = ByteBufferAllocator()) {
        self.limits = limits
        self.allocator = allocator
    }

    /// Bytes that wait for the rest of their block.
    package var waitingBytes: Int { self.accumulator.readableBytes }

    /// Adds what was read. Call ``nextBlock()`` until it returns nil afterwards.
    package mutating func append(_ read: ByteBuffer) {
        guard self.accumulator.readableBytes > 0 else {
            self.accumulator = read
            self.ownsAccumulator = false
            return
        }
        if !self.ownsAccumulator {
            let total = self.accumulator.readableBytes + read.readableBytes
            let wanted = self.header.map { Int($0.storedLength) + BlockHeader.bytes } ?? 0
            var joined = self.allocator.buffer(capacity: max(total, wanted))
            joined.writeImmutableBuffer(self.accumulator)
            self.accumulator = joined
            self.ownsAccumulator = true
        }
        self.accumulator.writeImmutableBuffer(read)
    }

    /// The next whole block, checked and decompressed, or nil until more is read.
    package mutating func nextBlock() throws(WireError) -> Block? {
        if self.header == nil {
            self.header = try BlockHeader.read(from: &self.accumulator, limits: self.limits)
        }
        guard let header = self.header else { return nil }
        guard let stored = self.accumulator.readSlice(length: Int(header.storedLength)) else { return nil }
        self.header = nil
        self.ownsAccumulator = false
        let checksum = stored.withUnsafeReadableBytes { BlockHeader.checksum($0) }
        guard checksum == header.payloadChecksum else {
            throw WireError(.payloadChecksum, "the checksum of a block's payload does not match")
        }
        var payload = stored
        if header.isCompressed {
            let raw = LZ4.decompress(stored, rawLength: Int(header.rawLength), allocator: self.allocator)
            guard let raw else {
                throw WireError(.decompression, "a block's payload is not LZ4 of \(header.rawLength) bytes")
            }
            payload = raw
        }
        return Block(header: header, payload: payload)
    }
}

/// A block that was received: its frames, taken one at a time.
package struct Block: Sendable {
    package let frameCount: Int
    package let rawBytes: Int
    package let storedBytes: Int
    package let isCompressed: Bool
    /// The frames that were not taken yet.
    package private(set) var payload: ByteBuffer
    private var framesLeft: Int

    init(header: BlockHeader, payload: ByteBuffer) {
        self.frameCount = Int(header.frameCount)
        self.rawBytes = Int(header.rawLength)
        self.storedBytes = Int(header.storedLength)
        self.isCompressed = header.isCompressed
        self.payload = payload
        self.framesLeft = Int(header.frameCount)
    }

    /// The next frame, or nil after the last. Frames of unknown types that may be skipped are skipped.
    package mutating func nextFrame() throws(WireError) -> Frame? {
        while self.framesLeft > 0 {
            self.framesLeft -= 1
            if let frame = try Frame.read(from: &self.payload) { return frame }
        }
        guard self.payload.readableBytes == 0 else {
            throw WireError(
                .frameCount,
                "\(self.payload.readableBytes) bytes are left in a block after its \(self.frameCount) frames"
            )
        }
        return nil
    }
}
