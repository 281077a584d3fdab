// SPDX-License-Identifier: Apache-2.0

import NIOCore
import NIOWebSocket

@testable import Edge

/// Stands between the decoder and the session, and makes an echo of the session's answers.
///
/// A session that is not authenticated answers each text message with one error, in order. The tap passes every frame on
/// as it is, keeps the texts, and puts the oldest of them in the place of each answer; pongs and close frames pass.
/// So whether, when and after what a message is answered is decided by the session. Confined to its event loop.
final class EchoTap: ChannelDuplexHandler {
    typealias InboundIn = WebSocketFrame
    typealias OutboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    private static let firstByteOfText: UInt8 = 0x81

    private var assembler: MessageAssembler
    private var texts: [ByteBuffer] = []

    init(messageBytesMax: Int) {
        self.assembler = MessageAssembler(messageBytesMax: messageBytesMax)
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        if case .message(let text) = self.assembler.receive(self.unwrapInboundIn(data)) { self.texts.append(text) }
        context.fireChannelRead(data)
    }

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        guard self.unwrapOutboundIn(data).readableBytesView.first == Self.firstByteOfText, !self.texts.isEmpty else {
            return context.write(data, promise: promise)
        }
        let echo = ServerFrame.text(Array(self.texts.removeFirst().readableBytesView))
        context.write(self.wrapOutboundOut(echo), promise: promise)
    }
}

@available(*, unavailable)
extension EchoTap: Sendable {}
