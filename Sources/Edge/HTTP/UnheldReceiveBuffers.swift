// SPDX-License-Identifier: Apache-2.0

internal import NIOCore

/// Gives a channel's reads buffers that the channel does not keep, so that a connection that says nothing has none.
///
/// NIO keeps up to `maxMessagesPerRead` buffers of each channel for its next reads: 2 KiB of an idle WebSocket, half of all
/// that it has. With one message per read it keeps only the first buffer it was ever given, and it takes a new one for
/// each read when the sizes may have grown and no size is told beforehand (`NIOPooledRecvBufferAllocator`). So the first
/// one is small, and all others last as long as what was read into them is in use.
///
/// Sizes follow what is read, as those of NIO's `AdaptiveRecvByteBufferAllocator` do.
struct UnheldReceiveBuffers: RecvByteBufferAllocator {
    /// Bytes of the buffer that stays: the beginning of a request, which is then read in two parts.
    static let firstSize = 64
    static let initialSize = 2048
    static let minimumSize = 1024
    static let maximumSize = 65536

    // Fits in place in the existential that NIO holds: a larger one would be an allocation for each channel.
    private(set) var size = Int32(Self.initialSize)
    private var hasRead = false
    private var wasSmall = false

    func buffer(allocator: ByteBufferAllocator) -> ByteBuffer {
        allocator.buffer(capacity: self.hasRead ? Int(self.size) : Self.firstSize)
    }

    mutating func record(actualReadBytes: Int) -> Bool {
        if self.hasRead {
            self.adapt(actualReadBytes)
        }
        self.hasRead = true
        return true
    }

    /// Doubles when the buffer was filled, halves when twice in a row half of it would have done.
    private mutating func adapt(_ count: Int) {
        let size = Int(self.size)
        let isSmall = count <= size / 2
        if count >= size {
            self.size = Int32(min(size * 2, Self.maximumSize))
        } else if isSmall, self.wasSmall {
            self.size = Int32(max(size / 2, Self.minimumSize))
        }
        self.wasSmall = isSmall && !self.wasSmall
    }
}

extension Channel {
    /// To be called on the channel's event loop before its first read.
    func holdNoReceiveBuffers() throws {
        try self.syncOptions?.setOption(.recvAllocator, value: UnheldReceiveBuffers())
        try self.syncOptions?.setOption(.maxMessagesPerRead, value: 1)
    }
}
