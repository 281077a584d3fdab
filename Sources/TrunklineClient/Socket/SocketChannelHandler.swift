// SPDX-License-Identifier: Apache-2.0

internal import NIOCore
internal import NIOWebSocket

/// The end of the pipeline: frames come in, ready bytes go out.
final class SocketChannelHandler: ChannelInboundHandler {
    typealias InboundIn = WebSocketFrame
    typealias OutboundOut = ByteBuffer

    private let socket: TrunklineSocket

    init(_ socket: TrunklineSocket) {
        self.socket = socket
    }

    func handlerAdded(context: ChannelHandlerContext) {
        self.socket.upgraded(context.channel)
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        self.socket.received(self.unwrapInboundIn(data))
    }

    func channelWritabilityChanged(context: ChannelHandlerContext) {
        self.socket.writabilityChanged()
        context.fireChannelWritabilityChanged()
    }

    func channelInactive(context: ChannelHandlerContext) {
        self.socket.becameInactive()
        context.fireChannelInactive()
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        self.socket.errorCaught(error)
    }
}

@available(*, unavailable)
extension SocketChannelHandler: Sendable {}
