// SPDX-License-Identifier: Apache-2.0

import NIOCore

/// Stands behind TLS and hands on what is written before much of it waits for a flush.
///
/// Without TLS what is written counts at once for whether a channel is writable, and whoever writes stops there. NIO's TLS
/// keeps it to itself until the flush, so that nobody would stop. Confined to the channel's event loop.
final class EarlyFlush: ChannelOutboundHandler {
    typealias OutboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    /// As much as four records of TLS hold.
    static let unflushedBytesMax = 64 << 10

    private var unflushedBytes = 0

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        self.unflushedBytes += self.unwrapOutboundIn(data).readableBytes
        context.write(data, promise: promise)
        if self.unflushedBytes >= Self.unflushedBytesMax {
            self.unflushedBytes = 0
            context.flush()
        }
    }

    func flush(context: ChannelHandlerContext) {
        self.unflushedBytes = 0
        context.flush()
    }
}

@available(*, unavailable)
extension EarlyFlush: Sendable {}
