// SPDX-License-Identifier: Apache-2.0

import NIOCore

/// A connection whose handshake is done, as others than its event loop hold it.
struct Lane: Sendable {
    let channel: any Channel
    let connectedAt: NIODeadline
    private let handler: NIOLoopBound<LaneHandler>

    /// To be called on the event loop.
    init(context: ChannelHandlerContext, handler: LaneHandler, connectedAt: NIODeadline) {
        self.channel = context.channel
        self.connectedAt = connectedAt
        self.handler = NIOLoopBound(handler, eventLoop: context.eventLoop)
    }

    var eventLoop: any EventLoop { self.channel.eventLoop }

    /// From any thread; at once when on the lane's own event loop.
    func perform(_ action: @escaping @Sendable (LaneHandler) -> Void) {
        if self.eventLoop.inEventLoop {
            action(self.handler.value)
        } else {
            let handler = self.handler
            self.eventLoop.execute { action(handler.value) }
        }
    }
}
